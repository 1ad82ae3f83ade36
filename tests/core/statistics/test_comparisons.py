"""Paired differences of any statistic: against loops over resamples, SciPy and themselves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import bootstrap as scipy_bootstrap
from sklearn.metrics import roc_auc_score

from crossdl.statistics.auroc import bootstrap_auroc, draw_auroc
from crossdl.statistics.bootstrap import Drawn, draw_ratio, resample_weights
from crossdl.statistics.comparisons import (
    Comparison,
    average,
    compare,
    compare_auroc,
    corrected,
)
from crossdl.statistics.delong import compare_delong

Kind = Literal["percentile", "bca"]
KINDS: tuple[Kind, ...] = ("percentile", "bca")


def of_one_cell(case: Any, **options: Any) -> Comparison:
    found = compare_auroc(
        case.truth[:, None], case.first[:, None], case.second[:, None], case.groups, {"x": [0]},
        **options,
    )  # fmt: skip
    return found["x"]


@pytest.mark.parametrize("patients", [None, 25])
def test_difference_and_interval_equal_a_loop_over_resamples(
    make_case: Any, patients: int | None
) -> None:
    case = make_case(1, patients=patients)
    found = of_one_cell(case, n_resamples=80, seed=5, confidence=0.8)
    owner, weights = resample_weights(case.groups, 80, 5)
    drawn = []
    for column in range(81):
        rows = np.repeat(np.arange(60), weights[owner, column].astype(int))
        areas = [roc_auc_score(case.truth[rows], s[rows]) for s in (case.first, case.second)]
        drawn.append(areas[0] - areas[1])
    assert found.difference == pytest.approx(drawn[0], abs=1e-12)
    edges = np.quantile(drawn[1:], [0.1, 0.9])
    assert (found.low, found.high) == pytest.approx(tuple(edges), abs=1e-12)
    tail = min(np.sum(np.array(drawn[1:]) <= 0), np.sum(np.array(drawn[1:]) >= 0))
    assert found.p == pytest.approx(min(1, 2 * (tail + 1) / 81), abs=1e-12)
    assert (found.n, found.positives) == (60, case.truth.sum())
    assert found.patients == np.unique(case.groups).size


def test_bca_interval_of_a_difference_is_scipys(make_case: Any) -> None:
    """One scan per patient, so that SciPy's jackknife leaves out the same."""
    case = make_case(2)
    cells = case.truth[:, None], {"x": [0]}
    drawn = [
        draw_auroc(cells[0], s[:, None], case.groups, cells[1], n_resamples=500, interval="bca")[
            "x"
        ]
        for s in (case.first, case.second)
    ]
    rows = np.stack([case.truth, case.first, case.second], axis=0)

    def difference(index: np.ndarray, axis: int = -1) -> np.ndarray:
        def one(i: np.ndarray) -> float:
            truth, first, second = rows[:, i.astype(int)]
            return roc_auc_score(truth, first) - roc_auc_score(truth, second)

        return np.apply_along_axis(one, axis, index)

    expected = scipy_bootstrap(
        (np.arange(60),),
        difference,
        n_resamples=0,
        bootstrap_result=SimpleNamespace(
            bootstrap_distribution=(drawn[0].values - drawn[1].values)[1:]
        ),
        method="BCa",
        vectorized=True,
    ).confidence_interval
    found = compare(drawn[0], drawn[1], interval="bca")
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_p_is_below_alpha_just_where_the_interval_leaves_zero_out(
    make_case: Any, seed: int, kind: Kind
) -> None:
    case = make_case(seed)
    p = of_one_cell(case, n_resamples=2000, interval=kind).p
    assert p is not None
    for confidence in (0.5, 0.8, 0.9, 0.95, 0.99):
        found = of_one_cell(case, n_resamples=2000, interval=kind, confidence=confidence)
        assert found.low is not None and found.high is not None
        outside = found.low > 0 or found.high < 0
        if abs(p - (1 - confidence)) > 0.005:  # counts have a resolution
            assert outside == (p < 1 - confidence)


def test_bootstrap_and_delong_agree_on_many_scans(make_case: Any) -> None:
    for seed in range(4):
        case = make_case(seed, n=400, patients=250)
        formula = compare_delong(case.truth, case.first, case.second, case.groups)
        found = of_one_cell(case, n_resamples=2000)
        assert found.difference == pytest.approx(formula.difference, abs=1e-12)
        length = formula.high - formula.low
        assert found.high - found.low == pytest.approx(length, rel=0.1)
        assert found.low == pytest.approx(formula.low, abs=0.1 * length)
        assert found.p == pytest.approx(formula.p, abs=0.05)


@given(data=st.data(), kind=st.sampled_from(KINDS))
@settings(max_examples=60)
def test_swapping_negates_and_monotone_scores_change_nothing(
    small_cases: st.SearchStrategy[Any], data: st.DataObject, kind: Kind
) -> None:
    case = data.draw(small_cases)
    found = of_one_cell(case, n_resamples=40, interval=kind)
    other = SimpleNamespace(
        truth=case.truth, groups=case.groups, first=case.second, second=np.arctan(case.first / 500)
    )
    turned = of_one_cell(other, n_resamples=40, interval=kind)
    assert (turned.first, turned.second) == (found.second, found.first)
    assert (found.difference is None) == (len(set(case.truth)) < 2)
    if found.difference is not None:
        assert turned.difference == -found.difference
    if kind == "percentile":
        assert turned.p == found.p
    elif found.p is not None:
        assert turned.p == pytest.approx(found.p, abs=1e-9)
    if found.low is not None and found.high is not None:
        assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-9)
        assert -1 <= found.low <= found.high <= 1
        assert 0 < found.p <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_equal_rankings_have_p_one(make_case: Any, kind: Kind) -> None:
    case = make_case(0)
    same = SimpleNamespace(
        truth=case.truth, groups=case.groups, first=case.first, second=3 * case.first
    )
    found = of_one_cell(same, n_resamples=50, interval=kind)
    assert (found.difference, found.low, found.high, found.p) == (0.0, 0.0, 0.0, 1.0)


def test_without_resamples_there_is_a_difference_only(make_case: Any) -> None:
    found = of_one_cell(make_case(0), n_resamples=0)
    assert found.difference is not None
    assert found.low is None and found.p is None


def test_one_positive_patient_gives_no_test(make_case: Any) -> None:
    case = make_case(0, patients=20)
    alone = SimpleNamespace(
        truth=case.groups == case.groups[0], groups=case.groups, first=case.first,
        second=case.second,
    )  # fmt: skip
    found = of_one_cell(alone, n_resamples=50)
    assert found.difference is not None and found.p is None and found.low is None


def test_pooled_cells_and_macros_are_compared_as_they_are_measured(make_case: Any) -> None:
    case = make_case(4, n=120, patients=20)
    truth, first, second = (a.reshape(40, 3) for a in (case.truth, case.first, case.second))
    groups, sets, macros = case.groups[:40], {"all": [0, 1, 2]}, {"macro": [0, 1, 2]}
    found = compare_auroc(truth, first, second, groups, sets, weighted_macros=macros)
    for name in ("all", "macro"):
        one, two = (
            bootstrap_auroc(truth, s, groups, sets, weighted_macros=macros)[name]
            for s in (first, second)
        )
        assert found[name].first == one.value and found[name].second == two.value
        assert found[name].difference == pytest.approx(one.value - two.value, abs=1e-12)
        assert found[name].low < found[name].difference < found[name].high


def test_trainings_are_averaged_in_every_resample(make_case: Any) -> None:
    case = make_case(5)
    truth, sets = case.truth[:, None], {"x": [0]}
    rng = np.random.default_rng(0)
    trainings = np.stack([case.first + rng.normal(size=60) for _ in range(3)])[..., None]
    found = compare_auroc(truth, trainings, case.second[:, None], case.groups, sets, seed=2)["x"]
    singles = [draw_auroc(truth, s, case.groups, sets, seed=2)["x"] for s in trainings]
    second = draw_auroc(truth, case.second[:, None], case.groups, sets, seed=2)["x"]
    mean = np.mean([s.values for s in singles], axis=0)
    assert found.first == pytest.approx(mean[0], abs=1e-12)
    edges = np.quantile((mean - second.values)[1:], [0.025, 0.975])
    assert (found.low, found.high) == pytest.approx(tuple(edges), abs=1e-12)
    assert average(singles[:1]).values.tolist() == singles[0].values.tolist()


def test_any_statistic_can_be_compared(make_case: Any) -> None:
    """Mean absolute scores: the paired interval is that of the mean of differences."""
    case = make_case(6, patients=30)
    drawn = [
        draw_ratio(abs(s), np.ones(60), case.groups, interval="bca")
        for s in (case.first, case.second)
    ]
    ratio = draw_ratio(abs(case.first) - abs(case.second), np.ones(60), case.groups)
    found = compare(*drawn)
    assert (found.low, found.high) == pytest.approx(ratio.interval(0.95, "percentile"), abs=1e-12)


def test_other_patients_cannot_be_compared() -> None:
    one = Drawn(np.zeros(5), None, 3)
    with pytest.raises(ValueError, match="same patients"):
        compare(one, Drawn(np.zeros(5), None, 4))
    with pytest.raises(ValueError, match="same patients"):
        compare(one, Drawn(np.zeros(6), None, 3))
    with pytest.raises(ValueError, match="bca"):
        compare(one, one, interval="bca")


def test_correction_is_over_all_comparisons_that_were_made() -> None:
    def compared(p: float | None) -> Comparison:
        return Comparison(0.1, 0.0, 0.2, p, "DeLong")

    found = corrected({"a": compared(0.01), "b": compared(None), "c": compared(0.04)})
    assert [found[name].p_corrected for name in "abc"] == [0.02, None, 0.04]
    assert [found[name].p for name in "abc"] == [0.01, None, 0.04]


def test_p_of_equal_methods_is_uniform_enough(make_case: Any) -> None:
    """Two equally good methods on new patients: p < 0.1 in about a tenth of 150 samples."""
    low = {"bootstrap": 0, "formula": 0}
    for seed in range(150):
        rng = np.random.default_rng(seed)
        truth = np.arange(80) % 4 == 0
        shared = truth + rng.normal(size=80)
        first, second = shared + rng.normal(size=80), shared + rng.normal(size=80)
        case = SimpleNamespace(truth=truth, first=first, second=second, groups=np.arange(80))
        low["bootstrap"] += of_one_cell(case, n_resamples=300, seed=seed).p < 0.1
        low["formula"] += compare_delong(truth, first, second, case.groups).p < 0.1
    assert 6 <= low["bootstrap"] <= 27
    assert 6 <= low["formula"] <= 27
