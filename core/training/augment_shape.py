"""Augmentation of shapes: one affine map and one displacement, resampled once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from crossdl.training.augmentation import Augmentation
from crossdl.training.separable import control_shape, smooth_field
from crossdl.types import Float64Array

if TYPE_CHECKING:
    from crossdl.training.augment import Chance


def change_shape(
    image: Tensor, regions: Tensor, settings: Augmentation, chance: Chance
) -> tuple[Tensor, Tensor]:
    """Rotates, tilts, zooms, shifts and deforms, as drawn.

    Args:
        image: ``(D, H, W)`` uint8; interpolated trilinearly.
        regions: ``(D, H, W)`` uint8; the nearest label is taken.
        settings: Largest changes.
        chance: Draws them.

    Returns:
        Both at the same shape; what enters from outside is 0.
    """
    linear, offset = draw_affine(settings, chance)
    rng = chance.happens("elastic") if settings.elastic else None
    if rng is None and np.array_equal(linear, np.eye(3)) and not offset.any():
        return image, regions
    shape = tuple(image.shape)
    grid = sampling_grid(shape, linear, offset)
    if rng is not None:
        points = rng.standard_normal((3, *control_shape()), dtype=np.float32)
        for axis in range(3):
            field = smooth_field(shape, torch.from_numpy(points[axis]))
            grid[..., axis] += 2 * settings.elastic * field  # a side is 2 long
    return resample(image, grid, "bilinear").round_().to(image.dtype), resample(
        regions, grid, "nearest"
    ).to(regions.dtype)


def draw_affine(settings: Augmentation, chance: Chance) -> tuple[Float64Array, Float64Array]:
    """Where the content of the image goes, about its centre.

    Returns:
        Linear part ``(3, 3)`` in the order x = W, y = H, z = D, in units of one voxel of H and W
        and of ``H / D`` times that along D; and a shift ``(3,)`` in sides of the image.
    """
    linear, offset = np.eye(3), np.zeros(3)
    if settings.rotation_degrees and (rng := chance.happens("rotation")):
        linear = _turn(2, rng.uniform(-1, 1) * settings.rotation_degrees)
    if settings.tilt_degrees and (rng := chance.happens("tilt")):
        about_x, about_y = rng.uniform(-1, 1, 2) * settings.tilt_degrees
        linear = _turn(0, about_x) @ _turn(1, about_y) @ linear
    neutral = settings.zoom == (1.0, 1.0) and not settings.stretch
    if not neutral and (rng := chance.happens("zoom")):
        factors = rng.uniform(*settings.zoom) * (1 + rng.uniform(-1, 1, 3) * settings.stretch)
        linear = linear @ np.diag(factors)
    if settings.shift and (rng := chance.happens("shift")):
        offset = rng.uniform(-1, 1, 3) * settings.shift
    return linear, offset


def _turn(axis: int, degrees: float) -> Float64Array:
    """Rotation about axis x, y or z; about z it goes from x toward y."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    a, b = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[a, a] = matrix[b, b] = c
    matrix[b, a], matrix[a, b] = s, -s
    return matrix


def sampling_grid(shape: tuple[int, ...], linear: Float64Array, offset: Float64Array) -> Tensor:
    """Where each voxel of the result comes from, ``(D, H, W, 3)`` float32.

    The box around a head is about as tall as it is deep, so rotations out of the axial plane
    take it for that; voxels of H and W count as equally large. Coordinates run from -1 to 1.
    """
    half = np.array([shape[2], shape[1], shape[1]]) / 2
    matrix = np.linalg.inv(linear) * half / half[:, None]
    x, y, z = (
        ((2 * np.arange(n)[:, None] + 1) / n - 1) * column
        for n, column in zip(shape[::-1], matrix.T, strict=True)
    )
    z -= 2 * matrix @ offset
    slices, rows, columns = (torch.from_numpy(part.astype(np.float32)) for part in (z, y, x))
    return slices[:, None, None] + (rows[:, None] + columns)


def resample(volume: Tensor, grid: Tensor, mode: str) -> Tensor:
    """Reads ``(D, H, W)`` at the places of a grid, 0 outside; float32."""
    return torch.nn.functional.grid_sample(
        volume[None, None].float(), grid[None], mode=mode, align_corners=False
    )[0, 0]
