"""Differences between splits against statsmodels, scipy and numbers written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.evaluation.cohort_features import Feature
from crossdl.evaluation.cohort_splits import (
    Moments,
    difference,
    drawn_difference,
    drawn_mean,
)
from crossdl.evaluation.resampling import ResamplingConfig


def halves(n: int) -> tuple[np.ndarray, np.ndarray]:
    first = np.arange(n) < n // 3
    return first, ~first


def test_of_numbers_it_is_the_difference_in_pooled_standard_deviations() -> None:
    values = np.random.default_rng(0).normal(50, 12, 90)
    group, base = halves(90)
    values[group] += 6
    a, b = values[group], values[base]
    expected = (a.mean() - b.mean()) / np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    assert difference(Feature("", values, False), group, base) == pytest.approx(expected)


def test_of_shares_it_is_austins() -> None:
    """30 % against 20 %: 0.1 / sqrt((0.21 + 0.16) / 2)."""
    values = np.array([1.0] * 3 + [0.0] * 7 + [1.0] * 2 + [0.0] * 8)
    group = np.arange(20) < 10
    found = difference(Feature("", values, True), group, ~group)
    assert found == pytest.approx(0.1 / np.sqrt(0.185))


@given(st.integers(0, 10_000), st.booleans())
def test_swapping_the_splits_changes_the_sign_and_units_change_nothing(
    seed: int, share: bool
) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2, 30).astype(float) if share else rng.normal(size=30)
    values[rng.random(30) < 0.2] = np.nan
    group, base = halves(30)
    found = difference(Feature("", values, share), group, base)
    other = difference(Feature("", values, share), base, group)
    assert (found is None and other is None) or found == pytest.approx(-other, abs=1e-12)
    if not share:
        scaled = difference(Feature("", 1000 + 7 * values, False), group, base)
        assert scaled == pytest.approx(found, abs=1e-9)


def test_undefined_differences() -> None:
    group = np.arange(6) < 3
    constant = np.array([1.0, 1, 1, 0, 0, 0])
    assert difference(Feature("", constant, True), group, ~group) is None
    assert difference(Feature("", np.ones(6), True), group, ~group) == 0
    unknown = np.array([np.nan, np.nan, np.nan, 1, 0, 1])
    assert difference(Feature("", unknown, True), group, ~group) is None
    single = np.array([1.0, np.nan, np.nan, 1.5, 0, 1])
    assert difference(Feature("", single, False), group, ~group) is None


def test_weights_are_numbers_of_copies() -> None:
    rng = np.random.default_rng(1)
    values, weights = rng.normal(30, 5, 12), rng.integers(0, 4, 12)
    feature, everything = Feature("", values, False), np.ones(12, dtype=bool)
    found = Moments.of(feature, everything, weights[:, None].astype(float))
    copies = np.repeat(values, weights)
    assert found.mean[0] == pytest.approx(copies.mean())
    assert found.variance[0] == pytest.approx(copies.var(ddof=1))


@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_intervals_are_about_those_of_the_normal_distribution(interval: str) -> None:
    """One scan per patient: the standard error of d is sqrt(1/n + 1/m + d²/(2(n + m)))."""
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, 600)
    group, base = halves(600)
    values[group] += 0.3
    feature, patients = Feature("", values, False), [f"p{k}" for k in range(600)]
    config = ResamplingConfig.model_validate({"kind": "x", "interval": interval})
    found = drawn_difference(feature, group, base, patients, config, 0).estimate(0.95, interval)
    d = difference(feature, group, base)
    error = np.sqrt(1 / 200 + 1 / 400 + d**2 / 1200)
    assert found.value == pytest.approx(d)
    assert found.low == pytest.approx(d - 1.96 * error, abs=0.03)
    assert found.high == pytest.approx(d + 1.96 * error, abs=0.03)
    mean = drawn_mean(feature, group, patients, config, 0).estimate(0.95, interval)
    assert mean.value == pytest.approx(values[group].mean()) and mean.n == 200
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * values[group].std() / 200**0.5, rel=0.1)


def test_scans_of_a_patient_stay_together() -> None:
    """Copies of every scan make no interval narrower."""
    rng = np.random.default_rng(3)
    values = (rng.random(90) < 0.3).astype(float)
    group, base = halves(90)
    config = ResamplingConfig.model_validate({"kind": "x"})
    patients = [f"p{k:03d}" for k in range(90)]
    once = drawn_difference(Feature("", values, True), group, base, patients, config, 0)
    twice = drawn_difference(
        Feature("", np.tile(values, 2), True), np.tile(group, 2), np.tile(base, 2), patients * 2,
        config, 0,
    )  # fmt: skip
    np.testing.assert_allclose(once.values, twice.values, atol=1e-12)


def test_no_interval_of_one_patient() -> None:
    values, group = np.array([1.0, 0, 1, 0, 1, 0]), np.arange(6) < 2
    patients = ["a", "a", "b", "c", "d", "e"]
    config = ResamplingConfig.model_validate({"kind": "x", "n_resamples": 50})
    found = drawn_difference(Feature("", values, True), group, ~group, patients, config, 0)
    assert found.estimate(0.95, "percentile").low is None
