"""A region map as files of a folder: ``regions.npz`` and ``quality.json``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from crossdl.errors import InputError
from crossdl.files import write_json
from crossdl.types import Grid, Quality, RegionMap


def write_regions(folder: Path, regions: RegionMap) -> None:
    """Writes ``regions.npz`` (labels, affine) and ``quality.json`` into a folder."""
    np.savez_compressed(folder / "regions.npz", labels=regions.labels, affine=regions.grid.affine)
    _write_quality(folder, regions.quality)


def copy_regions(source: Path, folder: Path, quality: Quality) -> None:
    """Writes the regions of one folder into another, with their own quality."""
    shutil.copyfile(source / "regions.npz", folder / "regions.npz")
    _write_quality(folder, quality)


def read_regions(folder: Path) -> RegionMap:
    """Reads what :func:`write_regions` wrote.

    Raises:
        InputError: Files are missing or damaged.
    """
    try:
        with np.load(folder / "regions.npz", allow_pickle=False) as stored:
            labels, affine = stored["labels"], stored["affine"]
        return RegionMap(labels, Grid(labels.shape, affine), read_quality(folder))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{folder}: the cached regions are damaged; remove it") from error


def read_quality(folder: Path) -> Quality:
    """The quality of what :func:`write_regions` wrote, without its labels.

    Raises:
        InputError: The file is missing or damaged.
    """
    try:
        quality = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
        return Quality(quality["values"], tuple(quality["flags"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: the cached regions are damaged; remove it") from error


def _write_quality(folder: Path, quality: Quality) -> None:
    stored = {"values": dict(quality.values), "flags": list(quality.flags)}
    write_json(folder / "quality.json", stored)
