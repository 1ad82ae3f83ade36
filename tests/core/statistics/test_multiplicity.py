"""Holm's correction against its definition and statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.statistics.multiplicity import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def naive(p: list[float]) -> list[float]:
    """Each corrected value is the largest of (m - rank) · p up to its rank."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    found, highest = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - rank) * p[i]))
        found[i] = highest
    return found


@given(P_VALUES)
def test_equals_the_definition(p: list[float]) -> None:
    assert holm(p) == pytest.approx(naive(p), abs=1e-12)


def test_equals_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    for seed in range(4):
        p = np.round(np.random.default_rng(seed).random(9) ** 3, 2).tolist()
        assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1], abs=1e-12)


@given(P_VALUES)
def test_is_monotone_at_least_raw_at_most_bonferroni(p: list[float]) -> None:
    found = np.array(holm(p), dtype=float)
    raw = np.array(p)
    assert (found >= raw - 1e-15).all()
    assert (found <= np.minimum(1, raw * len(p)) + 1e-12).all()
    order = np.argsort(raw, kind="stable")
    assert (np.diff(found[order]) >= 0).all()


@given(P_VALUES, st.randoms(use_true_random=False))
def test_order_does_not_matter(p: list[float], random: object) -> None:
    order = list(range(len(p)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = holm([p[i] for i in order])
    found = holm(p)
    assert shuffled == pytest.approx([found[i] for i in order], abs=1e-12)


def test_tests_that_were_not_made_do_not_count() -> None:
    assert holm([None, 0.2, None]) == [None, 0.2, None]
    assert holm([]) == [] and holm([None]) == [None]


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_no_probability_is_refused(p: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, p])
