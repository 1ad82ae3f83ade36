"""What lies inside the skull: fluid around and in the brain, dura, veins and arteries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crossdl.plugins.atlases._mni_regions import Cavity
from crossdl.plugins.atlases._mni_shapes import Shapes, signed_distance
from crossdl.plugins.atlases._mni_sources import Sources
from crossdl.plugins.atlases._mni_vault import soft
from crossdl.types import BoolArray, FloatArray


def fluid_fraction(
    sources: Sources, cavity: Cavity, outer: FloatArray, z: FloatArray, spacing_mm: float
) -> FloatArray:
    """Fraction of cerebrospinal fluid, ``(D, H, W)``; 0 outside the cavity.

    The maps average many people, which closes sulci: they are sharpened. Fluid between the
    brain and the plate rises with the distance to the brain, so that a shifted threshold makes
    a tighter or a shrunken brain of it.
    """
    from scipy import ndimage

    tissue = sources.grey + sources.white
    free = 1.0 - tissue
    free = free + 1.8 * (free - ndimage.gaussian_filter(free, 2.5 / spacing_mm))
    above = ((z + 20.0) / 20.0).clip(0.0, 1.0)
    free = free + 0.6 * above * sulci(sources.grey, sources.white, outer, spacing_mm)
    brain = np.asarray(tissue > 0.5) | (cavity.stem & (z < -60.0))
    distance = signed_distance(brain, spacing_mm)
    free = np.minimum(free, 0.45 + distance / 2.5)
    free = np.where(distance > 1.2, np.maximum(free, 0.9), free)
    return np.where(cavity.inside, free.clip(0.0, 1.0), 0.0).astype(np.float32)


def membranes(
    shapes: Shapes,
    cavity: Cavity,
    outer: FloatArray,
    below: BoolArray,
    stem: BoolArray,
    data: Mapping[str, Any],
) -> tuple[FloatArray, FloatArray]:
    """Fractions of dura and of blood in vessels, ``(D, H, W)``.

    Args:
        shapes: Draws on the grid.
        cavity: Of the skull.
        outer: Distance to the inner plate, mm, negative inside.
        below: Voxels under the tentorium.
        stem: Those of them that belong to the brain stem.
        data: Tables of ``mni_head.toml``.
    """
    x, y, z = shapes.x, shapes.y, shapes.z
    inward = -outer
    edge = np.array(data["falx"]["edge"], dtype=np.float64)[::-1]
    free_edge = np.interp(y, edge[:, 0], edge[:, 1]).astype(np.float32)
    half = data["falx"]["half_width"]
    falx = soft(half - np.abs(x), shapes.spacing) * soft(z - free_edge, 4.0) * ~below
    between = signed_distance(below, shapes.spacing)
    away = signed_distance(stem, shapes.spacing)
    tent = soft(data["tentorium"]["half_width"] - np.abs(between), shapes.spacing)
    tent = tent * soft(away - 7.0, 4.0) * soft(z + 40.0, 4.0) * soft(18.0 - z, 4.0)
    dura = np.maximum(falx, tent) * cavity.inside
    blood = np.zeros(cavity.inside.shape, dtype=np.float32)
    for vein in data["sinuses"]:
        (x0, y0, z0), (x1, y1, z1) = vein["low"], vein["high"]
        box = (np.abs(x) >= x0) & (np.abs(x) <= x1) & (y >= y0) & (y <= y1) & (z >= z0) & (z <= z1)
        if x0 < 0.0:  # a triangle that narrows inwards
            margin = x1 * (1.0 - inward / vein["depth"]) - np.abs(x)
        else:
            margin = vein["depth"] - inward
        blood = np.maximum(blood, soft(margin, shapes.spacing) * box)
    for vessel in data["vessels"]:
        for where, fraction in shapes.fraction(vessel):
            np.maximum(blood[where], fraction, out=blood[where])
    blood = np.asarray(blood * cavity.inside, dtype=np.float32)
    return np.asarray(dura, dtype=np.float32), blood


def brain_hu(
    fluid: FloatArray,
    white_share: FloatArray,
    dura: FloatArray,
    blood: FloatArray,
    hu: Mapping[str, float],
) -> FloatArray:
    """Densities inside the skull from fractions; all arguments have one shape."""
    value = np.float32(hu["grey"]) + white_share * np.float32(hu["white"] - hu["grey"])
    value = value + fluid * (np.float32(hu["fluid"]) - value)
    value = value + dura * (np.float32(hu["dura"]) - value)
    return np.asarray(value + blood * (np.float32(hu["blood"]) - value), dtype=np.float32)


def white_share(grey: FloatArray, white: FloatArray, spacing_mm: float) -> FloatArray:
    """Share of white matter in the tissue of each voxel, ``(D, H, W)`` in [0, 1].

    The maps average many people, which blurs the border of grey and white matter: it is
    sharpened. Without tissue the share is 0.5.
    """
    from scipy import ndimage

    tissue = grey + white
    share = np.where(tissue > 0.05, white / np.maximum(tissue, 0.05), 0.5)
    wide = ndimage.gaussian_filter(white, 4.0 / spacing_mm)
    wide /= np.maximum(ndimage.gaussian_filter(tissue, 4.0 / spacing_mm), 0.05)
    share = 0.5 + 1.6 * (share - 0.5) + 1.2 * (share - wide) * (tissue > 0.3)
    return np.asarray(share.clip(0.0, 1.0), dtype=np.float32)


def sulci(grey: FloatArray, white: FloatArray, outer: FloatArray, spacing_mm: float) -> FloatArray:
    """How much a voxel looks like the bottom of a sulcus, ``(D, H, W)`` in [0, 1].

    Between the gyri of an average brain no fluid is left, but the white matter has a valley
    there: the darkest line of each band of cortex.

    Args:
        grey: Fraction of grey matter.
        white: Fraction of white matter.
        outer: Distance to the inner plate, mm, negative inside.
        spacing_mm: Voxel edge.
    """
    from scipy import ndimage

    tissue = grey + white
    share = np.where(tissue > 0.3, white / np.maximum(tissue, 0.3), 0.0)
    valley = ndimage.gaussian_laplace(share, 1.9 / spacing_mm) * (1.9 / spacing_mm) ** 2
    shallow = ((outer + 32.0) / 8.0).clip(0.0, 1.0)
    score = ((valley - 0.10) / 0.25).clip(0.0, 1.0) * shallow * (share < 0.4)
    return np.asarray(score, dtype=np.float32)
