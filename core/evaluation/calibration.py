"""How far probabilities can be taken at their word.

Items (scans or cells) are put into bins by their score; a bin's gap is the difference between its
mean score and its positive rate. Literature: DeGroot & Fienberg, The Statistician 1983
(reliability diagram); Naeini et al., AAAI 2015 (ECE, MCE); Guo et al., ICML 2017 (temperature);
Nixon et al., CVPR Workshops 2019 (bins of equal mass).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crossdl.statistics.bootstrap import Groups, group_sums
from crossdl.statistics.quotients import divided
from crossdl.types import Float64Array, FloatArray

_LEAST = 1e-7
"""Scores are kept this far from 0 and 1 before their logit is taken; float32 knows no closer."""
_SPREAD = 100.0
"""Temperatures are searched between this and its inverse."""


def equal_width(n_bins: int) -> Float64Array:
    """Edges ``(B + 1,)`` of bins as wide as each other."""
    return np.linspace(0.0, 1.0, n_bins + 1)


def equal_mass(scores: FloatArray | Float64Array, n_bins: int) -> Float64Array:
    """Edges ``(B + 1,)`` of bins that hold as many items as each other, save for ties.

    Args:
        scores: ``(m,)``, at least one.
        n_bins: B.
    """
    edges = np.quantile(np.asarray(scores, dtype=np.float64), equal_width(n_bins))
    return np.asarray(edges, dtype=np.float64)


class Reliability:
    """Scores and truth in bins, under any weighting of groups of scans.

    An item on the edge of two bins is in the lower one.
    """

    def __init__(
        self, truth: FloatArray, scores: FloatArray | Float64Array, edges: Float64Array,
        groups: Groups,
    ) -> None:  # fmt: skip
        """Sums up each group's items once, for all weightings.

        Args:
            truth: ``(n, C)`` 0/1, n scans of C items; NaN (not assessed) does not enter.
            scores: ``(n, C)`` in [0, 1], finite.
            edges: ``(B + 1,)`` ascending.
            groups: ``(n,)`` group (patient) of each scan.

        Raises:
            ValueError: Shapes differ.
        """
        if truth.shape != scores.shape or truth.ndim != 2 or len(truth) != len(groups):
            raise ValueError("truth and scores must be (n, C), groups (n,)")
        n, n_bins = len(truth), len(edges) - 1
        scan, column = np.nonzero(~np.isnan(truth))
        score = scores[scan, column].astype(np.float64)
        label = truth[scan, column].astype(np.float64)
        place = scan * n_bins + np.searchsorted(edges[1:-1], score, side="left")
        sums = np.stack(
            [
                np.bincount(place, weights, minlength=n * n_bins).reshape(n, n_bins)
                for weights in (None, score, label, score * (1 - score))
            ],
            axis=1,
        )
        self.edges = edges
        self._sums = group_sums(sums, groups)

    @property
    def n_carriers(self) -> int:
        """Groups that have an item."""
        return int(np.count_nonzero(self._sums[:, 0].sum(axis=1)))

    def bins(self, weights: Float64Array) -> tuple[Float64Array, Float64Array, Float64Array]:
        """Items, mean score and positive rate of each bin.

        Args:
            weights: ``(G, R)`` weight of each group in each resample, at least 0.

        Returns:
            ``(B, R)`` each; mean and rate of an empty bin are NaN.
        """
        items, score, label, _ = self._weighted(weights)
        return items, divided(score, items), divided(label, items)

    def ece(self, weights: Float64Array) -> Float64Array:
        """Expected calibration error ``(R,)``: mean gap, weighted with the bins' items."""
        items, score, label, _ = self._weighted(weights)
        return divided(np.abs(label - score).sum(axis=0), items.sum(axis=0))

    def mce(self, weights: Float64Array) -> Float64Array:
        """Maximum calibration error ``(R,)``: the largest gap of any bin that has items."""
        items, score, label, _ = self._weighted(weights)
        gaps = np.abs(divided(label - score, items))
        highest = np.where(np.isnan(gaps), -1.0, gaps).max(axis=0)
        return np.where(highest < 0, np.nan, highest)

    def chance_ece(self) -> float | None:
        """The ECE to expect of perfectly calibrated scores, because bins have few items.

        If truth is drawn by the scores themselves, a bin's gap is about normal with the variance
        Σ p (1 - p) of its items, and the mean of its size is sqrt(2 / π) of its deviation. ECE
        below about this is no evidence of miscalibration (Bröcker & Smith, Weather and
        Forecasting 2007, resample for the same purpose). Items count as independent.
        """
        items, _, _, variance = self._weighted(np.ones((len(self._sums), 1)))
        total = float(items.sum())
        return float(np.sqrt(2 / np.pi * variance).sum()) / total if total else None

    def _weighted(self, weights: Float64Array) -> Sequence[Float64Array]:
        """Items, Σ p, Σ y and Σ p (1 - p), ``(B, R)`` each."""
        return [part.T @ weights for part in self._sums.transpose(1, 0, 2)]


def temperature(truth: FloatArray, scores: FloatArray) -> float | None:
    """The T for which σ(logit(p) / T) has the highest likelihood.

    Args:
        truth: 0/1 of any shape; NaN (not assessed) does not enter.
        scores: The same shape, in [0, 1].

    Returns:
        Between 0.01 and 100; None where a class is missing.
    """
    from scipy.optimize import minimize_scalar

    known = ~np.isnan(truth)
    label = truth[known] == 1
    if not label.any() or label.all():
        return None
    signed = np.where(label, 1.0, -1.0) * _logit(scores[known])

    def loss(log_t: float) -> float:
        return float(np.logaddexp(0.0, -signed / np.exp(log_t)).mean())

    limit = float(np.log(_SPREAD))
    found = minimize_scalar(loss, bounds=(-limit, limit), method="bounded", options={"xatol": 1e-8})
    return float(np.exp(found.x))


def scaled(scores: FloatArray, t: float) -> Float64Array:
    """Probabilities at another temperature: σ(logit(p) / T)."""
    from scipy.special import expit

    return np.asarray(expit(_logit(scores) / t), dtype=np.float64)


def _logit(scores: FloatArray) -> Float64Array:
    from scipy.special import logit

    return np.asarray(logit(np.clip(scores.astype(np.float64), _LEAST, 1 - _LEAST)))
