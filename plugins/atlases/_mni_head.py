"""Densities of the atlas ``mni_head``: brain tissue from the maps, and a head drawn around it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crossdl.plugins.atlases._mni_regions import Cavity, closed, positions, within
from crossdl.plugins.atlases._mni_sources import Sources
from crossdl.types import BoolArray, FloatArray, Grid

AIR_HU = -1000.0


def draw_head(
    sources: Sources, cavity: Cavity, data: Mapping[str, Any], spacing_mm: float
) -> FloatArray:
    """A CT of the head of the maps, in HU.

    Returns:
        ``(D, H, W)`` float32, air -1000.
    """
    from scipy import ndimage

    hu, layers = data["hu"], data["layers"]
    x, y, z = positions(sources.grid)
    noise = _noise(sources.grid, spacing_mm)
    depth = ndimage.distance_transform_edt(~cavity.inside, sampling=spacing_mm)
    skull = layers["skull"] * (1.0 + 0.25 * ((y < -90.0) | (y > 66.0)))
    vault = within(closed(cavity.brain, 14.0, spacing_mm), layers["fluid"], spacing_mm)
    outer = ndimage.distance_transform_edt(~vault, sampling=spacing_mm)
    head = (outer < skull + layers["scalp"]) & (z > -40.0) | _outline(data, x, y, z)
    head = ndimage.gaussian_filter(head.astype(np.float32), 4.0 / spacing_mm) > 0.5

    skin = ndimage.distance_transform_edt(head, sampling=spacing_mm)
    result = np.full(head.shape, AIR_HU, dtype=np.float32)
    result[head] = hu["muscle"]
    result[head & (noise > 0.9)] = hu["fat"]
    result[head & (skin < 9.0) & (z < -30.0)] = hu["fat"]
    scalp = head & (z > -30.0) & (outer > skull)
    result[scalp] = hu["fat"]
    temporal = (
        scalp & (z < 20.0) & (y > -25.0) & (y < 45.0) & (outer < skull + 0.6 * layers["scalp"])
    )
    result[temporal] = hu["muscle"]
    result[head & (skin < 2.5)] = hu["skin"]

    # Between brain and outer table: the vault, the base, and the rock between the lobes.
    bone = head & (outer < skull) & ~cavity.inside & (z > -58.0) | (
        head & (depth < skull) & ~cavity.inside & (z > -76.0)
    )
    middle = np.minimum(depth, np.abs(skull - outer))
    result[bone] = np.where(middle < 2.2, hu["compact"], hu["diploe"])[bone]
    for structure in data["structures"]:
        value = np.full_like(result, structure["hu"])
        if "grain" in structure:
            value = np.where(noise > 0.0, structure["grain"], value)
        where = _ellipsoid(structure, x, y, z) & head & ~cavity.inside
        result[where] = value[where]
    shell = bone & ((depth < 2.5) | ((outer < skull) & (outer > skull - 2.5) & (z > -20.0)))
    result[shell] = hu["compact"]

    brain = sources.grey * hu["grey"] + sources.white * hu["white"]
    brain += (1.0 - sources.grey - sources.white).clip(0.0, 1.0) * hu["fluid"]
    result[cavity.inside] = hu["fluid"]
    result[cavity.brain] = brain[cavity.brain]
    result[cavity.stem & (z < -68.0)] = hu["white"]
    inward = ndimage.distance_transform_edt(cavity.inside, sampling=spacing_mm)
    for sinus in data["sinuses"]:
        result[_sinus(sinus, x, y, z, inward) & cavity.inside] = hu["blood"]
    return result


def _outline(data: Mapping[str, Any], x: FloatArray, y: FloatArray, z: FloatArray) -> BoolArray:
    """Face and neck: one superellipse per height."""
    line = np.array(data["outline"]["line"], dtype=np.float32)[::-1]
    wide, front, back = (np.interp(z, line[:, 0], line[:, i]) for i in (1, 2, 3))
    middle, long = (front + back) / 2, (front - back) / 2
    inside = np.abs(x / wide) ** 2.3 + np.abs((y - middle) / long) ** 2.3 < 1.0
    return np.asarray(inside & (z < line[-1, 0]))


def _ellipsoid(
    structure: Mapping[str, Any], x: FloatArray, y: FloatArray, z: FloatArray
) -> BoolArray:
    """An ellipsoid and its mirror image; ``turn`` degrees about the vertical axis."""
    cx, cy, cz = structure["centre"]
    rx, ry, rz = structure["radii"]
    angle = np.deg2rad(structure.get("turn", 0.0))
    dx, dy = np.abs(x) - cx, y - cy
    along = np.cos(angle) * dx - np.sin(angle) * dy
    across = np.sin(angle) * dx + np.cos(angle) * dy
    return np.asarray((along / rx) ** 2 + (across / ry) ** 2 + ((z - cz) / rz) ** 2 < 1.0)


def _sinus(
    sinus: Mapping[str, Any], x: FloatArray, y: FloatArray, z: FloatArray, inward: FloatArray
) -> BoolArray:
    """A vein in a box along the plate; one that crosses the mid-plane narrows inwards."""
    (x0, y0, z0), (x1, y1, z1) = sinus["low"], sinus["high"]
    box = (np.abs(x) >= x0) & (np.abs(x) <= x1) & (y >= y0) & (y <= y1) & (z >= z0) & (z <= z1)
    if x0 < 0.0:
        return np.asarray(box & (np.abs(x) / x1 + inward / sinus["depth"] < 1.0))
    return np.asarray(box & (inward <= sinus["depth"]))


def _noise(grid: Grid, spacing_mm: float) -> FloatArray:
    """Smooth symmetric noise of unit variance, the same in every build."""
    from scipy import ndimage

    raw = np.random.default_rng(0).standard_normal(grid.shape, dtype=np.float32)
    raw = ndimage.gaussian_filter(raw + raw[:, :, ::-1], 3.0 / spacing_mm)
    return np.asarray(raw / raw.std(), dtype=np.float32)
