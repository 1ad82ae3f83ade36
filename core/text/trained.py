"""Trained discretizers on disk, of any kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.catalog import Catalog
from crossdl.errors import InputError
from crossdl.interfaces import ReportDiscretizer
from crossdl.labels import parse_labels

if TYPE_CHECKING:
    from crossdl.registry import Registry


def load_discretizer(folder: Path, catalog: Catalog) -> ReportDiscretizer[Any]:
    """Loads a trained discretizer with the labels it was trained for.

    Args:
        folder: Holds ``model.json`` with ``labels`` and ``config``.
        catalog: Kinds that the config may name.

    Raises:
        InputError: The folder holds no readable discretizer.
        CatalogError: It is of a kind that is not installed here.
    """
    path = folder / "model.json"
    if not path.is_file():
        raise InputError(f"{folder}: no model.json; give the folder of a trained discretizer")
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        labels = parse_labels(described["labels"])
        config = catalog.parse("discretizer", described["config"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(
            f"{path}: not a trained discretizer ({reason}); copy or train it again"
        ) from error
    discretizer: ReportDiscretizer[Any] = catalog.create("discretizer", config, labels)
    discretizer.load(folder)
    return discretizer


def find_discretizer(name: str, book: Registry) -> ReportDiscretizer[Any]:
    """A trained one from a folder, or that of a composition.

    Raises:
        InputError: The folder is unreadable, or the composition's discretizer is not trained.
        ConfigError: There is no such composition.
    """
    from crossdl.anatomy import load_anatomy

    if Path(name).is_dir():
        return load_discretizer(Path(name), book.catalog)
    chosen = book.composition(name)
    made: ReportDiscretizer[Any] = book.catalog.create(
        "discretizer", chosen.discretizer, load_anatomy(chosen.anatomy)
    )
    if not made.trained:
        raise InputError(
            f"the discretizer of composition {name!r} is not trained yet; train it and give its "
            "folder"
        )
    return made
