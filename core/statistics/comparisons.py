"""Paired comparison of two methods on the same patients: a difference with interval and p."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from crossdl.statistics.auroc import draw_auroc
from crossdl.statistics.bca import Correction
from crossdl.statistics.bootstrap import Drawn, Groups, IntervalKind, confidence_interval
from crossdl.statistics.multiplicity import holm
from crossdl.types import Float64Array


@dataclass(frozen=True)
class Comparison:
    """A difference between two methods, never a bare p.

    Attributes:
        difference: First minus second; None where one of them is undefined.
        low: Lower end of the difference's confidence interval, or None.
        high: Upper end, or None.
        p: Two-sided, of no difference; None where there is no test.
        method: How interval and p were found, for people.
        first: Value of the first method.
        second: Value of the second.
        n: Number of items that entered.
        positives: How many of them are positive.
        patients: Number of groups that were resampled or entered.
        confidence: Coverage of the interval.
        p_corrected: p corrected for the family it was tested in (:func:`corrected`), or None.
    """

    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    method: str
    first: float | None = None
    second: float | None = None
    n: int = 0
    positives: int = 0
    patients: int = 0
    confidence: float = 0.95
    p_corrected: float | None = None


def compare(
    first: Drawn,
    second: Drawn,
    *,
    confidence: float = 0.95,
    interval: IntervalKind = "percentile",
) -> Comparison:
    """Difference of any statistic between two methods, from the same resamples of patients.

    p is twice the smaller share of the resampled differences at or beyond 0, with one added to
    both counts; for bca these shares are shifted as the interval's levels are. So p and interval
    agree: p < 1 - confidence just where the interval leaves 0 out.

    Args:
        first: Of one method, from :func:`crossdl.statistics.bootstrap.draw` and its like.
        second: Of the other, drawn with the same patients and seed.
        confidence: Between 0 and 1.
        interval: "percentile" or "bca"; both must have been drawn for it.

    Raises:
        ValueError: They were drawn from other numbers of patients or resamples, or not for bca.
    """
    if first.n_groups != second.n_groups or first.values.shape != second.values.shape:
        raise ValueError("compared statistics must be drawn from the same patients")
    values = first.values - second.values
    left_out = None
    if first.left_out is not None and second.left_out is not None:
        left_out = first.left_out - second.left_out
    low = high = p = None
    if first.telling and second.telling:
        low, high = confidence_interval(values, left_out, confidence=confidence, kind=interval)
    if low is not None:
        p = _p_value(values, left_out if interval == "bca" else None)
    one, two, difference = (
        None if np.isnan(x) else float(x) for x in (first.values[0], second.values[0], values[0])
    )
    return Comparison(
        difference, low, high, p, f"paired bootstrap, {interval}", one, two, first.n,
        first.positives, first.n_groups, confidence,
    )  # fmt: skip


def compare_auroc(
    truth: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    groups: Groups,
    sets: Mapping[str, Sequence[int]],
    *,
    weighted_macros: Mapping[str, Sequence[int]] | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    interval: IntervalKind = "percentile",
) -> dict[str, Comparison]:
    """AUROCs of named sets of cells of two methods, compared by the bootstrap.

    Args:
        truth: ``(n, C)`` 0/1, n items by C cells; NaN (not assessed) leaves an item out.
        first: Scores of one method, ``(n, C)`` finite, or ``(S, n, C)`` of S trainings, whose
            AUROCs are averaged in the sample and in each resample.
        second: Of the other method, likewise; numbers of trainings may differ.
        groups: ``(n,)`` what is resampled, with all its items: the patients.
        sets: Name → indices of cells, which are pooled.
        weighted_macros: Name → indices of cells, see :func:`crossdl.statistics.auroc.draw_auroc`.
        n_resamples: Bootstrap resamples; 0 gives neither intervals nor p.
        seed: Equal seeds give equal intervals.
        confidence: Between 0 and 1.
        interval: Kind of interval.

    Returns:
        Name → comparison, sets first; p are not corrected (:func:`corrected` does).

    Raises:
        ValueError: Shapes differ, or a score is not finite.
    """

    def drawn(scores: npt.ArrayLike) -> dict[str, Drawn]:
        trainings = np.asarray(scores, dtype=np.float64)
        trainings = trainings[None] if trainings.ndim == 2 else trainings
        found = [
            draw_auroc(
                truth, training, groups, sets, weighted_macros=weighted_macros,
                n_resamples=n_resamples, seed=seed, interval=interval,
            )
            for training in trainings
        ]  # fmt: skip
        return {name: average([one[name] for one in found]) for name in found[0]}

    one, two = drawn(first), drawn(second)
    return {
        name: compare(one[name], two[name], confidence=confidence, interval=interval)
        for name in one
    }


def average(drawn: Sequence[Drawn]) -> Drawn:
    """Mean of a statistic over trainings of one method, drawn from the same patients.

    Its interval is that of new patients for these trainings; it does not say how another
    training would do.

    Args:
        drawn: At least one.
    """

    def mean(parts: list[Float64Array]) -> Float64Array:
        return np.asarray(np.mean(parts, axis=0), dtype=np.float64)

    left_out = [d.left_out for d in drawn if d.left_out is not None]
    return replace(
        drawn[0],
        values=mean([d.values for d in drawn]),
        left_out=mean(left_out) if len(left_out) == len(drawn) else None,
        telling=all(d.telling for d in drawn),
    )


def corrected(comparisons: Mapping[str, Comparison]) -> dict[str, Comparison]:
    """The same comparisons with Holm's correction over all of them as one family."""
    values = holm([c.p for c in comparisons.values()])
    return {
        name: replace(comparison, p_corrected=p)
        for (name, comparison), p in zip(comparisons.items(), values, strict=True)
    }


def _p_value(values: Float64Array, left_out: Float64Array | None) -> float | None:
    """Two-sided p of a bootstrap distribution: the level at which the interval's end is 0."""
    resampled = values[1:][~np.isnan(values[1:])]
    most = resampled.size + 1
    tails = [(np.count_nonzero(side) + 1) / most for side in (resampled <= 0, resampled >= 0)]
    if left_out is not None:
        found = Correction.of(float(values[0]), resampled, left_out[~np.isnan(left_out)])
        lower, upper = (min(tail, resampled.size / most) for tail in tails)
        if found is None:
            return None
        left, right = found.nominal(lower), found.nominal(1 - upper)
        if left is None or right is None:
            return None
        tails = [left, 1 - right]
    return float(min(1.0, 2 * min(tails)))
