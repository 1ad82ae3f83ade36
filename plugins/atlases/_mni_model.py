"""The head model behind the atlas ``mni_head`` and the cohort ``phantom``: built once, cached."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.anatomy import Anatomy
from crossdl.cache import stored
from crossdl.plugins.atlases._mni_sources import source_versions, symmetric_grid
from crossdl.types import BoolArray, FloatArray, Grid, LabelArray

VERSION = 14
"""Raised whenever the code of this model changes what it builds."""

_ARRAYS = (
    "hu", "labels", "grey", "white", "inside", "fluid", "dura", "blood", "outer", "vault",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class HeadModel:
    """A normal head in MNI space, left-right symmetric.

    Attributes:
        grid: Axes along S, P, L.
        hu: ``(D, H, W)`` float32, air -1000.
        labels: ``(D, H, W)`` uint8, labels of the anatomy's regions.
        grey: Fraction of grey matter in [0, 1], float32.
        white: Fraction of white matter in [0, 1], float32.
        inside: The cavity within the inner plate of the skull.
        fluid: Fraction of cerebrospinal fluid.
        dura: Fraction of falx and tentorium.
        blood: Fraction of venous sinuses and large vessels.
        outer: Distance to the inner plate of the vault, mm, negative inside.
        vault: How far the skull is the vault; 0 at base and face.
        fingerprint: SHA-256 of all arrays.
        sources: Package → version of the published maps.
    """

    grid: Grid
    hu: FloatArray
    labels: LabelArray
    grey: FloatArray
    white: FloatArray
    inside: BoolArray
    fluid: FloatArray
    dura: FloatArray
    blood: FloatArray
    outer: FloatArray
    vault: FloatArray
    fingerprint: str
    sources: Mapping[str, str]


@cache
def head_data() -> dict[str, Any]:
    """The data of the model (parts of AAL, densities, structures), not to be changed."""
    text = (files("crossdl") / "plugins" / "atlases" / "mni_head.toml").read_text("utf-8")
    return tomllib.loads(text)


def head_model(anatomy: Anatomy, spacing_mm: float) -> HeadModel:
    """Builds the model or reads it from the cache.

    Raises:
        ConfigError: The anatomy lacks a part that the model draws.
    """
    data = head_data()
    key = {
        "version": VERSION,
        "spacing_mm": spacing_mm,
        "sources": source_versions(),
        "data": data,
        "regions": [region.model_dump(mode="json") for region in anatomy.regions],
    }
    folder = stored("mni_head", key, lambda target: _build(target, anatomy, data, spacing_mm))
    return _read(folder, spacing_mm)


@cache
def _read(folder: Path, spacing_mm: float) -> HeadModel:
    arrays = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in _ARRAYS}
    digest = hashlib.sha256()
    for name in _ARRAYS:
        arrays[name].flags.writeable = False
        digest.update(arrays[name].tobytes())
    return HeadModel(
        symmetric_grid(spacing_mm),
        **arrays,
        fingerprint=digest.hexdigest(),
        sources=source_versions(),
    )


def _build(target: Path, anatomy: Anatomy, data: Mapping[str, Any], spacing_mm: float) -> None:
    from crossdl.plugins.atlases._mni_head import draw_head
    from crossdl.plugins.atlases._mni_regions import (
        draw_regions,
        find_cavity,
        region_labels,
        under_tentorium,
    )
    from crossdl.plugins.atlases._mni_sources import read_sources

    region_labels(data, anatomy)
    sources = read_sources(spacing_mm)
    cavity = find_cavity(sources, data, spacing_mm)
    labels = draw_regions(sources, cavity, data, anatomy, spacing_mm)
    below, stem = under_tentorium(labels, data, anatomy)
    head = draw_head(sources, cavity, below, stem, data, spacing_mm)
    arrays: tuple[npt.NDArray[Any], ...] = (
        head.hu,
        labels,
        sources.grey,
        sources.white,
        cavity.inside,
        head.fluid,
        head.dura,
        head.blood,
        head.outer,
        head.vault,
    )
    for name, array in zip(_ARRAYS, arrays, strict=True):
        np.save(target / f"{name}.npy", array, allow_pickle=False)
