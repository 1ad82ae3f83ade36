"""AUROCs with intervals and tests from formulas: DeLong, and Obuchowski where data is clustered.

The variance is that of the placements, here of sums of placements over patients: Obuchowski,
Nonparametric analysis of clustered ROC curve data, Biometrics 53, 1997. With one item per patient
it is that of DeLong, DeLong & Clarke-Pearson, Biometrics 44, 1988. Sorting makes it O(n log n)
(Sun & Xu, IEEE Signal Processing Letters 21, 2014). Intervals are value ± z · standard error, cut
off where no AUROC can be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossdl.evaluation.cases import Estimate, IndexArray
from crossdl.statistics.bootstrap import Groups
from crossdl.statistics.checks import checked_scores
from crossdl.statistics.comparisons import Comparison
from crossdl.statistics.placements import placements
from crossdl.types import BoolArray, Float64Array


def delong(
    truth: npt.ArrayLike, scores: npt.ArrayLike, groups: Groups, *, confidence: float = 0.95
) -> Estimate:
    """AUROC with the interval of DeLong (Obuchowski's, where a group has several items).

    Args:
        truth: ``(n,)`` or ``(n, C)`` 0/1; NaN (not assessed) leaves an item out. Cells are
            pooled.
        scores: Of the same shape, finite.
        groups: ``(n,)`` the patients.
        confidence: Between 0 and 1.

    Returns:
        ``value`` is None where a class is missing. There is no interval where fewer than two
        groups carry one of the classes, nor of a perfect separation, whose formula says 0.

    Raises:
        ValueError: Shapes differ, or a score is not finite.
    """
    items = _items(truth, scores, groups)
    if items is None:
        labels, known, _ = checked_scores(truth, scores)
        return Estimate(None, n=int(known.sum()), positives=int(labels.sum()))
    area, positive, negative = items.influence(items.scores)
    variance = items.variance(positive, negative)
    low = high = None
    if variance is not None and variance > 0:
        low, high = _wald(area, variance, confidence, (0.0, 1.0))
    return Estimate(area, low, high, items.truth.size, int(items.truth.sum()))


def compare_delong(
    truth: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    groups: Groups,
    *,
    confidence: float = 0.95,
) -> Comparison:
    """Difference of two AUROCs on the same items: interval and two-sided p.

    Args:
        truth: ``(n,)`` or ``(n, C)`` 0/1; NaN (not assessed) leaves an item out. Cells are
            pooled.
        first: Scores of one method, of the same shape, finite.
        second: Scores of the other.
        groups: ``(n,)`` the patients.
        confidence: Between 0 and 1.

    Returns:
        First minus second. ``method`` is "DeLong", or "Obuchowski" where a group has several
        items. Equal rankings have p = 1 and an interval of no length; where the variance cannot
        be estimated otherwise (fewer than two groups carry a class, or both rankings are
        perfect, one upside down) there is neither interval nor p.

    Raises:
        ValueError: Shapes differ, or a score is not finite.
    """
    from scipy.special import ndtr

    items, others = _items(truth, first, groups), _items(truth, second, groups)
    if items is None or others is None:
        labels, known, _ = checked_scores(truth, first)
        n, positives = int(known.sum()), int(labels.sum())
        return Comparison(
            None, None, None, None, "DeLong", n=n, positives=positives, confidence=confidence
        )
    one, two = items.influence(items.scores), items.influence(others.scores)
    difference = one[0] - two[0]
    variance = items.variance(one[1] - two[1], one[2] - two[2])
    low = high = p = None
    if variance is not None and variance > 0:
        low, high = _wald(difference, variance, confidence, (-1.0, 1.0))
        p = float(2 * ndtr(-abs(difference) / variance**0.5))
    elif variance == 0 and difference == 0:
        low, high, p = 0.0, 0.0, 1.0
    return Comparison(
        difference, low, high, p, "Obuchowski" if items.clustered else "DeLong", one[0], two[0],
        items.truth.size, int(items.truth.sum()), items.n_groups, confidence,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Items:
    """Pooled items of both classes.

    Attributes:
        truth: ``(m,)``.
        scores: ``(m,)``.
        owner: ``(m,)`` group of each, below G; every group has items.
        n_groups: G.
    """

    truth: BoolArray
    scores: Float64Array
    owner: IndexArray
    n_groups: int

    @property
    def clustered(self) -> bool:
        return self.n_groups < self.truth.size

    def influence(self, scores: Float64Array) -> tuple[float, Float64Array, Float64Array]:
        """The AUROC, and how far placements lie from it, summed over each group.

        Returns:
            The area; ``(G,)`` of the positives' placements as shares of the negatives, over the
            number of positives; ``(G,)`` of the negatives', likewise.
        """
        wins, losses = placements(self.truth, scores)
        area = float(wins.sum() / (wins.size * losses.size))
        sides = [
            np.bincount(self.owner[side], share - area, minlength=self.n_groups) / share.size
            for side, share in ((self.truth, wins / losses.size), (~self.truth, losses / wins.size))
        ]
        return area, sides[0], sides[1]

    def variance(self, positive: Float64Array, negative: Float64Array) -> float | None:
        """Obuchowski 1997: of an AUROC, or of a difference by differences of the influences.

        None where fewer than two groups carry a class, or too few make it negative.
        """
        carriers = [np.unique(self.owner[side]).size for side in (self.truth, ~self.truth)]
        if min(carriers) < 2:
            return None
        squares = sum(
            count / (count - 1) * float(side @ side)
            for count, side in zip(carriers, (positive, negative), strict=True)
        )
        within = self.n_groups / (self.n_groups - 1) * float(positive @ negative)
        found = squares + 2 * within
        return found if found >= 0 else None


def _items(truth: npt.ArrayLike, scores: npt.ArrayLike, groups: Groups) -> _Items | None:
    """The assessed items; None where a class is missing."""
    labels, known, values = checked_scores(truth, scores)
    if labels.ndim not in (1, 2) or len(groups) != len(labels):
        raise ValueError("truth and scores must be (n,) or (n, C), groups (n,)")
    of_item = np.broadcast_to(np.asarray(groups).reshape(-1, *[1] * (labels.ndim - 1)), known.shape)
    names, owner = np.unique(of_item[known], return_inverse=True)
    positive = labels[known]
    if positive.all() or not positive.any():
        return None
    return _Items(positive, values[known], owner.astype(np.int64), names.size)


def _wald(
    value: float, variance: float, confidence: float, limits: tuple[float, float]
) -> tuple[float, float]:
    """Value ± z · standard error within the limits."""
    from scipy.special import ndtri

    reach = float(ndtri((1 + confidence) / 2)) * variance**0.5
    return max(limits[0], value - reach), min(limits[1], value + reach)
