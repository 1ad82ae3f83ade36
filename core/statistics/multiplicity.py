"""Correction of p values where several hypotheses are tested at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's step-down correction over one family of tests.

    Rejecting where the corrected value is below α keeps the probability of any false rejection
    in the family below α, whatever the dependence between the tests (Holm 1979).

    Args:
        p_values: In [0, 1]; None are tests that could not be made and do not count.

    Returns:
        Corrected values in the same order, each at least the raw one and at most 1.

    Raises:
        ValueError: A value is no probability.

    Example:
        >>> holm([0.01, 0.04, None, 0.03])
        [0.03, 0.06, None, 0.06]
    """
    made = np.array([p for p in p_values if p is not None], dtype=np.float64)
    if not ((made >= 0) & (made <= 1)).all():
        raise ValueError("p values must lie between 0 and 1")
    order = np.argsort(made, kind="stable")
    corrected = np.empty(made.size)
    corrected[order] = np.maximum.accumulate(made[order] * np.arange(made.size, 0, -1))
    values = iter(np.minimum(corrected, 1).tolist())
    return [None if p is None else next(values) for p in p_values]
