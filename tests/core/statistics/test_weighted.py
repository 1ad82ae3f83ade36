"""AUROCs under weights against scikit-learn on data that was really drawn again."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crossdl.statistics.auroc import roc_curve
from crossdl.statistics.bootstrap import resample_weights
from crossdl.statistics.weighted import weighted_auroc


def make_case(seed: int, n: int = 70, cells: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random((n, cells)) < np.linspace(0.1, 0.8, cells)
    scores = np.round(truth * 0.6 + rng.normal(size=(n, cells)), 1)  # rounded: many ties
    groups = np.array([f"p{i}" for i in rng.integers(0, n // 2, size=n)])
    return truth, scores, groups


@pytest.mark.parametrize("seed", range(3))
def test_weights_equal_real_resampling(seed: int) -> None:
    truth, scores, groups = make_case(seed)
    owner, weights = resample_weights(groups, 40, seed)
    for cells in ([0], [3], [4], [0, 2, 4]):
        t, s = truth[:, cells].ravel(), scores[:, cells].ravel()
        o = np.repeat(owner, len(cells))
        areas, rates = weighted_auroc(t, s, o, weights)
        for column in range(weights.shape[1]):
            counts = weights[o, column].astype(int)
            again_t, again_s = np.repeat(t, counts), np.repeat(s, counts)
            assert rates[column] == again_t.mean()
            if again_t.all() or not again_t.any():
                assert np.isnan(areas[column])
                continue
            assert areas[column] == pytest.approx(roc_auc_score(again_t, again_s), abs=1e-12)
            weighted = roc_auc_score(t, s, sample_weight=counts)
            assert areas[column] == pytest.approx(weighted, abs=1e-12)


def test_blocks_of_resamples_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    truth, scores, groups = make_case(5)
    owner, weights = resample_weights(groups, 50, 0)
    whole = weighted_auroc(truth[:, 1], scores[:, 1], owner, weights)
    curve = roc_curve(truth[:, [1]], scores[:, [1]], groups, n_resamples=50)
    monkeypatch.setattr("crossdl.statistics.weighted._BLOCK", 100)
    np.testing.assert_array_equal(whole, weighted_auroc(truth[:, 1], scores[:, 1], owner, weights))
    blocked = roc_curve(truth[:, [1]], scores[:, [1]], groups, n_resamples=50)
    assert curve is not None and blocked is not None
    np.testing.assert_array_equal(curve.low, blocked.low)
