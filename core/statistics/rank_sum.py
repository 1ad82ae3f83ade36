"""Wilcoxon's rank-sum test with its effect: how likely a positive scores above a negative."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy.typing as npt

from crossdl.evaluation.cases import Estimate
from crossdl.statistics.bootstrap import Groups
from crossdl.statistics.checks import checked_scores
from crossdl.statistics.delong import delong


@dataclass(frozen=True)
class RankSum:
    """A rank-sum test.

    Attributes:
        superiority: Probability that a positive scores above a negative, ties counting half:
            the AUROC, with its interval.
        p: Of the test, None where a class is missing.
    """

    superiority: Estimate
    p: float | None


def rank_sum(
    truth: npt.ArrayLike,
    scores: npt.ArrayLike,
    groups: Groups,
    *,
    alternative: Literal["greater", "less", "two-sided"] = "greater",
    confidence: float = 0.95,
) -> RankSum:
    """Do positives score higher than negatives?

    The test is :func:`scipy.stats.mannwhitneyu`: exact for few scans without ties, otherwise by
    the normal approximation with corrections for ties and continuity. It takes scans as
    independent, although patients may have several; the interval of the effect does not
    (:func:`crossdl.statistics.delong.delong`).

    Args:
        truth: ``(n,)`` 0/1; NaN (not assessed) leaves a scan out.
        scores: ``(n,)`` finite.
        groups: ``(n,)`` the patients.
        alternative: "greater", one-sided, is the paper's.
        confidence: Of the interval, between 0 and 1; it is two-sided in any case.

    Raises:
        ValueError: Shapes differ, or a score is not finite.

    Example:
        >>> found = rank_sum([1, 1, 1, 0, 0, 0], [9, 8, 4, 5, 2, 1], list("abcdef"))
        >>> round(found.superiority.value, 3), found.p
        (0.889, 0.1)
    """
    from scipy.stats import mannwhitneyu

    labels, known, values = checked_scores(truth, scores)
    positive, negative = values[labels & known], values[~labels & known]
    effect = delong(truth, scores, groups, confidence=confidence)
    if not (positive.size and negative.size):
        return RankSum(effect, None)
    if positive.min() == positive.max() == negative.min() == negative.max():
        return RankSum(effect, 1.0)  # no variance to divide by: nothing speaks for a difference
    return RankSum(effect, float(mannwhitneyu(positive, negative, alternative=alternative).pvalue))
