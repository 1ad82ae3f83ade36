"""A head drawn with ellipsoids: enough for checks of shapes, ranges and geometry."""

from __future__ import annotations

import numpy as np

from crossdl.types import FloatArray, Grid, Volume

_AIR, _SKULL, _SCALP, _BRAIN, _FLUID = -1000.0, 900.0, 40.0, 33.0, 6.0


def synthetic_head(shape: tuple[int, int, int] = (32, 72, 64), seed: int = 0) -> Volume:
    """A small CT of a head, in HU with noise, centred in 160 x 180 x 160 mm.

    Args:
        shape: Voxels ``(D, H, W)``; W runs to the patient's left, H to the back, D upwards.
        seed: Of the noise.
    """
    extent = np.array([160.0, 216.0, 192.0])
    d, h, w = extent / np.array(shape)
    affine = np.diag([w, h, d, 1.0])
    affine[:3, 3] = [-extent[2] / 2 + w / 2, -extent[1] / 2 + h / 2, -extent[0] / 2 + d / 2]
    grid = Grid(shape, affine)
    index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(grid.index_to_world(index), -1, 0)
    array = np.full(shape, _AIR)
    for value, (rx, ry, rz) in (
        (_SCALP, (78.0, 96.0, 74.0)),
        (_SKULL, (72.0, 90.0, 69.0)),
        (_BRAIN, (66.0, 84.0, 64.0)),
    ):
        array[(x / rx) ** 2 + (y / ry) ** 2 + (z / rz) ** 2 < 1] = value
    for centre in (-14.0, 14.0):
        array[((x - centre) / 8) ** 2 + (y / 30) ** 2 + ((z - 5) / 14) ** 2 < 1] = _FLUID
    noise = np.random.default_rng(seed).normal(0.0, 3.0, shape)
    made: FloatArray = np.asarray(array + noise, dtype=np.float32)
    return Volume(made, grid, name="synthetic head")


def stored_backwards(volume: Volume) -> Volume:
    """The same head in the same place, its W axis stored in the other direction."""
    flip = np.diag([-1.0, 1.0, 1.0, 1.0])
    flip[0, 3] = volume.grid.shape[2] - 1
    grid = Grid(volume.grid.shape, volume.grid.affine @ flip)
    return Volume(np.ascontiguousarray(volume.array[..., ::-1]), grid, volume.name, volume.meta)


def with_values(volume: Volume, array: FloatArray) -> Volume:
    """Other voxels on the same grid."""
    return Volume(array, volume.grid, volume.name, volume.meta)
