"""AUROCs under many weightings at once: one pass over sorted scores serves every resample.

A bootstrap resample of patients is a vector of counts, so a resample's AUROC is an AUROC with
weights. The order of the scores does not depend on the weights: negatives are assigned once to
the gaps between the distinct scores of the positives, and the weight in each gap is, for all
resamples together, one sparse matrix product. Counts are whole numbers or halves, so sums are
exact in float64 and the result equals that of any other exact method.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from crossdl.evaluation.cases import IndexArray
from crossdl.statistics.quotients import divided
from crossdl.types import BoolArray, Float64Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array

_BLOCK = 500_000
"""Numbers of one temporary array; resamples are processed in blocks of this size."""


def weighted_auroc(
    truth: BoolArray, score: Float64Array, owner: IndexArray, weights: Float64Array
) -> tuple[Float64Array, Float64Array]:
    """AUROC under many weightings of the items' groups.

    Args:
        truth: ``(m,)``.
        score: ``(m,)``.
        owner: ``(m,)`` group of each item, below G.
        weights: ``(G, R)`` weight of each group in each resample, at least 0.

    Returns:
        The areas ``(R,)``, NaN where a resample has one class only, and the positives' share of
        the weight ``(R,)``, NaN where there is none.
    """
    positives = np.bincount(owner[truth], minlength=len(weights)) @ weights
    negatives = np.bincount(owner[~truth], minlength=len(weights)) @ weights
    flipped = int(truth.sum()) * 2 > truth.size  # the rarer class makes the gaps
    labels, values = (~truth, -score) if flipped else (truth, score)
    levels, level = np.unique(values[labels], return_inverse=True)
    under, upto = (np.searchsorted(levels, values[~labels], side) for side in ("left", "right"))
    n_rows = levels.size + 1
    hit_counts = _counts(level, owner[labels], (n_rows - 1, len(weights)))
    others = np.tile(owner[~labels], 2)  # a negative enters half below, half above what it ties
    gap_counts = _counts(np.concatenate([under, upto]), others, (n_rows, len(weights)), 0.5)[:-1]
    area = np.full(weights.shape[1], np.nan)
    for part, block in _blocks(weights, n_rows):
        below = gap_counts @ block
        np.cumsum(below, axis=0, out=below)
        wins = np.einsum("tr,tr->r", hit_counts @ block, below)
        area[part] = divided(wins, positives[part] * negatives[part])
    return area, divided(positives, positives + negatives)


def tallies(
    truth: BoolArray, score: Float64Array, owner: IndexArray, weights: Float64Array
) -> Iterator[tuple[Float64Array, Float64Array]]:
    """Weight of both classes at and between the T distinct scores of the positives.

    Args:
        truth: ``(m,)``.
        score: ``(m,)``.
        owner: ``(m,)`` group of each item, below G.
        weights: ``(G, R)``.

    Yields:
        For blocks of resamples, positives and negatives ``(2T + 1, r)``, ascending by score:
        rows 2t + 1 are at score t, the others between scores.
    """
    levels, level = np.unique(score[truth], return_inverse=True)
    under, upto = (np.searchsorted(levels, score[~truth], side) for side in ("left", "right"))
    shape = (2 * levels.size + 1, len(weights))
    positive = _counts(2 * level + 1, owner[truth], shape)
    negative = _counts(under + upto, owner[~truth], shape)
    for _, block in _blocks(weights, shape[0]):
        yield positive @ block, negative @ block


def _counts(
    rows: IndexArray, owner: IndexArray, shape: tuple[int, int], each: float = 1.0
) -> csr_array:
    """How many items of each group fall in each row; ``each`` is what one counts."""
    from scipy.sparse import coo_array

    return coo_array((np.full(rows.size, each), (rows, owner)), shape=shape).tocsr()


def _blocks(weights: Float64Array, n_rows: int) -> Iterator[tuple[slice, Float64Array]]:
    """Resamples in blocks whose tables of so many rows stay small."""
    step = max(1, _BLOCK // n_rows)
    for start in range(0, weights.shape[1], step):
        part = slice(start, start + step)
        yield part, np.ascontiguousarray(weights[:, part])
