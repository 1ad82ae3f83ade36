"""Estimates of one evaluator: the same patients are resampled for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from crossdl.evaluation.cases import Estimate
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.statistics.bootstrap import Groups, Statistic, bootstrap, bootstrap_ratio, group_sums
from crossdl.types import Float64Array

Ratio = tuple[Float64Array, Float64Array]
"""Numerators and denominators ``(n,)`` of items; one that does not enter has twice 0."""


class Resampler:
    """Intervals as a config wants them, from one seed and one grouping of n items."""

    def __init__(self, config: ResamplingConfig, groups: Groups, seed: int) -> None:
        """Keeps all three.

        Args:
            config: Number of resamples, confidence and kind of interval.
            groups: ``(n,)`` patient of each item.
            seed: Equal seeds give equal intervals.
        """
        self.config = config
        self.groups = groups
        self.seed = seed

    def ratio(self, ratio: Ratio, positives: int | None = None) -> Estimate:
        """A ratio of sums, see :func:`crossdl.statistics.bootstrap.bootstrap_ratio`.

        Args:
            ratio: Of n items.
            positives: Of the estimate; by default all that enter.
        """
        found = bootstrap_ratio(
            *ratio,
            self.groups,
            n_resamples=self.config.n_resamples,
            seed=self.seed,
            confidence=self.config.confidence,
            interval=self.config.interval,
        )
        return replace(found, positives=found.n if positives is None else positives)

    def statistic(
        self, statistic: Statistic, carriers: int, n: int | None = None, positives: int = 0
    ) -> Estimate:
        """Any statistic, see :func:`crossdl.statistics.bootstrap.bootstrap`.

        Args:
            statistic: Of the groups' weights.
            carriers: Groups that decide its value; of fewer than two there is no interval.
            n: Of the estimate; by default the number of items.
            positives: Of the estimate.
        """
        found = bootstrap(
            statistic,
            self.groups,
            n_resamples=self.config.n_resamples,
            seed=self.seed,
            confidence=self.config.confidence,
            interval=self.config.interval,
        )
        n = len(self.groups) if n is None else n
        if carriers < 2:
            return Estimate(found.value, n=n, positives=positives)
        return replace(found, n=n, positives=positives)

    def mean_ratio(self, ratios: Sequence[Ratio], positives: int | None = None) -> Estimate:
        """Unweighted mean of those ratios that are defined.

        A resample's mean is over the ratios that are defined in it.

        Args:
            ratios: Each of n items.
            positives: Of the estimate; by default the items that enter any of the ratios.
        """
        sums = [
            group_sums(np.stack(ratio, axis=1), self.groups) for ratio in ratios if ratio[1].any()
        ]
        entered = int(np.any([ratio[1] > 0 for ratio in ratios], axis=0).sum())
        carriers = min((int(np.count_nonzero(one[:, 1])) for one in sums), default=0)
        return self.statistic(
            lambda weights: mean_of_defined(
                [_divided(*(one.T @ weights)) for one in sums], weights
            ),
            carriers,
            entered,
            entered if positives is None else positives,
        )


def mean_of_defined(values: Sequence[Float64Array], weights: Float64Array) -> Float64Array:
    """Mean over those of several statistics ``(R,)`` that are defined; NaN where none is."""
    stacked = np.stack(values) if len(values) else np.full((1, weights.shape[1]), np.nan)
    known = ~np.isnan(stacked)
    return _divided(np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def _divided(above: Float64Array, below: Float64Array) -> Float64Array:
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
