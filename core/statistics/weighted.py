"""AUROCs under many weightings at once: one pass over sorted scores serves every resample.

A bootstrap resample of patients is a vector of counts, so a resample's AUROC is an AUROC with
weights. The order of the scores does not depend on the weights: negatives are assigned once to
the gaps between the distinct scores of the positives, and the weight in each gap is, for all
resamples together, one sparse matrix product. Counts are whole numbers, so the sums are exact
in float64 and the result equals that of any other exact method.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crossdl.evaluation.cases import IndexArray
from crossdl.types import BoolArray, Float64Array

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
    area = np.full(weights.shape[1], np.nan)
    for part, hits, gaps in tallies(labels, values, owner, weights):
        below = np.cumsum(gaps, axis=0)[:-1:2]
        wins = np.einsum("tr,tr->r", hits, below) + np.einsum("tr,tr->r", hits, gaps[1::2]) / 2
        pairs = positives[part] * negatives[part]
        np.divide(wins, pairs, out=area[part], where=pairs > 0)
    total = positives + negatives
    rate = np.divide(positives, total, out=np.full(total.shape, np.nan), where=total > 0)
    return area, rate


def tallies(
    truth: BoolArray, score: Float64Array, owner: IndexArray, weights: Float64Array
) -> Iterator[tuple[slice, Float64Array, Float64Array]]:
    """Weight of the positives at, and of the negatives between, the T distinct positive scores.

    Yields:
        For blocks of resamples: their columns, ``hits`` ``(T, r)`` and ``gaps`` ``(2T + 1, r)``,
        ascending by score; rows 2t + 1 of ``gaps`` are negatives that tie with score t.
    """
    from scipy.sparse import coo_array

    levels, level = np.unique(score[truth], return_inverse=True)
    if not levels.size:
        return
    others = score[~truth]
    gap = np.searchsorted(levels, others, "left") + np.searchsorted(levels, others, "right")

    def counts(rows: IndexArray, items: BoolArray, n_rows: int) -> coo_array:
        ones = np.ones(rows.size)
        return coo_array((ones, (rows, owner[items])), shape=(n_rows, len(weights))).tocsr()

    hit_counts = counts(level, truth, levels.size)
    gap_counts = counts(gap, ~truth, 2 * levels.size + 1)
    step = max(1, _BLOCK // (2 * levels.size + 1))
    for start in range(0, weights.shape[1], step):
        part = slice(start, start + step)
        block = np.ascontiguousarray(weights[:, part])
        yield part, hit_counts @ block, gap_counts @ block
