"""Densities of the atlas ``mni_head``: a CT-like head drawn around the brain of the maps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossdl.plugins.atlases._mni_brain import brain_hu, fluid_fraction, membranes, white_share
from crossdl.plugins.atlases._mni_regions import Cavity
from crossdl.plugins.atlases._mni_shapes import Shapes, signed_distance, skin_distance
from crossdl.plugins.atlases._mni_sources import Sources
from crossdl.plugins.atlases._mni_vault import layer_map, soft, vault_hu
from crossdl.types import BoolArray, FloatArray, Grid

AIR_HU = -1000.0


@dataclass(frozen=True, eq=False)
class Head:
    """What :func:`draw_head` makes, all ``(D, H, W)`` float32.

    Attributes:
        hu: The head.
        fluid: Fraction of cerebrospinal fluid.
        dura: Fraction of falx and tentorium.
        blood: Fraction of venous sinuses and large vessels.
        outer: Distance to the inner plate of the vault, mm, negative inside.
        vault: How far the skull is the vault, which varies between patients; 0 at base and face.
    """

    hu: FloatArray
    fluid: FloatArray
    dura: FloatArray
    blood: FloatArray
    outer: FloatArray
    vault: FloatArray


def draw_head(
    sources: Sources,
    cavity: Cavity,
    below: BoolArray,
    stem: BoolArray,
    data: Mapping[str, Any],
    spacing_mm: float,
) -> Head:
    """A CT of the head of the maps, in HU, air -1000.

    Args:
        sources: Tissue maps.
        cavity: Of the skull.
        below: Voxels under the tentorium.
        stem: Those of the brain stem.
        data: Tables of ``mni_head.toml``.
        spacing_mm: Voxel edge.
    """
    hu = data["hu"]
    shapes = Shapes(sources.grid, spacing_mm)
    x, y, z = shapes.x, shapes.y, shapes.z
    fine, coarse, planes = (noise(sources.grid, spacing_mm, mm) for mm in (1.6, 4.0, 8.0))
    outer = signed_distance(cavity.plate, spacing_mm)
    around = signed_distance(cavity.inside, spacing_mm)
    skin = skin_distance(sources.grid, spacing_mm)

    result = np.full(skin.shape, AIR_HU, dtype=np.float32)
    flesh = hu["fat"] + 10.0 * coarse
    face = soft(y - 20.0, 20.0)
    planes = soft(np.abs(planes) - 0.32 - 0.5 * face, 0.3) * soft(-skin - 7.0 + 4.0 * face, 3.0)
    flesh = flesh + planes * (hu["muscle"] + 6.0 * fine - flesh)
    flesh = flesh + soft(skin + 2.6, spacing_mm) * (hu["skin"] - flesh)
    result += soft(-skin, spacing_mm) * (flesh - result)
    free = soft(around, spacing_mm)
    head = free * soft(-skin, spacing_mm)
    shell = layer_map(data["base"], x, y, z)
    bone = vault_hu(around, shell, shell, shell, coarse, {**hu, "fat": 500.0}, spacing_mm)
    result += soft(shell - around, spacing_mm) * head * soft(z + 76.0, 4.0) * (bone - result)
    for structure in data["structures"]:
        where = head if structure.get("inside", True) else free
        for box, fraction in shapes.fraction(structure):
            here = result[box]
            value = structure["hu"] + structure.get("uneven", 0.0) * fine[box]
            if "cells" in structure:
                cells = soft(coarse[box] + 0.6 * fine[box] - structure["cells"], 0.6)
                value = value + cells * (-900.0 - value)
            here += fraction * where[box] * (value - here)

    start = np.interp(y, data["vault"]["start"][0], data["vault"]["start"][1])
    vault = soft(z - start.astype(np.float32), 10.0) * np.ones_like(x)
    drawn = vault_hu(
        outer,
        layer_map(data["skull"], x, y, z),
        layer_map(data["scalp"], x, y, z),
        layer_map(data["temporalis"], x, y, z),
        coarse,
        hu,
        spacing_mm,
    )
    result += vault * soft(outer, spacing_mm) * (drawn - result)

    fluid = fluid_fraction(sources, cavity, outer, z, spacing_mm)
    dura, blood = membranes(shapes, cavity, outer, below, stem, data)
    deep = ((-outer - 18.0) / 12.0).clip(0.0, 1.0)
    shown = (0.5 + 1.5 * (fluid - 0.6 + 0.22 * deep)).clip(0.0, 1.0)
    share = white_share(sources.grey, sources.white, spacing_mm)
    brain = brain_hu(shown, share, dura, blood, hu)
    result += (1.0 - free) * (brain - result)
    return Head(
        np.asarray(result, dtype=np.float32),
        fluid,
        dura,
        blood,
        outer,
        np.asarray(vault, dtype=np.float32),
    )


def noise(grid: Grid, spacing_mm: float, sigma_mm: float) -> FloatArray:
    """Smooth symmetric noise of unit variance, the same in every build."""
    from scipy import ndimage

    raw = np.random.default_rng(0).standard_normal(grid.shape, dtype=np.float32)
    raw = ndimage.gaussian_filter(raw + raw[:, :, ::-1], sigma_mm / spacing_mm)
    return np.asarray(raw / raw.std(), dtype=np.float32)
