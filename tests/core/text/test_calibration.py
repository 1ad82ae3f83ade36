from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import f1_score

from crossdl.text.calibration import best_f1_thresholds, temperature


@pytest.mark.parametrize("true", [0.5, 1.0, 3.0])
def test_temperature_is_found_again(true: float) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (20_000, 3)).astype(np.float32)
    y = (rng.random(z.shape) < expit(z)).astype(np.float32)
    assert temperature(z * true, y) == pytest.approx(true, rel=0.05)


def test_temperature_of_nothing_is_one() -> None:
    assert temperature(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32)) == 1.0


def test_no_threshold_is_better() -> None:
    rng = np.random.default_rng(1)
    y = (rng.random((200, 4)) < 0.3).astype(np.float32)
    p = np.clip(0.3 * y + rng.normal(0.2, 0.15, y.shape), 0, 1).astype(np.float32)
    cuts = best_f1_thresholds(p, y)
    for j in range(4):
        best = f1_score(y[:, j], p[:, j] > cuts[j])
        assert all(f1_score(y[:, j], p[:, j] > c) <= best + 1e-12 for c in np.linspace(0, 1, 101))


def test_rare_labels_keep_one_half() -> None:
    p = np.array([[0.9], [0.2], [0.1]], dtype=np.float32)
    assert best_f1_thresholds(p, (p > 0.5).astype(np.float32)) == [np.float32(0.5)]
