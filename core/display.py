"""What of a scan is shown, and which way up: the reading order of a radiologist."""

from __future__ import annotations

from itertools import permutations
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from crossdl.types import FloatArray, Grid

ScalarT = TypeVar("ScalarT", bound=np.generic)

COLOURS = ("#D55E00", "#CC79A7", "#56B4E9", "#009E73", "#E69F00", "#0072B2", "#F0E442")
"""Okabe and Ito's palette, distinct to colour-blind readers; one colour per type."""

PALE_COLOURS = (
    "#77AADD", "#EE8866", "#EEDD88", "#FFAABB", "#99DDFF", "#44BB99", "#BBCC33", "#AAAA00",
    "#DDDDDD",
)  # fmt: skip
"""Tol's light palette, distinct to colour-blind readers; one colour per region part."""


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


def canonical(array: npt.NDArray[ScalarT], grid: Grid) -> npt.NDArray[ScalarT]:
    """Turns an array so that D runs to superior, H to posterior and W to left; no resampling.

    A slice drawn with its first row on top is then in radiological convention: anterior up, the
    patient's right on the picture's left.

    Args:
        array: ``(..., D, H, W)`` on ``grid``.
        grid: Where the voxels are.

    Returns:
        A view of the same voxels.
    """
    order, signs = canonical_axes(grid)
    lead = array.ndim - 3
    turned = array.transpose(*range(lead), *(lead + axis for axis in order))
    d, h, w = (slice(None, None, sign) for sign in signs)
    return turned[..., d, h, w]


def choose_slices(
    maps: FloatArray, extent: tuple[int, int], count: int, threshold: float
) -> list[int]:
    """Slices worth a look: each type's peak, further peaks up to half of them, then an even spread.

    Args:
        maps: ``(M, D, H, W)`` in [0, 1].
        extent: First and last slice of interest.
        count: How many slices; fewer where the extent holds fewer.
        threshold: Peaks below it do not count.

    Returns:
        Distinct slice numbers, ascending.
    """
    first, last = extent
    height = maps.max(axis=(2, 3))[:, first : last + 1]
    count = min(count, last - first + 1)
    gap = (last - first + 1) / (2 * count)
    chosen: list[int] = []
    by_type = [int(height[j].argmax()) for j in np.argsort(-height.max(axis=1), kind="stable")]
    by_height = np.argsort(-height.max(axis=0), kind="stable").tolist()
    for wanted, candidates in ((count, by_type), (count // 2, by_height)):
        for candidate in candidates:
            near = any(abs(candidate - other) < gap for other in chosen)
            if len(chosen) < wanted and not near and height[:, candidate].max() >= threshold:
                chosen.append(candidate)
    while len(chosen) < count:
        ends = [*chosen, -gap, last - first + gap]
        distance = np.abs(np.arange(last - first + 1)[:, None] - np.array(ends)).min(axis=1)
        distance[chosen] = -1
        chosen.append(int(distance.argmax()))
    return sorted(first + index for index in chosen)


def body_box(array: FloatArray, threshold: float, margin: int) -> tuple[slice, slice, slice]:
    """The box around the largest body in a scan, without head holder or pillow.

    Args:
        array: ``(D, H, W)`` HU.
        threshold: HU of the lightest tissue.
        margin: Voxels added within the slice on every side.

    Returns:
        One slice per axis; the whole array where nothing is above ``threshold``.
    """
    from scipy import ndimage

    step = 2  # in-plane thinning: four times faster, exact enough for a margin
    parts, n_parts = ndimage.label(array[:, ::step, ::step] > threshold)
    if not n_parts:
        return slice(0, array.shape[0]), slice(0, array.shape[1]), slice(0, array.shape[2])
    largest = 1 + int(np.bincount(parts.ravel())[1:].argmax())
    d, h, w = ndimage.find_objects(parts)[largest - 1]
    rows, columns = (slice(max(0, s.start * step - margin), s.stop * step + margin) for s in (h, w))
    return d, rows, columns
