"""Probabilities that mean what they say, and thresholds, both from validation texts."""

from __future__ import annotations

import numpy as np

from crossdl.types import FloatArray

LEAST_POSITIVES = 5
"""A label with fewer positive validation texts keeps the threshold 0.5."""


def temperature(logits: FloatArray, targets: FloatArray) -> float:
    """The T > 0 for which sigmoid(logits / T) has the smallest cross entropy (Guo et al. 2017).

    Args:
        logits: ``(n, L)``.
        targets: ``(n, L)`` in [0, 1].
    """
    from scipy.optimize import minimize_scalar

    z, y = logits.astype(np.float64), targets.astype(np.float64)

    def entropy(log_t: float) -> float:
        scaled = z / np.exp(log_t)
        return float((np.logaddexp(0.0, scaled) - y * scaled).mean())

    if not z.size:
        return 1.0
    found = minimize_scalar(entropy, bounds=(np.log(0.2), np.log(10.0)), method="bounded")
    return float(np.exp(found.x))


def best_f1_thresholds(probabilities: FloatArray, targets: FloatArray) -> FloatArray:
    """Per label, the threshold with the highest F1; 0.5 where positives are few.

    Among thresholds that are equally good, the middle of the gap nearest to 0.5 is taken.

    Args:
        probabilities: ``(n, L)`` in [0, 1].
        targets: ``(n, L)``; at least 0.5 is positive.

    Returns:
        ``(L,)`` float32.
    """
    cuts = np.full(probabilities.shape[1], 0.5, dtype=np.float32)
    for j in range(probabilities.shape[1]):
        p, y = probabilities[:, j].astype(np.float64), targets[:, j] >= 0.5
        if y.sum() < LEAST_POSITIVES:
            continue
        levels = np.unique(np.concatenate([[0.0, 1.0], p]))
        middles = (levels[1:] + levels[:-1]) / 2
        said = p[None, :] > middles[:, None]
        hits = (said & y).sum(axis=1)
        f1 = 2 * hits / (said.sum(axis=1) + y.sum())
        best = middles[f1 >= f1.max() - 1e-12]
        cuts[j] = best[np.abs(best - 0.5).argmin()]
    return cuts
