"""Trained discretizers on disk, of any kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from crossdl.anatomy import Anatomy
from crossdl.catalog import Catalog
from crossdl.errors import InputError
from crossdl.interfaces import ReportDiscretizer
from crossdl.labels import parse_labels


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
    # catalog.create names an anatomy; a discretizer takes any label set
    discretizer = catalog.create("discretizer", config, cast(Anatomy, labels))
    discretizer.load(folder)
    return cast(ReportDiscretizer[Any], discretizer)
