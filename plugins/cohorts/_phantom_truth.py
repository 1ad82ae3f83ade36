"""Truth of a phantom: lesion parts on a scan's voxels → masks, gold matrix, findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_brush import Lesion
from crossdl.plugins.cohorts._phantom_canvas import Canvas
from crossdl.plugins.cohorts._phantom_findings import Finding
from crossdl.plugins.cohorts._phantom_voxels import bounds, possible_voxels
from crossdl.types import BoolArray, FloatArray, Grid, LabelArray

SMALLEST_ML = 0.15
SHARE = 0.1

Seat = Callable[[BoolArray], tuple[int, str | None]]


def slice_parts(parts: LabelArray, cuts: int) -> LabelArray:
    """The part a slice shows where at least half of the thinner slices it averages show one.

    Args:
        parts: ``(D * cuts, H, W)`` numbers of lesion parts.
        cuts: Thinner slices in one.

    Returns:
        ``(D, H, W)``; where several parts compete, the one painted later.
    """
    result = np.zeros((len(parts) // cuts, *parts.shape[1:]), dtype=np.uint8)
    if parts.any():
        rows, columns = bounds(parts > 0)[1:]
        stack = parts[:, rows, columns].reshape(len(result), cuts, -1)
        middle = np.sort(stack, axis=1)[:, cuts // 2]
        result[:, rows, columns] = middle.reshape(
            len(result), rows.stop - rows.start, columns.stop - columns.start
        )
    return result


def visible_parts(
    parts: LabelArray, canvas: Canvas, labels: LabelArray, visible: BoolArray, voxel_ml: float
) -> tuple[LabelArray, BoolArray]:
    """Parts and masks without what cannot be seen or cannot be.

    Args:
        parts: ``(D, H, W)`` from :func:`slice_parts`.
        canvas: Says which type each part has.
        labels: ``(D, H, W)`` regions.
        visible: ``(D, H, W)`` voxels that do not look like bone or air.
        voxel_ml: Volume of a voxel.

    Returns:
        The cleaned parts, and ``(M, D, H, W)`` lesions by type. Pieces of a type below 0.15 ml
        are dropped.
    """
    anatomy = canvas.anatomy
    masks = np.zeros((anatomy.n_types, *parts.shape), dtype=np.bool_)
    clean = np.zeros_like(parts)
    if not parts.any():
        return clean, masks
    box = bounds(parts > 0)
    types = np.array(canvas.type_of)[parts[box]]
    for j, mask in enumerate(masks):
        here = (types == j) & visible[box] & possible_voxels(anatomy, labels[box], j)
        mask[box] = without_specks(here, voxel_ml)
        clean[box][mask[box]] = parts[box][mask[box]]
    return clean, masks


def without_specks(mask: BoolArray, voxel_ml: float) -> BoolArray:
    """A lesion mask without connected pieces below 0.15 ml."""
    from scipy import ndimage

    pieces, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    keep = np.bincount(pieces.ravel(), minlength=count + 1) * voxel_ml >= SMALLEST_ML
    keep[0] = False
    return np.asarray(keep[pieces], dtype=np.bool_)


def gold_matrix(
    masks: BoolArray, labels: LabelArray, anatomy: Anatomy, voxel_ml: float
) -> FloatArray:
    """The abnormality matrix that voxels say.

    A cell is positive if a connected lesion of the type has at least 0.15 ml and a tenth of
    itself in the region, or more of itself there than anywhere else.

    Args:
        masks: ``(M, D, H, W)`` lesions by type.
        labels: ``(D, H, W)`` regions; what belongs to none counts as *other*.
        anatomy: Order of regions and types.
        voxel_ml: Volume of a voxel.

    Returns:
        ``(N + 2, M)`` float32 of 0 and 1; *unclear* is never positive.
    """
    from scipy import ndimage

    matrix = np.zeros((anatomy.n_regions + 2, anatomy.n_types), dtype=np.float32)
    rows = _rows(anatomy)
    for j, mask in enumerate(masks):
        if not mask.any():
            continue
        pieces, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
        inside = pieces > 0
        pairs = pieces[inside].astype(np.int64) * len(rows) + labels[inside]
        table = np.bincount(pairs, minlength=(count + 1) * len(rows))
        ml = table.reshape(count + 1, len(rows))[1:] * voxel_ml
        total = ml.sum(axis=1, keepdims=True)
        hit = (ml >= SMALLEST_ML) & (ml >= SHARE * total) | (ml == ml.max(axis=1, keepdims=True))
        hit &= total >= SMALLEST_ML
        matrix[rows, j] = hit.any(axis=0)
    return matrix


def findings(
    parts: LabelArray,
    canvas: Canvas,
    lesions: Sequence[Lesion],
    labels: LabelArray,
    gold: FloatArray,
    grid: Grid,
) -> tuple[Finding, ...]:
    """What each lesion shows on the scan.

    A lesion is responsible for a positive cell if it has at least 0.15 ml there, or more than
    any other lesion; so every positive cell has a finding, and no finding claims another.

    Args:
        parts: ``(D, H, W)`` cleaned, from :func:`visible_parts`.
        canvas: Says which lesion and type each part belongs to.
        lesions: As planned.
        labels: ``(D, H, W)`` regions.
        gold: From :func:`gold_matrix`.
        grid: Where the voxels are.

    Returns:
        A finding for every lesion that is responsible for a cell.
    """
    if not parts.any():
        return ()
    anatomy, voxel_ml = canvas.anatomy, float(np.prod(grid.spacing)) / 1000.0
    index = np.argwhere(parts > 0)
    at = tuple(index.T)
    lesion, types = np.array(canvas.lesion_of)[parts[at]], np.array(canvas.type_of)[parts[at]]
    size = (len(lesions), anatomy.n_regions + 1, anatomy.n_types)
    row = _rows(anatomy)[labels[at]]
    flat = np.ravel_multi_index((lesion, row, types), size)
    ml = np.bincount(flat, minlength=int(np.prod(size))).reshape(size) * voxel_ml
    positive = gold[:-1] > 0
    mine = positive & ((ml >= SMALLEST_ML) | ((ml == ml.max(axis=0)) & (ml > 0.0)))
    result = []
    for number, planned in enumerate(lesions):
        cells = frozenset((int(i), int(j)) for i, j in np.argwhere(mine[number]))
        if cells:
            mm = index[lesion == number] * np.array(grid.spacing)
            result.append(Finding(planned.kind, cells, _extent(mm), planned.acuity))
    return tuple(result)


def other_places(
    masks: BoolArray, labels: LabelArray, gold: FloatArray, anatomy: Anatomy, seat: Seat
) -> tuple[tuple[int, int, str | None], ...]:
    """Where lesions outside all regions are, for :class:`Story`.

    Args:
        masks: ``(M, D, H, W)`` lesions by type.
        labels: ``(D, H, W)`` regions.
        gold: From :func:`gold_matrix`.
        anatomy: Order of types.
        seat: Gives place and side of a mask ``(D, H, W)``.
    """
    columns = np.flatnonzero(gold[anatomy.n_regions] > 0)
    return tuple((int(j), *seat(masks[j] & (labels == 0))) for j in columns)


def _rows(anatomy: Anatomy) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Row of the matrix for every label; label 0 is *other*."""
    return np.concatenate([[anatomy.n_regions], np.arange(anatomy.n_regions)])


def _extent(mm: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Length of points ``(n, 3)`` along their principal axis, mm."""
    if len(mm) < 3:
        return float(np.ptp(mm, axis=0).max())
    centred = mm - mm.mean(axis=0)
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    return float(np.ptp(centred @ axis))
