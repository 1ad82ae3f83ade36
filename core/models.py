"""Trained models on disk: finding, describing and loading them."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from crossdl.anatomy import Anatomy
from crossdl.catalog import Catalog, default_catalog
from crossdl.errors import InputError
from crossdl.interfaces import AbnormalityAnalyzer


def shipped_model() -> Path:
    """Folder of the demonstrator that ships with the package."""
    return Path(str(files("crossdl") / "model_zoo" / "phantom_unet"))


def model_digest(folder: Path) -> str:
    """Changes whenever ``model.json``, which holds the digest of the weights, does.

    Raises:
        InputError: The folder holds no model.
    """
    path = folder / "model.json"
    if not path.is_file():
        raise InputError(
            f"{folder}: no model.json; give the model folder of a finished run, such as "
            "runs/demo/model"
        )
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_model(
    folder: Path | None = None, catalog: Catalog | None = None
) -> AbnormalityAnalyzer[Any]:
    """Loads a trained analyzer; its ``anatomy`` is the one it was trained with.

    Args:
        folder: ``model.safetensors`` + ``model.json``; None means the shipped demonstrator.
        catalog: Kinds the model may name; None means built-in and installed ones.

    Raises:
        InputError: The folder holds no readable model.
        CatalogError: The model is of a kind that is not installed here.
    """
    folder = folder or shipped_model()
    catalog = catalog or default_catalog()
    path = folder / "model.json"
    model_digest(folder)
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        anatomy = Anatomy.model_validate(described["anatomy"])
        config = catalog.parse("analyzer", described["config"])
    except (ValueError, KeyError, TypeError) as error:
        reason = (
            f"{error.error_count()} field(s) do not fit"
            if isinstance(error, ValidationError)
            else f"{type(error).__name__}: {error}"
        )
        raise InputError(f"{path}: damaged ({reason}); copy or train the model again") from error
    analyzer: AbnormalityAnalyzer[Any] = catalog.create("analyzer", config, anatomy)
    analyzer.load(folder)
    return analyzer
