"""Bias-corrected and accelerated levels: which quantile of the resamples bounds an interval.

Efron, Better bootstrap confidence intervals, Journal of the American Statistical Association 82,
1987. With z0 the bias, a the acceleration and Φ the normal distribution, the end of nominal
level α is the quantile of level Φ(z0 + (z0 + z_α) / (1 - a (z0 + z_α))).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossdl.types import Float64Array


@dataclass(frozen=True)
class Correction:
    """How BCa shifts levels.

    Attributes:
        bias: z0, how far the sample's value is from the median of the resamples, in normal units.
        acceleration: a, a sixth of the skewness of the jackknife.
    """

    bias: float
    acceleration: float

    @classmethod
    def of(cls, value: float, resampled: Float64Array, left_out: Float64Array) -> Correction | None:
        """From a statistic's value, its resamples and its jackknife, all of them defined.

        Returns:
            None where all resamples lie on one side of the value, or fewer than two groups could
            be left out.
        """
        from scipy.special import ndtri

        below = float(np.mean(resampled < value) + np.mean(resampled <= value)) / 2
        if not 0 < below < 1 or left_out.size < 2:
            return None
        away = left_out.mean() - left_out
        spread = float((away**2).sum()) ** 1.5
        acceleration = float((away**3).sum()) / (6 * spread) if spread > 0 else 0.0
        return cls(float(ndtri(below)), acceleration)

    def level(self, nominal: float) -> float | None:
        """Level of the quantile at an interval's end; None beyond the formula's pole."""
        from scipy.special import ndtr, ndtri

        shifted = self.bias + float(ndtri(nominal))
        room = 1 - self.acceleration * shifted
        return float(ndtr(self.bias + shifted / room)) if room > 0 else None

    def nominal(self, level: float) -> float | None:
        """The inverse of :meth:`level`."""
        from scipy.special import ndtr, ndtri

        away = float(ndtri(level)) - self.bias
        room = 1 + self.acceleration * away
        return float(ndtr(away / room - self.bias)) if room > 0 else None
