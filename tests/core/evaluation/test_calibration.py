"""Calibration errors against torchmetrics and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from crossdl.evaluation.calibration import (
    Reliability,
    equal_mass,
    equal_width,
    scaled,
    temperature,
)


def drawn(seed: int, n: int = 60, items: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.beta(0.6, 0.9, (n, items)).clip(1e-4, 1 - 1e-4).astype(np.float32)
    truth = (rng.random((n, items)) < scores**1.7).astype(np.float32)
    return truth, scores


def names(n: int) -> list[str]:
    return [f"p{i}" for i in range(n)]


def one(n: int) -> np.ndarray:
    return np.ones((n, 1))


@pytest.mark.parametrize(("seed", "n_bins"), [(0, 15), (1, 5), (2, 50)])
def test_errors_are_those_of_torchmetrics(seed: int, n_bins: int) -> None:
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    truth, scores = drawn(seed)
    found = Reliability(truth, scores, equal_width(n_bins), names(60))
    given = torch.tensor(scores.ravel()), torch.tensor(truth.ravel()).int()
    for norm, value in (("l1", found.ece(one(60))[0]), ("max", found.mce(one(60))[0])):
        expected = float(binary_calibration_error(*given, n_bins=n_bins, norm=norm))
        assert value == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_bins_are_those_of_scikit_learn(strategy: str) -> None:
    truth, scores = drawn(3)
    edges = equal_width(10) if strategy == "uniform" else equal_mass(scores, 10)
    items, mean, rate = Reliability(truth, scores, edges, names(60)).bins(one(60))
    full = items[:, 0] > 0
    expected_rate, expected_mean = calibration_curve(
        truth.ravel(), scores.ravel().astype(np.float64), n_bins=10, strategy=strategy
    )
    assert np.allclose(rate[full, 0], expected_rate)
    assert np.allclose(mean[full, 0], expected_mean)
    assert strategy == "uniform" or np.ptp(items) <= 2


@given(st.integers(0, 2**32 - 1))
def test_weights_are_as_many_copies_of_the_patients(seed: int) -> None:
    truth, scores = drawn(seed % 100, n=8)
    truth[0, 0] = np.nan
    weight = np.random.default_rng(seed).integers(0, 4, 8)
    copies = np.repeat(np.arange(8), weight)
    found = Reliability(truth, scores, equal_width(6), list("abcdefgh"))
    again = Reliability(truth[copies], scores[copies], equal_width(6), names(len(copies)))
    for measure in ("ece", "mce"):
        a = getattr(found, measure)(weight[:, None].astype(float))
        b = getattr(again, measure)(one(len(copies)))
        assert np.allclose(a, b, equal_nan=True)


def test_unknown_truth_does_not_enter_and_none_is_undefined() -> None:
    truth, scores = drawn(5)
    truth[:20] = np.nan
    found = Reliability(truth, scores, equal_width(15), names(60))
    rest = Reliability(truth[20:], scores[20:], equal_width(15), names(40))
    assert found.n_carriers == 40
    assert found.ece(one(60)) == pytest.approx(rest.ece(one(40)))
    none = Reliability(np.full_like(truth, np.nan), scores, equal_width(15), names(60))
    assert np.isnan(none.ece(one(60))).all() and np.isnan(none.mce(one(60))).all()
    assert none.chance_ece() is None


def test_scores_of_0_and_1_that_are_right_have_no_error() -> None:
    truth = drawn(6)[0]
    found = Reliability(truth, truth, equal_width(15), names(60))
    assert found.ece(one(60))[0] == found.mce(one(60))[0] == found.chance_ece() == 0


def test_chance_is_what_perfect_scores_get() -> None:
    rng = np.random.default_rng(0)
    scores = rng.beta(1, 2, (400, 1)).astype(np.float32)
    values = []
    for _ in range(200):
        truth = (rng.random(scores.shape) < scores).astype(np.float32)
        found = Reliability(truth, scores, equal_width(10), names(400))
        values.append(found.ece(one(400))[0])
    assert found.chance_ece() == pytest.approx(np.mean(values), rel=0.1)


def test_the_temperature_is_the_slope_of_logistic_regression() -> None:
    truth, scores = drawn(7, n=400)
    logit = np.log(scores / (1 - scores)).astype(np.float64)
    fit = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8).fit(
        logit.reshape(-1, 1), truth.ravel()
    )
    t = temperature(truth, scores)
    assert t == pytest.approx(1 / fit.coef_[0, 0], rel=1e-4)
    assert np.allclose(
        scaled(scores, t), fit.predict_proba(logit.reshape(-1, 1))[:, 1].reshape(-1, 3), atol=1e-5
    )


@settings(max_examples=20)
@given(st.floats(0.2, 5))
def test_a_temperature_is_found_again(t: float) -> None:
    rng = np.random.default_rng(1)
    scores = rng.uniform(0.02, 0.98, (5_000, 1))
    truth = (rng.random(scores.shape) < scores).astype(np.float32)
    assert temperature(truth, scaled(scores, 1 / t).astype(np.float32)) == pytest.approx(
        t, rel=0.15
    )


def test_certain_scores_are_survived_and_one_class_has_no_temperature() -> None:
    truth = np.array([[0, 1, 0, 1]], dtype=np.float32)
    scores = np.array([[0, 1, 1, 0]], dtype=np.float32)
    t = temperature(truth, scores)
    assert t is not None and t == pytest.approx(100, rel=0.01)  # they are no better than chance
    assert np.isfinite(scaled(scores, t)).all()
    assert temperature(truth * 0, scores) is None
    assert temperature(truth * np.nan, scores) is None


def test_shapes_must_fit() -> None:
    truth, scores = drawn(0)
    with pytest.raises(ValueError, match="must be"):
        Reliability(truth, scores[:, :2], equal_width(3), names(60))
