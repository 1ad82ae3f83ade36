"""Intervals from resampled patients, for any statistic that is a function of patients' weights.

A bootstrap resample of patients is a vector of counts: how often each was drawn. A statistic that
takes such weights is computed for all resamples at once, and for the jackknife by weights of 0.
Patients are drawn with everything that belongs to them, because their scans are not independent.

Literature: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 (percentile)
and 14 (BCa); Davison & Hinkley, Bootstrap Methods and their Application, 1997, section 3.8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from crossdl.evaluation.cases import Estimate, IndexArray
from crossdl.types import Float64Array

IntervalKind = Literal["percentile", "bca"]
Groups = Sequence[str] | npt.NDArray[np.generic]
Statistic = Callable[[Float64Array], Float64Array]
"""Weights ``(G, R)`` of G groups in R resamples → values ``(R,)``, NaN where undefined."""

_BLOCK = 2_000_000
"""Numbers of one temporary array of weights."""


def resample_weights(
    groups: Groups, n_resamples: int, seed: int
) -> tuple[IndexArray, Float64Array]:
    """How often each group (patient) is drawn, with replacement, in each bootstrap resample.

    Args:
        groups: ``(n,)`` group of each item.
        n_resamples: R.
        seed: Equal seeds give equal weights.

    Returns:
        ``owner`` ``(n,)``, the index of each item's group among G, and ``weights``
        ``(G, 1 + R)`` float64, whose first column is ones: the sample itself.
    """
    names, owner = np.unique(np.asarray(groups), return_inverse=True)
    weights = np.ones((names.size, 1 + n_resamples))
    if names.size:
        shares = np.full(names.size, 1 / names.size)
        drawn = np.random.default_rng(seed).multinomial(names.size, shares, size=n_resamples)
        weights[:, 1:] = drawn.T
    return owner.astype(np.int64), weights


def group_sums(values: npt.ArrayLike, groups: Groups) -> Float64Array:
    """Sums of the items of each group, in the order of the rows of :func:`resample_weights`.

    Args:
        values: ``(n, ...)``, finite.
        groups: ``(n,)`` group of each item.

    Returns:
        ``(G, ...)`` float64.

    Example:
        >>> group_sums([1, 2, 4], ["b", "a", "b"]).tolist()
        [2.0, 5.0]
    """
    given = np.asarray(values, dtype=np.float64)
    names, owner = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.zeros((names.size, *given.shape[1:]))
    np.add.at(sums, owner, given)
    return sums


def bootstrap(
    statistic: Statistic,
    groups: Groups,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    interval: IntervalKind = "percentile",
    positives: int = 0,
) -> Estimate:
    """Any statistic with an interval from resampled groups.

    Args:
        statistic: Takes weights of the groups, ``(G, R)``, in the order of :func:`group_sums`.
        groups: ``(n,)`` what is resampled, with all its items: the patients.
        n_resamples: Bootstrap resamples; 0 gives no interval.
        seed: Equal seeds draw equal patients, whatever the statistic: differences are paired.
        confidence: Between 0 and 1.
        interval: Kind of interval, see :func:`confidence_interval`.
        positives: Passed on to the estimate.

    Returns:
        The estimate with n items. ``value`` is None where the statistic is undefined; there is no
        interval of fewer than two groups.

    Example:
        Mean of ratios of sums over patients, such as the mean Dice:

        >>> sums = group_sums([[0.2, 1], [0.4, 1], [0.9, 1]], ["a", "b", "c"])
        >>> found = bootstrap(lambda w: (sums[:, 0] @ w) / (sums[:, 1] @ w), ["a", "b", "c"])
        >>> round(found.value, 3), found.low >= 0.2, found.high <= 0.9
        (0.5, True, True)
    """
    owner, weights = resample_weights(groups, n_resamples, seed)
    if not len(weights):
        return Estimate(None, n=0, positives=positives)
    drawn = np.asarray(statistic(weights), dtype=np.float64)
    value = None if np.isnan(drawn[0]) else float(drawn[0])
    low = high = None
    if value is not None and len(weights) > 1:
        left_out = jackknife(statistic, len(weights)) if interval == "bca" else None
        low, high = confidence_interval(drawn, left_out, confidence=confidence, kind=interval)
    return Estimate(value, low, high, len(owner), positives)


def bootstrap_ratio(
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike,
    groups: Groups,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    interval: IntervalKind = "percentile",
    positives: int = 0,
) -> Estimate:
    """A ratio of sums over items with its interval from resampled groups.

    A mean has denominators 1; F1 has numerators 2·TP and denominators 2·TP + FP + FN;
    sensitivity has TP and TP + FN. Items that do not enter have denominator 0 and numerator 0.

    Args:
        numerator: ``(n,)`` finite.
        denominator: ``(n,)`` at least 0.
        groups: ``(n,)`` what is resampled: the patients.
        n_resamples: Bootstrap resamples; 0 gives no interval.
        seed: Equal seeds draw equal patients.
        confidence: Between 0 and 1.
        interval: Kind of interval, see :func:`confidence_interval`.
        positives: Passed on to the estimate.

    Returns:
        The estimate; n counts items whose denominator is above 0. ``value`` is None where the
        denominators sum to 0. Where fewer than two groups enter there is no interval.

    Raises:
        ValueError: Lengths differ, a number is not finite, or a denominator is negative.
    """
    above, below = (np.asarray(a, dtype=np.float64) for a in (numerator, denominator))
    if not above.shape == below.shape == (len(groups),):
        raise ValueError("numerator, denominator and groups must be (n,)")
    if not (np.isfinite(above).all() and np.isfinite(below).all() and (below >= 0).all()):
        raise ValueError("numerators must be finite, denominators finite and at least 0")
    sums = group_sums(np.stack([above, below], axis=1), groups)

    def statistic(weights: Float64Array) -> Float64Array:
        total = sums[:, 1] @ weights
        return np.divide(sums[:, 0] @ weights, total, out=np.full_like(total, np.nan),
                         where=total > 0)  # fmt: skip

    found = bootstrap(
        statistic, groups, n_resamples=n_resamples, seed=seed, confidence=confidence,
        interval=interval,
    )  # fmt: skip
    few = np.count_nonzero(sums[:, 1]) < 2
    low, high = (None, None) if few else (found.low, found.high)
    return Estimate(found.value, low, high, int(np.count_nonzero(below)), positives)


def jackknife(statistic: Statistic, n_groups: int) -> Float64Array:
    """The statistic without each of the groups, ``(G,)``."""
    found = np.empty(n_groups)
    step = max(1, _BLOCK // max(1, n_groups))
    for start in range(0, n_groups, step):
        left_out = np.arange(start, min(start + step, n_groups))
        weights = np.ones((n_groups, left_out.size))
        weights[left_out, left_out - start] = 0
        found[left_out] = statistic(weights)
    return found


def confidence_interval(
    drawn: Float64Array,
    left_out: Float64Array | None = None,
    *,
    confidence: float = 0.95,
    kind: IntervalKind = "percentile",
) -> tuple[float | None, float | None]:
    """Interval of a statistic from its bootstrap distribution.

    *percentile*: the quantiles of the resamples. *bca*, bias-corrected and accelerated: the
    levels of these quantiles are shifted by z0, how far the value is from the median of the
    resamples, and by the acceleration, the skewness of the jackknife (Efron 1987).

    Args:
        drawn: ``(1 + R,)``; first the sample's own value, then the resamples', NaN where
            undefined: those are left out.
        left_out: ``(G,)`` values without each of the groups, for bca; NaN are left out.
        confidence: Between 0 and 1.
        kind: "percentile" or "bca".

    Returns:
        Both ends, or None where no resample is defined. Ends of bca are None, too, where all
        resamples lie on one side of the value or the acceleration is too large for the formula.

    Raises:
        ValueError: bca without ``left_out``.
    """
    resampled = drawn[1:][~np.isnan(drawn[1:])]
    if not resampled.size or np.isnan(drawn[0]):
        return None, None
    levels = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
    if kind == "bca":
        if left_out is None:
            raise ValueError("bca needs the values without each group")
        levels = _bca_levels(levels, float(drawn[0]), resampled, left_out[~np.isnan(left_out)])
        if np.isnan(levels).any():
            return None, None
    low, high = np.quantile(resampled, levels)
    return float(low), float(high)


def _bca_levels(
    levels: Float64Array, value: float, resampled: Float64Array, left_out: Float64Array
) -> Float64Array:
    """Levels of the quantiles that BCa takes; NaN where they are undefined."""
    from scipy.special import ndtr, ndtri

    below = (np.mean(resampled < value) + np.mean(resampled <= value)) / 2
    if not 0 < below < 1 or left_out.size < 2:
        return np.full(2, np.nan)
    away = left_out.mean() - left_out
    spread = float((away**2).sum()) ** 1.5
    acceleration = float((away**3).sum()) / (6 * spread) if spread > 0 else 0.0
    shifted = ndtri(below) + ndtri(levels)
    room = 1 - acceleration * shifted
    if (room <= 0).any():
        return np.full(2, np.nan)
    adjusted: Float64Array = ndtr(ndtri(below) + shifted / room)
    return adjusted
