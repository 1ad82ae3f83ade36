"""DeLong and Obuchowski against their definitions in loops, published numbers and the bootstrap."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from crossdl.statistics.bootstrap import resample_weights
from crossdl.statistics.delong import compare_delong, delong
from crossdl.statistics.placements import auroc_without_each_group, placements
from crossdl.statistics.weighted import weighted_auroc

OVARIAN_CANCER = """
3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0  2.5 5.7 8 0
1.6 5.6 5 1   3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1  4.1 6.6 5 1  3.6 5.7 5 1
4.3 7.0 4 1   3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0  4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1
3.0 4.7 8 0   4.5 7.4 5 1  3.7 7.4 5 1  3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1
3.2 5.1 5 1   2.6 4.7 6 1  3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1
3.5 6.2 5 1   2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
3.6 6.6 5 1
"""
"""Albumin, total protein, K-G score and outcome of 43 patients: DeLong et al. 1988."""


def kernel(positive: float, negative: float) -> float:
    return 1.0 if positive > negative else 0.5 if positive == negative else 0.0


def components(truth: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's structural components V10 and V01, by comparing every pair."""
    x, y = score[truth], score[~truth]
    won = np.array([[kernel(a, b) for b in y] for a in x])
    return won.mean(axis=1), won.mean(axis=0)


def naive_delong(truth: np.ndarray, *scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas and their covariance matrix."""
    parts = [components(truth, s) for s in scores]
    v10, v01 = (np.stack(part) for part in zip(*parts, strict=True))
    covariance = (
        np.atleast_2d(np.cov(v10)) / v10.shape[1] + np.atleast_2d(np.cov(v01)) / v01.shape[1]
    )
    return v10.mean(axis=1), covariance


def naive_obuchowski(
    truth: np.ndarray, groups: np.ndarray, *scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Areas and their covariance matrix with S10, S01 and S11 of Obuchowski 1997."""
    names = np.unique(groups)
    areas, sums = [], []
    for score in scores:
        v10, v01 = components(truth, score)
        areas.append(v10.mean())
        deviations = []
        for name in names:
            ours = groups == name
            deviations.append(
                [
                    (v10[ours[truth]] - v10.mean()).sum(),
                    (v01[ours[~truth]] - v10.mean()).sum(),
                ]
            )
        sums.append(np.array(deviations))
    m, n = truth.sum(), (~truth).sum()
    i10, i01 = np.unique(groups[truth]).size, np.unique(groups[~truth]).size
    i = names.size
    covariance = np.empty((len(scores), len(scores)))
    for r, a in enumerate(sums):
        for s, b in enumerate(sums):
            s10 = i10 / ((i10 - 1) * m) * (a[:, 0] * b[:, 0]).sum()
            s01 = i01 / ((i01 - 1) * n) * (a[:, 1] * b[:, 1]).sum()
            s11 = i / (i - 1) * (a[:, 0] * b[:, 1]).sum()
            s11_turned = i / (i - 1) * (b[:, 0] * a[:, 1]).sum()
            covariance[r, s] = s10 / m + s01 / n + (s11 + s11_turned) / (m * n)
    return np.array(areas), covariance


def carriers(case: Any) -> int:
    """The smaller number of patients that carry one of the classes."""
    return min(np.unique(case.groups[side]).size for side in (case.truth, ~case.truth))


@pytest.mark.parametrize(
    ("column", "sign", "area", "error"),
    [(0, 1, 0.7366, 0.0927), (2, -1, 0.7258, 0.1028), (1, 1, 0.6478, 0.1000)],
)
def test_published_areas_and_standard_errors(
    column: int, sign: int, area: float, error: float
) -> None:
    """As SAS/STAT prints them for these data (LOGISTIC, comparing ROC curves)."""
    table = np.array(OVARIAN_CANCER.split(), dtype=float).reshape(-1, 4)
    found = delong(table[:, 3], sign * table[:, column], np.arange(len(table)))
    assert found.value is not None and found.low is not None and found.high is not None
    assert round(found.value, 4) == area
    assert round((found.high - found.low) / 2 / norm.ppf(0.975), 4) == error


@pytest.mark.parametrize(
    ("column", "difference", "error"), [(0, 0.0108, 0.0953), (1, -0.0780, 0.1046)]
)
def test_published_differences(column: int, difference: float, error: float) -> None:
    table = np.array(OVARIAN_CANCER.split(), dtype=float).reshape(-1, 4)
    found = compare_delong(table[:, 3], table[:, column], -table[:, 2], np.arange(len(table)))
    assert found.method == "DeLong"
    assert round(found.difference, 4) == difference
    assert round((found.high - found.low) / 2 / norm.ppf(0.975), 4) == error


@given(data=st.data())
@settings(max_examples=150)
def test_equals_the_definition(small_cases: st.SearchStrategy[Any], data: st.DataObject) -> None:
    case = data.draw(small_cases)
    found = compare_delong(case.truth, case.first, case.second, case.groups)
    single = delong(case.truth, case.first, case.groups)
    if case.truth.all() or not case.truth.any():
        assert found.difference is None and found.p is None and single.value is None
        return
    assert single.value == pytest.approx(roc_auc_score(case.truth, case.first), abs=1e-12)
    assert found.first == single.value
    if carriers(case) < 2:
        assert found.low is None and found.p is None and single.low is None
        return
    clustered = np.unique(case.groups).size < case.groups.size
    areas, covariance = (
        naive_obuchowski(case.truth, case.groups, case.first, case.second)
        if clustered
        else naive_delong(case.truth, case.first, case.second)
    )
    assert found.method == ("Obuchowski" if clustered else "DeLong")
    assert found.difference == pytest.approx(areas[0] - areas[1], abs=1e-12)
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    if variance > 1e-12 and found.low is not None:
        z = (areas[0] - areas[1]) / np.sqrt(variance)
        assert found.p == pytest.approx(2 * norm.sf(abs(z)), abs=1e-9)
        reach = norm.ppf(0.975) * np.sqrt(variance)
        assert found.high == pytest.approx(min(1, areas[0] - areas[1] + reach), abs=1e-9)
        assert found.low == pytest.approx(max(-1, areas[0] - areas[1] - reach), abs=1e-9)
    elif found.low is None:
        assert variance < 1e-12
    if covariance[0, 0] > 1e-12:
        reach = norm.ppf(0.975) * np.sqrt(covariance[0, 0])
        assert single.high == pytest.approx(min(1, areas[0] + reach), abs=1e-9)


@given(data=st.data())
@settings(max_examples=80)
def test_swapping_turns_the_sign_and_monotone_scores_change_nothing(
    small_cases: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    case = data.draw(small_cases)
    found = compare_delong(case.truth, case.first, case.second, case.groups)
    turned = compare_delong(case.truth, case.second, case.first, case.groups)
    moved = compare_delong(
        case.truth, np.arctan(case.first / 500), case.second * 3 - 7, case.groups
    )
    assert moved == found
    assert turned.p == pytest.approx(found.p, abs=1e-9)
    if found.difference is not None:
        assert turned.difference == -found.difference
    if found.low is not None and found.high is not None:
        assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low), abs=1e-12)
        assert found.low <= found.difference <= found.high


@given(data=st.data())
@settings(max_examples=60)
def test_equal_rankings_do_not_differ(
    small_cases: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    case = data.draw(small_cases)
    found = compare_delong(case.truth, case.first, 2 * case.first + 1, case.groups)
    if found.difference is not None:
        assert found.difference == 0
        if carriers(case) > 1:
            assert (found.low, found.high, found.p) == (0.0, 0.0, 1.0)


def test_a_perfect_separation_has_no_interval() -> None:
    truth, score = np.arange(10) > 6, np.arange(10.0)
    found = delong(truth, score, np.arange(10))
    assert (found.value, found.low, found.high, found.n, found.positives) == (
        1.0,
        None,
        None,
        10,
        3,
    )
    against = compare_delong(truth, score, -score, np.arange(10))
    assert (against.difference, against.low, against.p) == (1.0, None, None)


def test_cells_that_nobody_assessed_do_not_enter(make_case: Any) -> None:
    case = make_case(0, n=80, patients=30)
    truth = case.truth.astype(float).reshape(40, 2)
    truth[::3, 1] = np.nan
    first, second = case.first.reshape(40, 2), case.second.reshape(40, 2)
    kept = ~np.isnan(truth).ravel()
    groups = case.groups[:40]
    found = compare_delong(truth, first, second, groups)
    flat = compare_delong(
        truth.ravel()[kept], first.ravel()[kept], second.ravel()[kept], np.repeat(groups, 2)[kept]
    )
    assert found == flat
    assert found.n == kept.sum() and found.method == "Obuchowski"


@pytest.mark.parametrize("patients", [None, 60])
def test_standard_error_is_that_of_the_bootstrap(make_case: Any, patients: int | None) -> None:
    case = make_case(3, n=300, patients=patients)
    found = delong(case.truth, case.first, case.groups)
    owner, weights = resample_weights(case.groups, 2000, 0)
    drawn, _ = weighted_auroc(case.truth, case.first, owner, weights)
    error = (found.high - found.low) / 2 / norm.ppf(0.975)
    assert error == pytest.approx(np.std(drawn[1:]), rel=0.08)


def test_ignoring_patients_would_understate_the_error(make_case: Any) -> None:
    case = make_case(3, n=300, patients=60)
    apart = delong(case.truth, case.first, np.arange(300))
    together = delong(case.truth, case.first, case.groups)
    assert together.value == apart.value
    assert together.high - together.low > 1.1 * (apart.high - apart.low)


@given(data=st.data())
@settings(max_examples=100)
def test_placements_and_jackknife_equal_weights(
    small_cases: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    case = data.draw(small_cases)
    if case.truth.any() and not case.truth.all():
        v10, v01 = components(case.truth, case.first)
        wins, losses = placements(case.truth, case.first)
        np.testing.assert_allclose(wins, v10 * v01.size)
        np.testing.assert_allclose(losses, v01 * v10.size)
    names, owner = np.unique(case.groups, return_inverse=True)
    expected = weighted_auroc(case.truth, case.first, owner, 1 - np.eye(names.size))
    found = auroc_without_each_group(case.truth, case.first, owner, names.size)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-12)
    np.testing.assert_allclose(found[1], expected[1], atol=1e-12)


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        delong([0, 1], [0.1], ["a", "b"])
    with pytest.raises(ValueError, match="finite"):
        delong([0, 1], [0.1, np.inf], ["a", "b"])
    with pytest.raises(ValueError, match="groups"):
        compare_delong([0, 1], [0.1, 0.2], [0.1, 0.2], ["a"])
