"""Ranks and recall in a worklist, against numpy on lists that are written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.evaluation.worklist_ranks import Worklist

SHARES = (0.25, 0.5, 0.75)


def test_quartiles_are_those_of_the_ranks() -> None:
    rng = np.random.default_rng(0)
    for n, rate in ((40, 0.2), (41, 0.5), (200, 0.03)):
        scores, positive = rng.permutation(n).astype(float), rng.random(n) < rate
        curve = Worklist(scores, np.ones((n, 1))).curve(positive)
        ranks = (np.argsort(np.argsort(-scores)) + 0.5) / n
        expected = np.quantile(ranks[positive], SHARES, method="averaged_inverted_cdf")
        assert np.abs(curve.quantiles(SHARES)[:, 0] - expected).max() <= 0.5 / n + 1e-12


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 6))
def test_a_weight_is_a_number_of_copies(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores, positive = rng.integers(0, levels, n).astype(float), rng.random(n) < 0.4
    weights = rng.integers(0, 3, n)
    weighted = Worklist(scores, np.stack([np.ones(n), weights], axis=1)).curve(positive)
    copies = np.repeat(np.arange(n), weights)
    if not copies.size:
        return
    written_out = Worklist(scores[copies], np.ones((copies.size, 1))).curve(positive[copies])
    for found, expected in (
        (weighted.quantiles(SHARES), written_out.quantiles(SHARES)),
        (weighted.recall([0.1, 0.5, 1.0]), written_out.recall([0.1, 0.5, 1.0])),
    ):
        np.testing.assert_allclose(found[:, 1], expected[:, 0], atol=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 30), st.integers(1, 6))
def test_equal_scores_come_in_any_order(seed: int, n: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    scores, positive = rng.integers(0, levels, n).astype(float), rng.random(n) < 0.5
    fractions = rng.random(4)
    recall = Worklist(scores, np.ones((n, 1))).curve(positive).recall(fractions)[:, 0]
    if not positive.any():
        assert np.isnan(recall).all()
        return
    place = np.argsort(np.argsort(-(scores + rng.random((2000, n)) / 2), axis=1), axis=1)
    inside = np.clip(
        fractions[:, None, None] * n - place, 0, 1
    )  # a scan cut by the end counts part
    mean = inside[..., positive].sum(axis=2).mean(axis=1) / positive.sum()
    np.testing.assert_allclose(recall, mean, atol=0.06)


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_order_and_monotone_changes_of_scores_do_not_matter(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    scores, positive = rng.integers(0, 9, n) / 9, rng.random(n) < 0.5
    order = rng.permutation(n)
    one = Worklist(scores, np.ones((n, 1))).curve(positive)
    other = Worklist(np.exp(scores[order]), np.ones((n, 1))).curve(positive[order])
    np.testing.assert_array_equal(one.quantiles(SHARES), other.quantiles(SHARES))
    np.testing.assert_array_equal(one.recall([0.3, 0.8]), other.recall([0.3, 0.8]))


def test_perfect_worst_and_useless_lists() -> None:
    positive = np.arange(10) < 4

    def median(scores: np.ndarray) -> float:
        return float(Worklist(scores, np.ones((10, 1))).curve(positive).quantiles([0.5])[0, 0])

    assert median(-np.arange(10.0)) == pytest.approx(0.2)
    assert median(np.arange(10.0)) == pytest.approx(0.8)
    assert median(np.zeros(10)) == pytest.approx(0.5)
    curve = Worklist(-np.arange(10.0), np.ones((10, 1))).curve(positive)
    assert curve.recall([0.2, 0.4, 1.0])[:, 0].tolist() == pytest.approx([0.5, 1.0, 1.0])


def test_resamples_without_the_disease_are_undefined() -> None:
    weights = np.array([[1.0, 0.0], [1.0, 2.0], [1.0, 1.0]])
    curve = Worklist(np.array([0.9, 0.5, 0.1]), weights).curve(np.array([True, False, False]))
    assert not np.isnan(curve.quantiles(SHARES)[:, 0]).any()
    assert np.isnan(curve.quantiles(SHARES)[:, 1]).all() and np.isnan(curve.recall([0.5])[0, 1])
    assert curve.positives.tolist() == [1.0, 0.0]
