"""A scan turned so that the head stands upright, in the middle, its two sides alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from crossdl.geometry import canonical_axes
from crossdl.registration.images import box_grid, extent, resample, to_image
from crossdl.registration.prepare import coarse_head
from crossdl.registration.symmetry import Method, Symmetry, symmetrise
from crossdl.types import Grid, Volume

AIR_HU = -1000.0

_MARGIN_MM = 10.0


def upright(
    volume: Volume,
    *,
    window: tuple[float, float],
    tissue_threshold: float,
    method: Method,
    seed: int = 0,
) -> tuple[Volume, Symmetry]:
    """Centres the head of a scan and turns its plane of symmetry upright, as the paper does.

    Args:
        volume: HU on any grid.
        window: Lowest and highest HU that count in the search.
        tissue_threshold: HU above which a voxel is body.
        method: See :func:`crossdl.registration.symmetry.symmetrise`.
        seed: Of the annealing.

    Returns:
        The head on a grid with axes along S, P, L and about the scan's own voxel size, the head's
        centre at 0 and the same width to both sides of it, -1000 HU outside the scan; and the
        pose that was found, whose ``matrix`` leads from the scan to the new volume.

    Raises:
        InputError: No head is found.
    """
    import SimpleITK as sitk

    _, coarse, head = coarse_head(volume, window, tissue_threshold)
    symmetry = symmetrise(coarse, head, window[0], method=method, seed=seed)
    grid = _around(head, symmetry, volume.grid)
    there = Grid(volume.grid.shape, symmetry.matrix @ volume.grid.affine)
    turned = resample(to_image(volume.array, there), grid, AIR_HU)
    return Volume(sitk.GetArrayFromImage(turned), grid, volume.name, volume.meta), symmetry


def _around(head: Any, symmetry: Symmetry, scan: Grid) -> Grid:
    low, high = extent(head, symmetry.matrix)
    low, high = low - _MARGIN_MM, high + _MARGIN_MM
    high[0] = max(-low[0], high[0])
    low[0] = -high[0]
    order, _ = canonical_axes(scan)
    spacing = np.array([scan.spacing[axis] for axis in order])[::-1]
    counts = np.ceil((high - low) / spacing).astype(int)
    middle, half = (low + high) / 2, counts * spacing / 2
    d, h, w = (int(n) for n in counts[::-1])
    return box_grid(middle - half, middle + half, (d, h, w))
