"""What truth and scores must look like, whatever is computed of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossdl.types import BoolArray, Float64Array


def checked_scores(
    truth: npt.ArrayLike, scores: npt.ArrayLike
) -> tuple[BoolArray, BoolArray, Float64Array]:
    """Truth and scores as arrays of one shape.

    Args:
        truth: 0/1 or bool, NaN where nobody assessed.
        scores: Finite.

    Returns:
        Labels (False where unknown), which items are known, and scores.

    Raises:
        ValueError: Shapes differ, or a score is not finite.
    """
    given = np.asarray(truth, dtype=np.float64)
    known = ~np.isnan(given)
    labels = np.where(known, given, 0.0).astype(np.bool_)
    values = np.asarray(scores, dtype=np.float64)
    if labels.shape != values.shape:
        raise ValueError(f"truth {labels.shape} and score {values.shape} differ in shape")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite")
    return labels, known, values
