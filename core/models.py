"""Trained models on disk: finding, describing and loading them."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from crossdl.anatomy import load_anatomy
from crossdl.catalog import Catalog, default_catalog
from crossdl.errors import InputError
from crossdl.interfaces import AbnormalityAnalyzer


def shipped_model() -> Path:
    """Folder of the demonstrator that ships with the package."""
    return Path(str(files("crossdl") / "model_zoo" / "phantom_unet"))


def _description(folder: Path) -> dict[str, Any]:
    path = folder / "model.json"
    if not path.is_file():
        raise InputError(
            f"{folder}: no model.json; give the model folder of a finished run, such as "
            "runs/demo/model"
        )
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(f"{path}: damaged ({error}); copy or train the model again") from error
    if not isinstance(described, dict) or not {"anatomy", "config"} <= described.keys():
        raise InputError(f"{path}: lacks 'anatomy' or 'config'; not a crossdl model")
    return described


def model_anatomy(folder: Path | None) -> str:
    """Name of the anatomy a model was made for.

    Raises:
        InputError: The folder holds no readable model.
    """
    return str(_description(folder or shipped_model())["anatomy"])


def load_model(
    folder: Path | None = None, catalog: Catalog | None = None
) -> AbnormalityAnalyzer[Any]:
    """Loads a trained analyzer.

    Args:
        folder: ``model.safetensors`` + ``model.json``; None means the shipped demonstrator.
        catalog: Kinds the model may name; None means built-in and installed ones.

    Raises:
        InputError: The folder holds no readable model.
    """
    folder = folder or shipped_model()
    described = _description(folder)
    catalog = catalog or default_catalog()
    anatomy = load_anatomy(str(described["anatomy"]))
    config = catalog.parse("analyzer", described["config"])
    analyzer: AbnormalityAnalyzer[Any] = catalog.create("analyzer", config, anatomy)
    analyzer.load(folder)
    return analyzer
