"""Small tools on voxels: boxes, soft borders, distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.types import BoolArray, Float64Array, FloatArray, LabelArray

Box = tuple[slice, ...]


def bounds(mask: BoolArray) -> Box:
    """The smallest box that holds a mask."""
    along = [np.nonzero(mask.any(axis=tuple({0, 1, 2} - {k})))[0] for k in range(3)]
    return tuple(slice(int(i[0]), int(i[-1]) + 1) for i in along)


def in_box(place: Mapping[str, Sequence[float]], x: Any, y: Any, z: Any) -> Any:
    """Whether MNI positions lie in the box of a place."""
    (x0, y0, z0), (x1, y1, z1) = place["low"], place["high"]
    return (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1) & (z >= z0) & (z <= z1)


def soft(margin: Any, width_mm: float) -> FloatArray:
    """0 outside to 1 inside, over ``width_mm`` around a margin of 0."""
    return np.asarray((margin / width_mm + 0.5).clip(0.0, 1.0), dtype=np.float32)


def possible_voxels(anatomy: Anatomy, labels: LabelArray, type_index: int) -> BoolArray:
    """Where the anatomy lets a type occur: everywhere but in regions of impossible cells."""
    table = np.concatenate([[True], anatomy.possible[:, type_index]])
    return np.asarray(table[labels], dtype=np.bool_)


def distance_to(mask: BoolArray, spacing: Float64Array) -> FloatArray:
    """Distance to the nearest voxel outside a mask, mm; 0 there."""
    from scipy import ndimage

    return np.asarray(ndimage.distance_transform_edt(mask, sampling=spacing), dtype=np.float32)
