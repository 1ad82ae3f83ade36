"""Regions of the atlas ``mni_head``: from AAL parcels and tissue maps to labels of the anatomy.

Everything is decided on the left half of the grid and mirrored, so that a region and its mirror
partner have the same shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.errors import ConfigError
from crossdl.plugins.atlases._mni_parcels import parcel_seeds
from crossdl.plugins.atlases._mni_shapes import Shapes
from crossdl.plugins.atlases._mni_sources import Sources, positions
from crossdl.types import BoolArray, FloatArray, LabelArray

_OTHER = 255
_NONE = 0


@dataclass(frozen=True, eq=False)
class Cavity:
    """What lies inside the inner plate of the skull.

    Attributes:
        brain: The brain as the maps have it, holes filled.
        plate: What the vault surrounds: brain and the fluid around it.
        inside: The cavity: the same without the bone that reaches into it.
        stem: Brain stem, as far down as the atlas reaches.
        canal: Spinal canal below the brain; no bone is drawn here.
    """

    brain: BoolArray
    plate: BoolArray
    inside: BoolArray
    stem: BoolArray
    canal: BoolArray


def within(mask: BoolArray, radius_mm: float, spacing_mm: float) -> BoolArray:
    """The mask dilated by a ball."""
    from scipy import ndimage

    return np.asarray(
        ndimage.distance_transform_edt(~mask, sampling=spacing_mm) <= radius_mm, dtype=np.bool_
    )


def eroded(mask: BoolArray, radius_mm: float, spacing_mm: float) -> BoolArray:
    """The mask eroded by a ball."""
    return ~within(~mask, radius_mm, spacing_mm)


def closed(mask: BoolArray, radius_mm: float, spacing_mm: float) -> BoolArray:
    """The mask with gaps narrower than twice the radius filled."""
    n = int(radius_mm / spacing_mm) + 2
    wide = within(np.pad(mask, n), radius_mm, spacing_mm)
    return eroded(wide, radius_mm, spacing_mm)[n:-n, n:-n, n:-n] | mask


def find_cavity(sources: Sources, data: Mapping[str, Any], spacing_mm: float) -> Cavity:
    """Brain, inner plate, brain stem and spinal canal.

    Structures of the skull with ``cut`` reach into the cavity as far as there is no brain.
    """
    from scipy import ndimage

    x, y, z = positions(sources.grid)
    tissue = np.asarray(sources.t1 > 20.0)
    tissue = tissue | tissue[:, :, ::-1]
    brain = closed(tissue, 6.0, spacing_mm)
    brain = np.stack([np.asarray(ndimage.binary_fill_holes(s)) for s in brain])
    line = np.array(data["stem"]["line"], dtype=np.float32)[::-1]
    middle, wide, deep = (np.interp(z, line[:, 0], line[:, i]) for i in (1, 2, 3))
    radius = np.sqrt((x / wide) ** 2 + ((y - middle) / deep) ** 2)
    below = np.broadcast_to(z < line[0, 0], brain.shape)
    stem = (radius < 1.0) & (z < line[-1, 0]) & (tissue | below)
    canal = (radius < 1.6) & (z < line[0, 0] + 10.0)
    smooth = brain | (closed(brain, 14.0, spacing_mm) & (z > -8.0))
    smooth |= closed(brain & (z > 20.0), 22.0, spacing_mm) & (z > 34.0)
    inside = within(smooth, data["layers"]["fluid"], spacing_mm)
    inside = ndimage.gaussian_filter(inside.astype(np.float32), 3.0 / spacing_mm) > 0.45
    plate = np.asarray(inside | brain | canal)
    inside = plate.copy()
    shapes = Shapes(sources.grid, spacing_mm)
    free = ~canal & ~stem & (sources.grey + sources.white < 0.35)
    for structure in data["structures"]:
        if structure.get("cut", False):
            for box, fraction in shapes.fraction(structure):
                inside[box] &= ~(free[box] & (fraction > 0.5))
    return Cavity(brain | (stem & below), plate, inside, np.asarray(stem), np.asarray(canal))


def draw_regions(
    sources: Sources, cavity: Cavity, data: Mapping[str, Any], anatomy: Anatomy, spacing_mm: float
) -> LabelArray:
    """Labels of the anatomy on the grid of the sources, ``(D, H, W)``.

    Raises:
        ConfigError: The anatomy lacks a part that the atlas data names.
    """
    from scipy import ndimage

    x, y, z = positions(sources.grid)
    side, labels = region_labels(data, anatomy)
    derived = {key: labels[part] for key, part in data["derived"].items()}

    parcels = parcel_seeds(sources, data, labels, side)
    tissue = sources.grey + sources.white
    fluid = cavity.brain & (tissue < 0.5)

    ventricle = _ventricle(cavity.brain & (tissue < 0.65), parcels, x, y, z)
    nuclei = _nuclei(parcels == derived["nuclei"], parcels == _OTHER, spacing_mm) & ~ventricle
    stem = cavity.stem & (parcels == _NONE)
    white = np.asarray(sources.white > 0.6)
    deep = ndimage.binary_opening(white, _ball(6.0, spacing_mm)) & eroded(white, 3.0, spacing_mm)
    deep = within(deep, 3.0, spacing_mm) & white
    roof = float(np.max(np.broadcast_to(z, ventricle.shape)[ventricle]))
    oval = deep & (z > roof - 4.0) & (np.abs(x) > 8.0)
    corona = within(ventricle | nuclei, 10.0, spacing_mm) & deep & ~oval & (z > roof - 18.0)

    seeds = parcels.copy()
    seeds[(seeds == derived["nuclei"]) | ventricle | stem | fluid & (seeds != _OTHER)] = _NONE
    seeds[parcels == _NONE] = _NONE
    grown = _grow(seeds, spacing_mm, other_mm=4.0)
    cisterns = (
        fluid & within(cavity.stem, 8.0, spacing_mm) & (z > -55.0) & (z < 0.0) & (np.abs(x) < 26.0)
    ) | (fluid & (np.abs(x) < 16.0) & (y > -20.0) & (y < 14.0) & (z < -2.0) & (z > -35.0))
    third = fluid & (np.abs(x) < 6.0) & (y > -34.0) & (y < 14.0) & (z < 12.0) & (z > -25.0)

    result = np.where(grown == _OTHER, 0, grown).astype(np.uint8)
    for mask, value in (
        (cisterns, 0),
        (third & ~ventricle, 0),
        (corona, 0),
        (oval, derived["white_matter"]),
        (np.asarray(parcels == _OTHER), 0),
        (nuclei, derived["nuclei"]),
        (ventricle, derived["ventricle"]),
        (stem, derived["stem"]),
    ):
        result[mask] = value
    result[~cavity.inside | (cavity.canal & ~cavity.stem & (z < -60.0))] = 0
    result[np.broadcast_to(z < -80.0, result.shape)] = 0
    return mirrored(result, anatomy)


def mirrored(left: LabelArray, anatomy: Anatomy) -> LabelArray:
    """Replaces the half towards the patient's right by the mirror image of the left half."""
    half = left.shape[2] // 2  # W runs towards the left
    partner = np.concatenate([[0], anatomy.mirror_index[:-2] + 1]).astype(np.uint8)
    result = left.copy()
    result[:, :, :half] = partner[left[:, :, half:][:, :, ::-1]]
    return result


def region_labels(data: Mapping[str, Any], anatomy: Anatomy) -> tuple[str, dict[str, int]]:
    """The side that is drawn, and part → label of its region there, *other* included.

    Raises:
        ConfigError: The anatomy lacks a part that the atlas data names.
    """
    side: str = next(iter(data["sides"].values()))
    labels = {
        region.part: number
        for number, region in enumerate(anatomy.regions, start=1)
        if region.side in (side, None)
    }
    wanted = {*data["parts"].values(), *data["derived"].values()} - {anatomy.other.name}
    missing = sorted(wanted - set(labels))
    if missing:
        raise ConfigError(
            f"atlas mni_head does not fit anatomy {anatomy.name!r}: it has no {', '.join(missing)}"
        )
    return side, {**labels, anatomy.other.name: _OTHER}


def under_tentorium(
    labels: LabelArray, data: Mapping[str, Any], anatomy: Anatomy
) -> tuple[BoolArray, BoolArray]:
    """Voxels whose nearest region lies below the tentorium, and those of the brain stem."""
    from scipy import ndimage

    numbers = {
        key: [n for n, r in enumerate(anatomy.regions, 1) if r.part == data["derived"][key]]
        for key in ("hindbrain", "stem")
    }
    index = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    nearest = labels[tuple(index)]
    below = np.isin(nearest, numbers["hindbrain"] + numbers["stem"])
    return below, np.isin(labels, numbers["stem"])


def _ventricle(
    fluid: BoolArray, parcels: LabelArray, x: FloatArray, y: FloatArray, z: FloatArray
) -> BoolArray:
    """Lateral ventricle of both sides: deep fluid around the bodies, without the third."""
    from scipy import ndimage

    box = (np.abs(x) < 42.0) & (y > -76.0) & (y < 44.0) & (z > -22.0) & (z < 36.0)
    third = (np.abs(x) < 5.0) & (z < 8.0)
    horn = (np.abs(x) < 20.0) & (z < 0.0)
    behind = (np.abs(x) < 12.0) & (y < -30.0)
    open_fluid = fluid & box & ~third & ~horn & ~behind
    parts, _ = ndimage.label(open_fluid)
    start = (np.abs(np.abs(x) - 9.0) < 3.0) & (np.abs(y - 8.0) < 6.0) & (np.abs(z - 16.0) < 6.0)
    numbers = np.unique(parts[start & open_fluid])
    return np.asarray(np.isin(parts, numbers[numbers > 0]) & (parcels != _OTHER))


def _nuclei(nuclei: BoolArray, around: BoolArray, spacing_mm: float) -> BoolArray:
    """Caudate, putamen and pallidum with the capsules between them and their neighbours."""
    both = closed(nuclei, 8.0, spacing_mm)
    capsules = closed(nuclei | around, 6.0, spacing_mm) & within(nuclei, 7.0, spacing_mm)
    return np.asarray((both | capsules) & ~around)


def _grow(seeds: LabelArray, spacing_mm: float, other_mm: float) -> LabelArray:
    """Every voxel takes the label of its nearest seed; *other* reaches only so far."""
    from scipy import ndimage

    def nearest(mask: BoolArray) -> LabelArray:
        index = ndimage.distance_transform_edt(
            mask == 0, return_distances=False, return_indices=True
        )
        return np.asarray(seeds[tuple(index)], dtype=np.uint8)

    distance, index = ndimage.distance_transform_edt(
        seeds == _NONE, sampling=spacing_mm, return_indices=True
    )
    every = seeds[tuple(index)]
    lobes = nearest((seeds != _NONE) & (seeds != _OTHER))
    return np.where((every == _OTHER) & (distance > other_mm), lobes, every).astype(np.uint8)


def _ball(radius_mm: float, spacing_mm: float) -> BoolArray:
    n = int(radius_mm / spacing_mm)
    axes = np.mgrid[-n : n + 1, -n : n + 1, -n : n + 1] * spacing_mm
    return np.asarray((axes**2).sum(axis=0) <= radius_mm**2)
