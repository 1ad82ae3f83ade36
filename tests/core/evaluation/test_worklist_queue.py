"""The queue against queueing theory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.evaluation.worklist_queue import (
    Traffic,
    Waits,
    simulate,
    waits_by_priority,
    waits_in_order,
)

N = 400_000


def residual(traffic: Traffic) -> float:
    """W0: arrival rate × mean squared reading time / 2."""
    squared = 2.0 if traffic.reading_time == "exponential" else 1.0
    return traffic.load * traffic.reading_minutes * squared / 2


@pytest.mark.parametrize("kind", ["exponential", "fixed"])
def test_mean_wait_in_order_is_pollaczek_and_khinchines(kind: str) -> None:
    traffic = Traffic(7.0, 6.0, kind)  # type: ignore[arg-type]
    waits = waits_in_order(*traffic.draw(N, np.random.default_rng(1)))
    assert waits.mean() == pytest.approx(residual(traffic) / (1 - traffic.load), rel=0.04)
    assert (waits == 0).mean() == pytest.approx(1 - traffic.load, abs=0.01)


def test_quantiles_in_order_are_those_of_the_exponential_queue() -> None:
    """M/M/1: P(wait > t) = ρ exp(-(1 - ρ) t / mean reading time)."""
    traffic = Traffic(7.0, 6.0)
    found = simulate(traffic, seed=2, replications=20, arrivals=20_000)
    for share in (0.5, 0.9):
        expected = -np.log((1 - share) / traffic.load) * 6.0 / (1 - traffic.load)
        assert found.quantiles_in_order((share,))[0] == pytest.approx(expected, rel=0.06)
    assert abs(found.mean_in_order - traffic.load * 6.0 / (1 - traffic.load)) < 4 * found.error


def test_littles_law() -> None:
    """The mean number that wait is the arrival rate × the mean wait."""
    arrivals, readings = Traffic(6.0, 7.0).draw(20_000, np.random.default_rng(3))
    for waits in (
        waits_in_order(arrivals, readings),
        waits_by_priority(arrivals, readings, np.random.default_rng(4).random(20_000)),
    ):
        when = np.random.default_rng(5).uniform(0, arrivals[-1], 100_000)
        started = np.sort(arrivals + waits)
        number = np.searchsorted(arrivals, when, "right") - np.searchsorted(started, when, "right")
        rate = len(arrivals) / arrivals[-1]
        assert number.mean() == pytest.approx(rate * waits.mean(), rel=0.03)


@pytest.mark.parametrize("kind", ["exponential", "fixed"])
def test_two_classes_wait_as_cobham_says(kind: str) -> None:
    traffic, urgent_share = Traffic(8.0, 6.0, kind), 0.2  # type: ignore[arg-type]
    rng = np.random.default_rng(6)
    arrivals, readings = traffic.draw(N, rng)
    later = rng.random(N) > urgent_share
    waits = waits_by_priority(arrivals, readings, later.astype(float))
    urgent_load = traffic.load * urgent_share
    first = residual(traffic) / (1 - urgent_load)
    assert waits[~later].mean() == pytest.approx(first, rel=0.03)
    assert waits[later].mean() == pytest.approx(first / (1 - traffic.load), rel=0.05)


@pytest.mark.parametrize("kind", ["exponential", "fixed"])
def test_mean_wait_by_rank_is_cobhams(kind: str) -> None:
    traffic = Traffic(8.0, 6.0, kind)  # type: ignore[arg-type]
    found = simulate(traffic, seed=7, replications=40, arrivals=20_000, bins=10)
    middles = (found.edges[1:] + found.edges[:-1]) / 2
    expected = residual(traffic) / (1 - traffic.load * middles) ** 2
    np.testing.assert_allclose(found.means, expected, rtol=0.08)


@given(st.integers(0, 10_000), st.integers(1, 40), st.floats(0.1, 3.0))
def test_priority_moves_waiting_but_makes_none(seed: int, n: int, load: float) -> None:
    """With equal reading times every wait is someone else's: the sum stays. Nobody waits less
    than 0, two readings never overlap, and the reader never idles while a scan waits."""
    rng = np.random.default_rng(seed)
    arrivals, readings = np.cumsum(rng.exponential(1 / load, n)), np.ones(n)
    ordered = waits_in_order(arrivals, readings)
    sorted_ = waits_by_priority(arrivals, readings, rng.permutation(n).astype(float))
    assert sorted_.sum() == pytest.approx(ordered.sum(), abs=1e-6)
    assert sorted_.min() >= 0 and ordered.min() >= -1e-9
    starts = np.sort(arrivals + sorted_)
    assert (np.diff(starts) >= 1 - 1e-9).all()
    np.testing.assert_allclose(starts, np.sort(arrivals + ordered), atol=1e-6)


@given(st.integers(0, 10_000), st.integers(1, 40))
def test_priority_by_arrival_is_order_of_arrival(seed: int, n: int) -> None:
    arrivals, readings = Traffic(9.0, 6.0).draw(n, np.random.default_rng(seed))
    sorted_ = waits_by_priority(arrivals, readings, np.arange(n, dtype=float))
    np.testing.assert_allclose(sorted_, waits_in_order(arrivals, readings), atol=1e-8)


@pytest.fixture(scope="module")
def waits() -> Waits:
    return simulate(Traffic(8.0, 6.0), seed=0, replications=5, arrivals=4000)


def test_scans_anywhere_in_the_list_wait_as_all_scans_do(waits: Waits) -> None:
    bins = np.full((100, 1), 0.01)
    assert waits.mean(bins)[0] == pytest.approx(waits.mean_in_order, rel=0.1)
    median, late = waits.quantiles(bins, (0.5, 0.99))[:, 0]
    ordered = waits.quantiles_in_order((0.5, 0.99))
    assert median < ordered[0] and late > ordered[1]  # most gain, few lose much


def test_the_first_wait_least(waits: Waits) -> None:
    bins = np.zeros((100, 3))
    bins[0, 0] = bins[50, 1] = bins[99, 2] = 1
    means = waits.mean(bins)
    assert means[0] < means[1] < means[2]
    assert (np.diff(waits.quantiles(bins, (0.5, 0.9)), axis=1) > 0).all()
    bins[:, 1] = np.nan
    assert np.isnan(waits.mean(bins)).tolist() == [False, True, False]
    assert np.isnan(waits.quantiles(bins, (0.5,)))[0].tolist() == [False, True, False]


def test_equal_seeds_give_equal_waits(waits: Waits) -> None:
    again = simulate(Traffic(8.0, 6.0), seed=0, replications=5, arrivals=4000)
    other = simulate(Traffic(8.0, 6.0), seed=1, replications=5, arrivals=4000)
    assert np.array_equal(waits.counts, again.counts) and waits.error == again.error
    assert not np.array_equal(waits.counts, other.counts)
