"""Rank sums: p against the permutation distribution, effect against the AUROC."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, rankdata
from sklearn.metrics import roc_auc_score

from crossdl.statistics.delong import delong
from crossdl.statistics.rank_sum import rank_sum


@pytest.mark.parametrize("seed", range(5))
def test_p_of_few_scans_is_the_share_of_all_permutations(seed: int) -> None:
    scores = np.random.default_rng(seed).permutation(9).astype(float)
    truth = np.arange(9) < 4
    ranks = rankdata(scores)
    sums = np.array([ranks[list(chosen)].sum() for chosen in combinations(range(9), 4)])
    for alternative, share in (
        ("greater", np.mean(sums >= ranks[truth].sum())),
        ("less", np.mean(sums <= ranks[truth].sum())),
    ):
        found = rank_sum(truth, scores, np.arange(9), alternative=alternative)
        assert found.p == pytest.approx(share, abs=1e-12)


def test_p_of_many_scans_is_normal_with_ties_and_continuity(make_case: Any) -> None:
    case = make_case(0, n=200)
    m, n = case.truth.sum(), (~case.truth).sum()
    ranks = rankdata(case.first)
    u = ranks[case.truth].sum() - m * (m + 1) / 2
    _, ties = np.unique(case.first, return_counts=True)
    spread = m * n / 12 * (m + n + 1 - (ties**3 - ties).sum() / ((m + n) * (m + n - 1)))
    expected = norm.sf((u - m * n / 2 - 0.5) / np.sqrt(spread))
    found = rank_sum(case.truth, case.first, case.groups)
    assert found.p == pytest.approx(expected, rel=1e-9)
    assert found.superiority.value == pytest.approx(u / (m * n), abs=1e-12)


@given(data=st.data())
@settings(max_examples=60)
def test_effect_is_the_auroc_by_patients(
    small_cases: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    case = data.draw(small_cases)
    found = rank_sum(case.truth, case.first, case.groups)
    assert found.superiority == delong(case.truth, case.first, case.groups)
    if case.truth.all() or not case.truth.any():
        assert found.p is None and found.superiority.value is None
        return
    area = roc_auc_score(case.truth, case.first)
    assert found.superiority.value == pytest.approx(area, abs=1e-12)
    assert 0 <= found.p <= 1
    moved = rank_sum(case.truth, np.arctan(case.first / 500), case.groups)
    assert moved == found
    other = rank_sum(case.truth, -case.first, case.groups, alternative="less")
    assert other.p == pytest.approx(found.p, abs=1e-9)


def test_equal_scores_say_nothing() -> None:
    found = rank_sum([0, 1, 1, 0], [2.0] * 4, list("abcd"))
    assert found.p == 1.0 and found.superiority.value == 0.5


def test_scans_that_nobody_assessed_do_not_enter() -> None:
    truth = [1, np.nan, 0, 1, 0, 0]
    scores = [5.0, 100.0, 1.0, 4.0, 2.0, 3.0]
    kept = [0, 2, 3, 4, 5]
    groups = np.arange(6)
    assert rank_sum(truth, scores, groups) == rank_sum(
        np.array(truth)[kept], np.array(scores)[kept], groups[kept]
    )
