"""Which way an array lies in the patient, and which of its voxels belong together."""

from __future__ import annotations

from itertools import permutations
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from crossdl.types import BoolArray, Grid

ScalarT = TypeVar("ScalarT", bound=np.generic)


def canonical_axes(grid: Grid) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Which array axes and directions lie nearest to superior, posterior and left.

    Args:
        grid: Any orientation, oblique ones included.

    Returns:
        For the canonical axes (D to superior, H to posterior, W to left): the array axis that
        supplies each, and its direction, 1 or -1.
    """
    steps = grid.affine[:3, 2::-1] / np.linalg.norm(grid.affine[:3, 2::-1], axis=0)
    cosines = steps[::-1]  # rows: superior, posterior, left; columns: array axes D, H, W
    order = max(
        permutations(range(3)),
        key=lambda axes: sum(abs(cosines[row, axis]) for row, axis in enumerate(axes)),
    )
    d, h, w = (1 if cosines[row, axis] >= 0 else -1 for row, axis in enumerate(order))
    return (order[0], order[1], order[2]), (d, h, w)


def canonical(array: npt.NDArray[ScalarT], grid: Grid) -> tuple[npt.NDArray[ScalarT], Grid]:
    """Turns an array so that D runs to superior, H to posterior and W to left; no resampling.

    A slice drawn with its first row on top is then in radiological convention: anterior up, the
    patient's right on the picture's left.

    Args:
        array: ``(..., D, H, W)`` on ``grid``.
        grid: Where the voxels are.

    Returns:
        A view of the same voxels, and its grid.
    """
    order, signs = canonical_axes(grid)
    lead = array.ndim - 3
    turned = array.transpose(*range(lead), *(lead + axis for axis in order))
    d, h, w = turned.shape[lead:]
    affine = np.eye(4)
    affine[:3, 3] = grid.affine[:3, 3]
    for axis, n in ((2, w), (1, h), (0, d)):
        step = grid.affine[:3, 2 - order[axis]]
        affine[:3, 2 - axis] = signs[axis] * step
        if signs[axis] < 0:
            affine[:3, 3] += step * (n - 1)
    planes, rows, columns = (slice(None, None, sign) for sign in signs)
    view = turned[..., planes, rows, columns]
    return view, Grid((d, h, w), affine)


def largest_piece(mask: BoolArray) -> BoolArray:
    """The largest connected piece of a mask ``(D, H, W)`` by faces; empty where the mask is."""
    from scipy import ndimage

    pieces, _ = ndimage.label(mask)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    largest: BoolArray = (pieces == sizes.argmax()) & mask
    return largest
