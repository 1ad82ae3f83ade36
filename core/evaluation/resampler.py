"""Estimates of one evaluator: the same patients are resampled for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from crossdl.evaluation.cases import Estimate
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.statistics.bootstrap import (
    Drawn,
    Groups,
    Statistic,
    draw,
    draw_ratio,
    group_sums,
)
from crossdl.statistics.quotients import divided
from crossdl.types import Float64Array

Ratio = tuple[Float64Array, Float64Array]
"""Numerators and denominators ``(n,)`` of items; one that does not enter has twice 0."""


class Resampler:
    """Resamples as a config wants them, from one seed and one grouping of n items."""

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

    def estimates(self, drawn: Mapping[str, Drawn]) -> dict[str, Estimate]:
        """Values with their intervals."""
        confidence, kind = self.config.confidence, self.config.interval
        return {name: one.estimate(confidence, kind) for name, one in drawn.items()}

    def ratio(self, ratio: Ratio, positives: int | None = None) -> Drawn:
        """A ratio of sums, see :func:`crossdl.statistics.bootstrap.draw_ratio`.

        Args:
            ratio: Of n items.
            positives: Of the estimate; by default all that enter.
        """
        found = draw_ratio(
            *ratio,
            self.groups,
            n_resamples=self.config.n_resamples,
            seed=self.seed,
            interval=self.config.interval,
        )
        return replace(found, positives=found.n if positives is None else positives)

    def statistic(
        self, statistic: Statistic, carriers: int, n: int | None = None, positives: int = 0
    ) -> Drawn:
        """Any statistic, see :func:`crossdl.statistics.bootstrap.draw`.

        Args:
            statistic: Of the groups' weights.
            carriers: Groups that decide its value; of fewer than two there is no interval.
            n: Of the estimate; by default the number of items.
            positives: Of the estimate.
        """
        found = draw(
            statistic,
            self.groups,
            n_resamples=self.config.n_resamples,
            seed=self.seed,
            interval=self.config.interval,
            positives=positives,
        )
        n = len(self.groups) if n is None else n
        return replace(found, n=n, telling=found.telling and carriers > 1)

    def mean_ratio(self, ratios: Sequence[Ratio], positives: int | None = None) -> Drawn:
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
            lambda weights: mean_of_defined([divided(*(one.T @ weights)) for one in sums], weights),
            carriers,
            entered,
            entered if positives is None else positives,
        )


def mean_of_defined(values: Sequence[Float64Array], weights: Float64Array) -> Float64Array:
    """Mean over those of several statistics ``(R,)`` that are defined; NaN where none is."""
    stacked = np.stack(values) if len(values) else undefined(weights)[None]
    known = ~np.isnan(stacked)
    return divided(np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0).astype(np.float64))


def undefined(weights: Float64Array) -> Float64Array:
    """A statistic that has no value."""
    return np.full(weights.shape[1], np.nan)
