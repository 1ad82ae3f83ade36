"""Intervals from resampled patients, for any statistic that is a function of patients' weights.

A bootstrap resample of patients is a vector of counts: how often each was drawn. A statistic that
takes such weights is computed for all resamples at once, and for the jackknife by weights of 0.
Patients are drawn with everything that belongs to them, because their scans are not independent.

Literature: Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 (percentile)
and 14 (BCa); Davison & Hinkley, Bootstrap Methods and their Application, 1997, section 3.8.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from crossdl.evaluation.cases import Estimate, IndexArray
from crossdl.statistics.bca import Correction
from crossdl.statistics.quotients import divided
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
        ``(G, 1 + R)`` float64, read-only, whose first column is ones: the sample itself.
    """
    names, owner = np.unique(np.asarray(groups), return_inverse=True)
    return owner.astype(np.int64), _weights(names.size, n_resamples, seed)


@lru_cache(maxsize=1)
def _weights(n_groups: int, n_resamples: int, seed: int) -> Float64Array:
    """Kept for the next statistic of the same patients, so nobody may write into them."""
    weights = np.ones((n_groups, 1 + n_resamples))
    if n_groups:
        shares = np.full(n_groups, 1 / n_groups)
        drawn = np.random.default_rng(seed).multinomial(n_groups, shares, size=n_resamples)
        weights[:, 1:] = drawn.T
    weights.flags.writeable = False
    return weights


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


@dataclass(frozen=True, eq=False)
class Drawn:
    """A statistic of a sample and how it varies when patients are drawn again.

    Attributes:
        values: ``(1 + R,)`` of the sample, then of the resamples; NaN where undefined.
        left_out: ``(G,)`` without each of the groups, for bca; otherwise None.
        n_groups: G.
        n: Number of items that entered.
        positives: How many of them are positive.
        telling: False where the resamples cannot show how the statistic varies, because too few
            groups enter; there is no interval then.
    """

    values: Float64Array
    left_out: Float64Array | None
    n_groups: int
    n: int = 0
    positives: int = 0
    telling: bool = True

    def interval(self, confidence: float, kind: IntervalKind) -> tuple[float | None, float | None]:
        """Both ends by :func:`confidence_interval`, or None."""
        if not self.telling:
            return None, None
        return confidence_interval(self.values, self.left_out, confidence=confidence, kind=kind)

    def estimate(self, confidence: float, kind: IntervalKind) -> Estimate:
        """The value, None where it is undefined, with its interval."""
        value = None if np.isnan(self.values[0]) else float(self.values[0])
        return Estimate(value, *self.interval(confidence, kind), self.n, self.positives)


def draw(
    statistic: Statistic,
    groups: Groups,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    interval: IntervalKind = "percentile",
    positives: int = 0,
) -> Drawn:
    """Any statistic of the sample and of its resamples, to make intervals or comparisons of.

    Args:
        statistic: Takes weights of the groups, ``(G, R)``, in the order of :func:`group_sums`.
        groups: ``(n,)`` what is resampled, with all its items: the patients.
        n_resamples: Bootstrap resamples; 0 gives no interval.
        seed: Equal seeds draw equal patients, whatever the statistic: differences are paired.
        interval: The kind of interval that is wanted; bca needs the jackknife too.
        positives: Passed on.
    """
    owner, weights = resample_weights(groups, n_resamples, seed)
    if not len(weights):
        return Drawn(np.full(1 + n_resamples, np.nan), None, 0, positives=positives)
    values = np.asarray(statistic(weights), dtype=np.float64)
    left_out = jackknife(statistic, len(weights)) if interval == "bca" else None
    return Drawn(values, left_out, len(weights), len(owner), positives, len(weights) > 1)


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
        seed: Equal seeds draw equal patients, whatever the statistic.
        confidence: Between 0 and 1.
        interval: Kind of interval, see :func:`confidence_interval`.
        positives: Passed on to the estimate.

    Returns:
        The estimate with n items. ``value`` is None where the statistic is undefined; there is no
        interval of fewer than two groups.

    Example:
        The standard deviation of a measure over patients:

        >>> patients, x = list("abcd"), np.array([0.1, 0.4, 0.5, 0.8])
        >>> one, two = group_sums(x, patients), group_sums(x**2, patients)
        >>> def deviation(w):
        ...     return np.sqrt(np.maximum(0, two @ w / w.sum(0) - (one @ w / w.sum(0)) ** 2))
        >>> found = bootstrap(deviation, patients)
        >>> round(found.value, 3), found.high < 0.36
        (0.25, True)
    """
    drawn = draw(
        statistic, groups, n_resamples=n_resamples, seed=seed, interval=interval,
        positives=positives,
    )  # fmt: skip
    return drawn.estimate(confidence, interval)


def draw_ratio(
    numerator: npt.ArrayLike,
    denominator: npt.ArrayLike,
    groups: Groups,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
    interval: IntervalKind = "percentile",
    positives: int = 0,
) -> Drawn:
    """A ratio of sums over items, of the sample and of its resamples.

    A mean has denominators 1; F1 has numerators 2·TP and denominators 2·TP + FP + FN;
    sensitivity has TP and TP + FN. Items that do not enter have denominator 0 and numerator 0.

    Args:
        numerator: ``(n,)`` finite.
        denominator: ``(n,)`` at least 0.
        groups: ``(n,)`` what is resampled: the patients.
        n_resamples: Bootstrap resamples; 0 gives no interval.
        seed: Equal seeds draw equal patients.
        interval: The kind of interval that is wanted.
        positives: Passed on.

    Returns:
        n counts items whose denominator is above 0. The value is undefined where denominators
        sum to 0; there is no interval where fewer than two groups enter.

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
        return divided(sums[:, 0] @ weights, sums[:, 1] @ weights)

    drawn = draw(
        statistic, groups, n_resamples=n_resamples, seed=seed, interval=interval,
        positives=positives,
    )  # fmt: skip
    telling = int(np.count_nonzero(sums[:, 1])) > 1
    return replace(drawn, n=int(np.count_nonzero(below)), telling=telling)


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
    """A ratio of sums over items with its interval; arguments as in :func:`draw_ratio`.

    Example:
        >>> found = bootstrap_ratio([0.2, 0.4, 0.9], [1, 1, 1], ["a", "b", "c"])
        >>> round(found.value, 3), found.low >= 0.2, found.high <= 0.9
        (0.5, True, True)
    """
    drawn = draw_ratio(
        numerator, denominator, groups, n_resamples=n_resamples, seed=seed, interval=interval,
        positives=positives,
    )  # fmt: skip
    return drawn.estimate(confidence, interval)


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

    *percentile*: quantiles of the resamples. *bca*, bias-corrected and accelerated: quantiles
    whose levels are shifted for bias and skewness, see :mod:`crossdl.statistics.bca`.

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
    edges = ((1 - confidence) / 2, (1 + confidence) / 2)
    if kind == "bca":
        if left_out is None:
            raise ValueError("bca needs the values without each group")
        found = Correction.of(float(drawn[0]), resampled, left_out[~np.isnan(left_out)])
        lower, upper = (found.level(edge) if found else None for edge in edges)
        if lower is None or upper is None:
            return None, None
        edges = lower, upper
    low, high = np.quantile(resampled, edges)
    return float(low), float(high)
