"""The scan that others are registered to: put upright, and the grid of the template around it."""

from __future__ import annotations

import numpy as np

from crossdl.registration.images import box_grid, grid_of, head_mask
from crossdl.registration.prepare import coarse_head
from crossdl.registration.symmetry import symmetrise
from crossdl.types import Grid, Volume

_MARGIN_MM = 10.0


def upright(
    volume: Volume, *, window: tuple[float, float], tissue_threshold: float, seed: int
) -> Volume:
    """The same voxels in a world whose L axis is across the head and 0 in its mid-plane.

    Nothing is resampled: only the grid turns.

    Args:
        volume: A head.
        window: Lowest and highest HU that count.
        tissue_threshold: HU above which a voxel is body.
        seed: Of the search for the mid-plane.

    Raises:
        InputError: No head is found.
    """
    _, coarse, head = coarse_head(volume, window, tissue_threshold)
    pose = symmetrise(coarse, head, window[0], seed=seed)
    grid = Grid(volume.grid.shape, pose.matrix @ volume.grid.affine)
    return Volume(volume.array, grid, volume.name)


def canvas(volume: Volume, shape: tuple[int, int, int], tissue_threshold: float) -> Grid:
    """The template's grid: around the head of an upright volume, the same to both sides.

    Slices lie across S; their pixels are square if ``shape`` is.

    Args:
        volume: See :func:`upright`.
        shape: ``(D, H, W)``.
        tissue_threshold: HU above which a voxel is body.

    Raises:
        InputError: No head is found.
    """
    import SimpleITK as sitk

    head = head_mask(volume, tissue_threshold)
    world = grid_of(head).index_to_world(np.argwhere(sitk.GetArrayViewFromImage(head) > 0))
    low, high = world.min(axis=0) - _MARGIN_MM, world.max(axis=0) + _MARGIN_MM
    scale = max(2 * max(-low[0], high[0]) / shape[2], (high[1] - low[1]) / shape[1])
    half = np.array([scale * shape[2], scale * shape[1], high[2] - low[2]]) / 2
    middle = np.array([0.0, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2])
    return box_grid(middle - half, middle + half, shape)
