"""The grid of a template around the scan that others are registered to."""

from __future__ import annotations

import numpy as np

from crossdl.registration.images import box_grid, extent, head_mask
from crossdl.types import Grid, Volume

_MARGIN_MM = 10.0


def canvas(volume: Volume, shape: tuple[int, int, int], tissue_threshold: float) -> Grid:
    """The template's grid: around the head of an upright volume, the same to both sides.

    Slices lie across S; their pixels are square if ``shape`` is.

    Args:
        volume: See :func:`crossdl.registration.upright.upright`.
        shape: ``(D, H, W)``.
        tissue_threshold: HU above which a voxel is body.

    Raises:
        InputError: No head is found.
    """
    low, high = extent(head_mask(volume, tissue_threshold))
    low, high = low - _MARGIN_MM, high + _MARGIN_MM
    scale = max(2 * max(-low[0], high[0]) / shape[2], (high[1] - low[1]) / shape[1])
    half = np.array([scale * shape[2], scale * shape[1], high[2] - low[2]]) / 2
    middle = np.array([0.0, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2])
    return box_grid(middle - half, middle + half, shape)
