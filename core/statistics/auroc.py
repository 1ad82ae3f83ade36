"""AUROC and its uncertainty: areas, means of areas and ROC curves with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossdl.evaluation.cases import Estimate
from crossdl.statistics.bootstrap import Drawn, Groups, IntervalKind, resample_weights
from crossdl.statistics.checks import checked_scores
from crossdl.statistics.placements import auroc_without_each_group
from crossdl.statistics.quotients import divided
from crossdl.statistics.weighted import tallies, weighted_auroc
from crossdl.types import Float64Array, FloatArray


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
    labels, known, values = checked_scores(truth, score)
    owner = np.zeros(int(known.sum()), dtype=np.int64)
    area, _ = weighted_auroc(labels[known], values[known], owner, np.ones((1, 1)))
    return None if np.isnan(area[0]) else float(area[0])


def draw_auroc(
    truth: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: Groups,
    sets: Mapping[str, Sequence[int]],
    *,
    weighted_macros: Mapping[str, Sequence[int]] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    interval: IntervalKind = "percentile",
) -> dict[str, Drawn]:
    """AUROC of named sets of cells, of the sample and of its resamples.

    Args:
        truth: ``(n, C)`` 0/1, n items by C cells; NaN (not assessed) leaves an item out.
        scores: ``(n, C)`` finite.
        groups: ``(n,)`` what is resampled, with all its items: the patients.
        sets: Name → indices of cells. The cells of a set are pooled (micro average), so a set
            of one index is that cell's own AUROC.
        weighted_macros: Name → indices of cells whose AUROCs are averaged with the positive
            rates of the cells (in each resample: the rates of that resample) as weights;
            undefined cells are left out.
        n_resamples: Bootstrap resamples.
        seed: Equal seeds draw equal patients.
        interval: The kind of interval that is wanted; bca needs the jackknife too.

    Returns:
        Name → what was drawn, sets first. Where fewer than two groups carry one of the classes
        resampling cannot show how an AUROC varies: it is not telling.

    Raises:
        ValueError: Shapes differ, or a score is not finite.
    """
    labels, assessed, values = checked_scores(truth, scores)
    if labels.ndim != 2 or len(groups) != len(labels):
        raise ValueError("truth and scores must be (n, C), groups (n,)")
    owner, weights = resample_weights(groups, n_resamples, seed)
    known: dict[tuple[int, ...], tuple[Float64Array, Float64Array]] = {}

    def areas(cells: tuple[int, ...]) -> tuple[Float64Array, Float64Array]:
        """Areas and positive rates: sample, resamples, and for bca without each group."""
        if cells not in known:
            entered = assessed[:, cells]
            pooled = labels[:, cells][entered], values[:, cells][entered]
            owners = np.repeat(owner, len(cells))[entered.ravel()]
            found = [weighted_auroc(*pooled, owners, weights)]
            if interval == "bca":
                found.append(auroc_without_each_group(*pooled, owners, len(weights)))
            area, rate = (np.concatenate(part) for part in zip(*found, strict=True))
            known[cells] = area, rate
        return known[cells]

    def drawn(area: Float64Array, cells: Sequence[int]) -> Drawn:
        entered = assessed[:, cells]
        positive = labels[:, cells] & entered
        classes = (positive, entered & ~positive)
        carriers = [np.unique(owner[mask.any(axis=1)]).size for mask in classes]
        return Drawn(
            area[: 1 + n_resamples],
            area[1 + n_resamples :] if interval == "bca" else None,
            len(weights),
            int(entered.sum()),
            int(positive.sum()),
            min(carriers) > 1,
        )

    undefined = np.full(1 + n_resamples + (len(weights) if interval == "bca" else 0), np.nan)
    found = {
        name: drawn(areas(tuple(cells))[0] if len(cells) else undefined, list(cells))
        for name, cells in sets.items()
    }
    for name, cells in (weighted_macros or {}).items():
        parts = {cell: areas((cell,)) for cell in cells}
        defined = [cell for cell, (area, _) in parts.items() if not np.isnan(area[0])]
        mean = _weighted_mean(*zip(*parts.values(), strict=True)) if parts else undefined
        found[name] = drawn(mean, defined or list(cells))
    return found


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

    Arguments are those of :func:`draw_auroc`, and:

    Args:
        truth: ``(n, C)`` 0/1.
        scores: ``(n, C)``.
        groups: ``(n,)``.
        sets: Name → indices of pooled cells.
        weighted_macros: Name → indices of averaged cells.
        n_resamples: Bootstrap resamples; 0 gives no intervals.
        seed: Equal seeds give equal intervals.
        confidence: Between 0 and 1.
        interval: See :func:`crossdl.statistics.bootstrap.confidence_interval`.

    Returns:
        Name → estimate, sets first. ``value`` is None where a class is missing. The interval
        is None where fewer than two groups carry one of the classes. Resamples without both
        classes are left out.

    Raises:
        ValueError: Shapes differ, or a score is not finite.
    """
    found = draw_auroc(
        truth, scores, groups, sets, weighted_macros=weighted_macros, n_resamples=n_resamples,
        seed=seed, interval=interval,
    )  # fmt: skip
    return {name: drawn.estimate(confidence, interval) for name, drawn in found.items()}


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
    labels, known, values = checked_scores(truth, scores)
    owner, weights = resample_weights(groups, n_resamples, seed)
    repeated = np.repeat(owner, labels.size // max(1, len(labels)))[known.ravel()]
    labels, values = labels[known], values[known]
    if labels.all() or not labels.any():
        return None
    grid = np.linspace(0, 1, points)
    first: tuple[Float64Array, Float64Array] | None = None
    drawn: list[Float64Array] = []
    for positives, negatives in tallies(labels, values, repeated, weights):
        true, false = (np.cumsum(a[::-1], axis=0) for a in (positives, negatives))  # downwards
        for column in range(true.shape[1]):
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


def _weighted_mean(areas: Sequence[Float64Array], rates: Sequence[Float64Array]) -> Float64Array:
    """Means of areas over cells, in each resample over those that are defined there."""
    area = np.stack(areas)
    rate = np.where(np.isnan(area), 0.0, np.stack(rates))
    return divided((rate * np.nan_to_num(area)).sum(axis=0), rate.sum(axis=0))
