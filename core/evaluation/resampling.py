"""Options that every evaluator with bootstrap intervals shares."""

from __future__ import annotations

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.statistics.bootstrap import IntervalKind


class ResamplingConfig(ComponentConfig):
    """How intervals come from resampled patients; configs of evaluators inherit it.

    The default is the percentile interval: it needs nothing but the resamples, is defined
    wherever they are, and suits metrics of any kind. BCa corrects bias and skewness and covers
    better where a value is near 1 and few patients are positive; but it has no interval where
    all resamples lie on one side of the value, and it reads quantiles further out in the tails,
    so that it wants more resamples.
    """

    n_resamples: int = Field(
        1000, ge=0, description="bootstrap resamples of patients; 0 gives no intervals"
    )
    confidence: float = Field(0.95, gt=0, lt=1, description="coverage of the intervals")
    interval: IntervalKind = Field(
        "percentile", description="kind of interval: percentile, or bias-corrected accelerated"
    )
