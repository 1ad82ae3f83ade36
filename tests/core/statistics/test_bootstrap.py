"""Bootstrap of any statistic: against SciPy, scikit-learn and real resampling."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap
from scipy.stats import norm
from sklearn.metrics import f1_score

from crossdl.statistics import bootstrap as module
from crossdl.statistics.bca import Correction
from crossdl.statistics.bootstrap import (
    bootstrap,
    bootstrap_ratio,
    confidence_interval,
    draw,
    group_sums,
    jackknife,
    resample_weights,
)


def scipy_interval(
    data: np.ndarray, drawn: np.ndarray, statistic: object, confidence: float, method: str
) -> tuple[float, float]:
    """SciPy's interval of a bootstrap distribution that was drawn elsewhere."""
    found = scipy_bootstrap(
        (data,),
        statistic,
        n_resamples=0,
        bootstrap_result=SimpleNamespace(bootstrap_distribution=drawn),
        confidence_level=confidence,
        method=method,
        vectorized=True,
    )
    return found.confidence_interval


@pytest.mark.parametrize("kind", ["percentile", "bca"])
@pytest.mark.parametrize("seed", range(4))
def test_intervals_equal_scipys(seed: int, kind: Literal["percentile", "bca"]) -> None:
    """One item per patient; a skewed mean, of which SciPy draws nothing itself."""
    rng = np.random.default_rng(seed)
    x = rng.exponential(size=25) ** 2
    names = np.arange(25)

    def statistic(weights: np.ndarray) -> np.ndarray:
        return (x @ weights) / weights.sum(axis=0)

    drawn = draw(statistic, names, n_resamples=400, seed=seed, interval=kind)
    found = bootstrap(statistic, names, n_resamples=400, seed=seed, confidence=0.9, interval=kind)
    low, high = scipy_interval(
        x, drawn.values[1:], np.mean, 0.9, "BCa" if kind == "bca" else "percentile"
    )
    assert found.value == pytest.approx(x.mean(), abs=1e-12)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)


def test_bca_of_a_skewed_mean_lies_higher_than_the_percentile_interval() -> None:
    x = np.random.default_rng(1).exponential(size=30) ** 2
    one = np.ones(30)
    plain = bootstrap_ratio(x, one, np.arange(30))
    shifted = bootstrap_ratio(x, one, np.arange(30), interval="bca")
    assert shifted.low > plain.low and shifted.high > plain.high
    assert shifted.value == plain.value


@given(st.floats(-1, 1), st.floats(-0.3, 0.3), st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_levels_of_bca_have_an_inverse_and_keep_their_order(
    bias: float, acceleration: float, level: float, other: float
) -> None:
    correction = Correction(bias, acceleration)
    one, two = correction.level(level), correction.level(other)
    if one is None or two is None:
        return
    assert (one <= two) == (level <= other) or one == pytest.approx(two, abs=1e-12)
    if 1e-9 < one < 1 - 1e-9:
        assert correction.nominal(one) == pytest.approx(level, rel=1e-5, abs=1e-9)


def test_no_correction_leaves_levels_alone() -> None:
    assert Correction(0.0, 0.0).level(0.025) == pytest.approx(0.025, abs=1e-15)
    assert Correction(0.2, 0.0).level(0.025) == pytest.approx(norm.cdf(0.4 + norm.ppf(0.025)))


def test_jackknife_leaves_every_patient_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x, groups = np.arange(7.0) ** 2, list("abacbad")
    sums = group_sums(np.stack([x, np.ones(7)], axis=1), groups)

    def statistic(weights: np.ndarray) -> np.ndarray:
        return (sums[:, 0] @ weights) / (sums[:, 1] @ weights)

    expected = [x[np.array(groups) != g].mean() for g in "abcd"]
    np.testing.assert_allclose(jackknife(statistic, 4), expected)
    monkeypatch.setattr(module, "_BLOCK", 8)  # two patients at a time
    np.testing.assert_allclose(jackknife(statistic, 4), expected)


def test_every_resample_draws_as_many_patients_as_there_are() -> None:
    owner, weights = resample_weights(["b", "a", "b", "c"], 25, 3)
    assert owner.tolist() == [1, 0, 1, 2]
    assert (weights[:, 0] == 1).all()
    assert (weights.sum(axis=0) == 3).all()
    assert len(np.unique(weights[:, 1:], axis=1).T) > 5


@pytest.mark.parametrize("seed", range(3))
def test_f1_equals_scikit_learns_in_every_resample(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth, stated = rng.random(60) < 0.3, rng.random(60) < 0.4
    groups = rng.integers(0, 25, size=60)
    hits = truth & stated
    found = bootstrap_ratio(
        2 * hits, truth.astype(int) + stated, groups, n_resamples=80, seed=seed, confidence=0.8
    )
    owner, weights = resample_weights(groups, 80, seed)
    drawn = []
    for column in range(1, 81):
        rows = np.repeat(np.arange(60), weights[owner, column].astype(int))
        drawn.append(f1_score(truth[rows], stated[rows], zero_division=np.nan))
    assert found.value == pytest.approx(f1_score(truth, stated), abs=1e-12)
    edges = np.nanquantile(drawn, [0.1, 0.9])
    assert (found.low, found.high) == pytest.approx(tuple(edges), abs=1e-12)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 4)), min_size=1, max_size=30),
    st.sampled_from(["percentile", "bca"]),
)
@settings(max_examples=60)
def test_a_mean_lies_with_its_interval_in_the_range_of_its_items(
    items: list[tuple[float, int]], kind: Literal["percentile", "bca"]
) -> None:
    x, groups = np.array([v for v, _ in items]), np.array([g for _, g in items])
    found = bootstrap_ratio(x, np.ones(len(x)), groups, n_resamples=50, interval=kind)
    assert found.value == pytest.approx(x.mean(), abs=1e-12)
    assert (found.low is None) == (found.high is None)
    if np.unique(groups).size == 1:
        assert found.low is None
    if found.low is not None and found.high is not None:
        assert x.min() - 1e-12 <= found.low <= found.high <= x.max() + 1e-12


def test_items_that_do_not_enter_change_nothing_but_the_patients_drawn() -> None:
    found = bootstrap_ratio([1, 0, 0], [2, 0, 0], ["a", "b", "c"])
    assert (found.value, found.n) == (0.5, 1)
    assert found.low is None and found.high is None  # one patient says nothing of others
    assert bootstrap_ratio([0, 0], [0, 0], ["a", "b"]).value is None
    assert bootstrap_ratio([], [], []).value is None


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        bootstrap_ratio([np.nan], [1], ["a"])
    with pytest.raises(ValueError, match="at least 0"):
        bootstrap_ratio([1], [-1], ["a"])
    with pytest.raises(ValueError, match=r"\(n,\)"):
        bootstrap_ratio([1, 2], [1, 2], ["a"])
    with pytest.raises(ValueError, match="bca"):
        confidence_interval(np.arange(5.0), kind="bca")


def test_undefined_resamples_are_left_out_and_no_resample_gives_no_interval() -> None:
    drawn = np.array([0.5, np.nan, 0.2, 0.4, np.nan, 0.6])
    low, high = confidence_interval(drawn, confidence=0.5)
    assert (low, high) == pytest.approx(tuple(np.quantile([0.2, 0.4, 0.6], [0.25, 0.75])))
    assert confidence_interval(np.array([0.5, np.nan])) == (None, None)
    assert confidence_interval(np.array([0.5])) == (None, None)
    assert confidence_interval(np.array([np.nan, 0.5])) == (None, None)


def test_bca_is_undefined_where_all_resamples_lie_on_one_side() -> None:
    drawn, left_out = np.array([1.0, 0.2, 0.4, 0.6]), np.array([0.9, 0.8, 0.7])
    assert confidence_interval(drawn, left_out, kind="bca") == (None, None)
    assert confidence_interval(drawn, left_out) != (None, None)
    constant = np.full(50, 0.7)
    assert confidence_interval(constant, np.full(9, 0.7), kind="bca") == (0.7, 0.7)


def test_bca_covers_a_skewed_mean_better() -> None:
    """200 samples of 25 log-normal items: the percentile interval misses more often, BCa less."""
    covered = {"percentile": 0, "bca": 0}
    for seed in range(200):
        x = np.random.default_rng(seed).lognormal(size=25)
        for kind in ("percentile", "bca"):
            found = bootstrap_ratio(
                x, np.ones(25), np.arange(25), n_resamples=400, seed=seed, interval=kind
            )
            covered[kind] += found.low <= np.exp(0.5) <= found.high
    assert covered["percentile"] < covered["bca"] <= 196
    assert covered["bca"] >= 168
