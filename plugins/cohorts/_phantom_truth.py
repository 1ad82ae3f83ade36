"""Truth of a phantom: voxel masks and regions of a scan → its gold matrix."""

from __future__ import annotations

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.types import BoolArray, FloatArray, LabelArray

SMALLEST_ML = 0.15
SHARE = 0.1


def without_specks(mask: BoolArray, voxel_ml: float) -> BoolArray:
    """A lesion mask without connected parts below 0.15 ml."""
    from scipy import ndimage

    parts, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    keep = np.bincount(parts.ravel(), minlength=count + 1) * voxel_ml >= SMALLEST_ML
    keep[0] = False
    return np.asarray(keep[parts], dtype=np.bool_)


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
    rows = np.concatenate([[anatomy.n_regions], np.arange(anatomy.n_regions)])
    for j, mask in enumerate(masks):
        if not mask.any():
            continue
        parts, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
        inside = parts > 0
        pairs = parts[inside].astype(np.int64) * len(rows) + labels[inside]
        table = np.bincount(pairs, minlength=(count + 1) * len(rows))
        ml = table.reshape(count + 1, len(rows))[1:] * voxel_ml
        total = ml.sum(axis=1, keepdims=True)
        hit = (ml >= SMALLEST_ML) & (ml >= SHARE * total) | (ml == ml.max(axis=1, keepdims=True))
        hit &= total >= SMALLEST_ML
        matrix[rows, j] = hit.any(axis=0)
    return matrix
