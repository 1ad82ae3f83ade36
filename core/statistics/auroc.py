"""AUROC and its uncertainty: one pass over sorted scores serves every bootstrap resample.

A bootstrap resample of patients is a vector of counts, so a resample's AUROC is an AUROC with
weights. The order of the scores does not depend on the weights: negatives are assigned once to
the gaps between the distinct scores of the positives, and the weight in each gap is, for all
resamples together, one sparse matrix product. Counts are whole numbers, so the sums are exact
in float64 and the result equals that of any other exact method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossdl.evaluation.cases import Estimate, IndexArray
from crossdl.statistics.bootstrap import (
    Groups,
    IntervalKind,
    confidence_interval,
    resample_weights,
)
from crossdl.statistics.placements import auroc_without_each_group
from crossdl.types import BoolArray, Float64Array, FloatArray

_BLOCK = 2_000_000
"""Numbers of one temporary array; resamples are processed in blocks of this size."""


@dataclass(frozen=True, eq=False)
class RocCurve:
    """A receiver operating characteristic with a pointwise band.

    Attributes:
        fpr: ``(V,)`` false positive rates of the curve's corners, ascending from 0 to 1.
        tpr: ``(V,)`` true positive rates.
        grid: ``(P,)`` false positive rates at which the band is known.
        low: ``(P,)`` lower end of the band, or None without resampling.
        high: ``(P,)`` upper end, or None.
    """

    fpr: Float64Array
    tpr: Float64Array
    grid: Float64Array
    low: Float64Array | None = None
    high: Float64Array | None = None


def union(values: FloatArray, axis: int) -> FloatArray:
    """Largest value along an axis; NaN where none is 1 and some are NaN (not assessed).

    Example:
        >>> union(np.array([[0, 1], [0, np.nan], [1, np.nan]], dtype=np.float32), axis=1).tolist()
        [1.0, nan, 1.0]
    """
    unknown = np.isnan(values)
    highest = np.where(unknown, np.float32(-1), values).max(axis=axis)
    undecided = unknown.any(axis=axis) & (highest < 1)
    return np.where(undecided, np.float32(np.nan), highest).astype(np.float32)


def auroc(truth: npt.ArrayLike, score: npt.ArrayLike) -> float | None:
    """Area under the ROC curve: P(score of a positive > score of a negative) + half of ties.

    Args:
        truth: ``(n,)`` 0/1 or bool; items of which it is NaN (not assessed) are left out.
        score: ``(n,)`` finite.

    Returns:
        The area, or None where only one class is present.

    Raises:
        ValueError: Shapes differ, or a score is not finite.

    Example:
        >>> auroc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
        0.75
        >>> auroc([1, 1], [0.2, 0.3]) is None
        True
    """
    labels, known, values = _checked(truth, score)
    owner = np.zeros(int(known.sum()), dtype=np.int64)
    area, _ = weighted_auroc(labels[known], values[known], owner, np.ones((1, 1)))
    return None if np.isnan(area[0]) else float(area[0])


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
        The areas ``(R,)``, NaN where a resample has one class only, and the summed weight of
        the positives ``(R,)``.
    """
    positives = np.bincount(owner[truth], minlength=len(weights)) @ weights
    negatives = np.bincount(owner[~truth], minlength=len(weights)) @ weights
    flipped = int(truth.sum()) * 2 > truth.size  # the rarer class makes the gaps
    labels, values = (~truth, -score) if flipped else (truth, score)
    area = np.full(weights.shape[1], np.nan)
    for part, hits, gaps in _tallies(labels, values, owner, weights):
        below = np.cumsum(gaps, axis=0)[:-1:2]
        wins = np.einsum("tr,tr->r", hits, below) + np.einsum("tr,tr->r", hits, gaps[1::2]) / 2
        pairs = positives[part] * negatives[part]
        np.divide(wins, pairs, out=area[part], where=pairs > 0)
    return area, positives


def bootstrap_auroc(
    truth: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: Groups,
    sets: Mapping[str, Sequence[int]],
    *,
    weighted_macros: Mapping[str, Sequence[int]] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    interval: IntervalKind = "percentile",
) -> dict[str, Estimate]:
    """AUROC of named sets of cells with intervals from resampled groups.

    Args:
        truth: ``(n, C)`` 0/1, n items by C cells; NaN (not assessed) leaves an item out.
        scores: ``(n, C)`` finite.
        groups: ``(n,)`` what is resampled, with all its items: the patients.
        sets: Name → indices of cells. The cells of a set are pooled (micro average), so a set
            of one index is that cell's own AUROC.
        weighted_macros: Name → indices of cells whose AUROCs are averaged with the positive
            rates of the cells (in each resample: the rates of that resample) as weights;
            undefined cells are left out.
        n_resamples: Bootstrap resamples; 0 gives no intervals.
        seed: Equal seeds give equal intervals.
        confidence: Between 0 and 1.
        interval: See :func:`crossdl.statistics.bootstrap.confidence_interval`.

    Returns:
        Name → estimate, sets first. ``value`` is None where a class is missing. The interval
        is None where fewer than two groups carry one of the classes, because resampling cannot
        show how such an AUROC varies. Resamples without both classes are left out.

    Raises:
        ValueError: Shapes differ, or a score is not finite.
    """
    labels, assessed, values = _checked(truth, scores)
    if labels.ndim != 2 or len(groups) != len(labels):
        raise ValueError("truth and scores must be (n, C), groups (n,)")
    owner, weights = resample_weights(groups, n_resamples, seed)
    known: dict[tuple[int, ...], tuple[Float64Array, Float64Array]] = {}

    def areas(cells: tuple[int, ...]) -> tuple[Float64Array, Float64Array]:
        """Of the sample, of the resamples, and for bca without each group."""
        if cells not in known:
            chosen = list(cells)
            entered = assessed[:, chosen]
            truths, values_ = labels[:, chosen][entered], values[:, chosen][entered]
            owners = np.repeat(owner, len(chosen))[entered.ravel()]
            found = [weighted_auroc(truths, values_, owners, weights)]
            if interval == "bca":
                found.append(auroc_without_each_group(truths, values_, owners, len(weights)))
            area, positives = (np.concatenate(part) for part in zip(*found, strict=True))
            known[cells] = area, positives
        return known[cells]

    def estimate(drawn: Float64Array, chosen: list[int]) -> Estimate:
        entered = assessed[:, chosen]
        positive = labels[:, chosen] & entered
        classes = (positive, entered & ~positive)
        carriers = [np.unique(owner[mask.any(axis=1)]).size for mask in classes]
        low = high = None
        if min(carriers) > 1:
            low, high = confidence_interval(
                drawn[: 1 + n_resamples],
                drawn[1 + n_resamples :],
                confidence=confidence,
                kind=interval,
            )
        value = None if np.isnan(drawn[0]) else float(drawn[0])
        return Estimate(value, low, high, int(entered.sum()), int(positive.sum()))

    found = {
        name: estimate(areas(tuple(cells))[0], list(cells)) if len(cells) else Estimate(None)
        for name, cells in sets.items()
    }
    for name, cells in (weighted_macros or {}).items():
        parts = [areas((cell,)) for cell in cells]
        defined = [cell for cell, (area, _) in zip(cells, parts, strict=True) if area[0] == area[0]]
        if not defined:
            found[name] = Estimate(None, n=int(assessed[:, list(cells)].sum()))
            continue
        area = np.stack([a for a, _ in parts])
        rate = np.where(np.isnan(area), 0.0, np.stack([p for _, p in parts]))
        total = rate.sum(axis=0)
        drawn = np.full(total.shape, np.nan)
        np.divide((rate * np.nan_to_num(area)).sum(axis=0), total, out=drawn, where=total > 0)
        found[name] = estimate(drawn, defined)
    return found


def roc_curve(
    truth: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: Groups,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    points: int = 101,
) -> RocCurve | None:
    """The ROC curve of pooled cells with a pointwise percentile band over resampled groups.

    Args:
        truth: ``(n, C)`` 0/1; NaN (not assessed) leaves an item out.
        scores: ``(n, C)`` finite.
        groups: ``(n,)`` what is resampled.
        n_resamples: Bootstrap resamples; 0 gives no band.
        seed: Equal seeds give equal bands.
        confidence: Between 0 and 1.
        points: P, false positive rates at which the band is computed.

    Returns:
        The curve, or None where a class is missing.

    Raises:
        ValueError: Shapes differ, or a score is not finite.
    """
    labels, known, values = _checked(truth, scores)
    owner, weights = resample_weights(groups, n_resamples, seed)
    repeated = np.repeat(owner, labels.size // max(1, len(labels)))[known.ravel()]
    labels, values = labels[known], values[known]
    if labels.all() or not labels.any():
        return None
    grid = np.linspace(0, 1, points)
    first: tuple[Float64Array, Float64Array] | None = None
    drawn: list[Float64Array] = []
    for _, hits, gaps in _tallies(labels, values, repeated, weights):
        steps = np.zeros_like(gaps)
        steps[1::2] = hits
        true = np.cumsum(steps[::-1], axis=0)  # from the highest score downwards
        false = np.cumsum(gaps[::-1], axis=0)
        for column in range(gaps.shape[1]):
            x, y = false[:, column], true[:, column]
            if not (x[-1] > 0 and y[-1] > 0):
                continue
            fpr, tpr = np.r_[0.0, x / x[-1]], np.r_[0.0, y / y[-1]]
            if first is None:
                first = fpr, tpr
            else:
                drawn.append(np.interp(grid, fpr, tpr))
    assert first is not None  # the first column is the sample itself and has both classes
    if not drawn:
        return RocCurve(*first, grid)
    edges = ((1 - confidence) / 2, (1 + confidence) / 2)
    low, high = np.quantile(np.stack(drawn), edges, axis=0)
    return RocCurve(*first, grid, low, high)


def _checked(
    truth: npt.ArrayLike, score: npt.ArrayLike
) -> tuple[BoolArray, BoolArray, Float64Array]:
    """Labels (False where unknown), which items are known, and scores."""
    given = np.asarray(truth, dtype=np.float64)
    known = ~np.isnan(given)
    labels = np.where(known, given, 0.0).astype(np.bool_)
    values = np.asarray(score, dtype=np.float64)
    if labels.shape != values.shape:
        raise ValueError(f"truth {labels.shape} and score {values.shape} differ in shape")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite")
    return labels, known, values


def _tallies(
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
