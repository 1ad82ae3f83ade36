"""Quotients of counts and sums, undefined where there is nothing to divide by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossdl.types import Float64Array


def divided(above: npt.ArrayLike, below: npt.ArrayLike) -> Float64Array:
    """A quotient of arrays that broadcast, NaN where the denominator is not above 0."""
    top, bottom = np.asarray(above), np.asarray(below, dtype=np.float64)
    quotient: Float64Array = np.full(np.broadcast_shapes(top.shape, bottom.shape), np.nan)
    np.divide(top, bottom, out=quotient, where=bottom > 0)
    return quotient
