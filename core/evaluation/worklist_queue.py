"""Waiting times of scans that queue for one reader, in order of arrival or by the worklist.

Scans arrive at random (a Poisson process) and are read one at a time; a reading that has begun is
not interrupted. Whatever the scores are, a scan's wait by priority depends only on its rank: the
share of all scans that go first. So the queue is simulated once with ranks instead of scans, and
waits of a disease follow from where its scans are in the list.

Theory that the simulation is tested against: load ρ = arrival rate × mean reading time < 1, and
residual reading time W0 = arrival rate × (mean squared reading time)/2. The mean wait is
W0/(1 - ρ) in order of arrival (Pollaczek and Khinchine), and W0/(1 - ρu)² at rank u by priority
(Cobham, Operations Research 1954, with a class for every rank).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from crossdl.types import Float64Array

ReadingTime = Literal["exponential", "fixed"]


@dataclass(frozen=True)
class Traffic:
    """How scans arrive and are read.

    Attributes:
        arrivals_per_hour: Mean number.
        reading_minutes: Mean time that a reader takes.
        reading_time: Its distribution.
    """

    arrivals_per_hour: float
    reading_minutes: float
    reading_time: ReadingTime = "exponential"

    @property
    def load(self) -> float:
        """Share of the time in which the reader is busy, below 1 in a queue that ends."""
        return self.arrivals_per_hour * self.reading_minutes / 60

    @property
    def settling(self) -> int:
        """Scans after which the queue has forgotten that it began empty."""
        slowness = (1 - np.sqrt(self.load)) ** -2  # relaxation time in readings
        return int(min(20_000, np.ceil(5 * slowness)))

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Float64Array, Float64Array]:
        """Arrival times ``(n,)``, ascending, and reading times ``(n,)``, minutes."""
        arrivals = np.cumsum(rng.exponential(60 / self.arrivals_per_hour, n))
        if self.reading_time == "fixed":
            return arrivals, np.full(n, self.reading_minutes)
        return arrivals, rng.exponential(self.reading_minutes, n)


def waits_in_order(arrivals: Float64Array, readings: Float64Array) -> Float64Array:
    """Minutes that each scan waits where the first to come is the first to be read.

    Args:
        arrivals: ``(n,)`` minutes, ascending.
        readings: ``(n,)`` minutes.

    Returns:
        ``(n,)``.

    Example:
        >>> waits_in_order(np.array([0.0, 1.0, 9.0]), np.array([5.0, 1.0, 1.0])).tolist()
        [0.0, 4.0, 0.0]
    """
    read_before = np.concatenate([[0.0], np.cumsum(readings)[:-1]])
    waits: Float64Array = np.maximum.accumulate(arrivals - read_before) + read_before - arrivals
    return waits


def waits_by_priority(
    arrivals: Float64Array, readings: Float64Array, ranks: Float64Array
) -> Float64Array:
    """Minutes that each scan waits where the reader always takes the waiting scan of lowest rank.

    Args:
        arrivals: ``(n,)`` minutes, ascending.
        readings: ``(n,)`` minutes.
        ranks: ``(n,)`` of equal ranks the first to come goes first.

    Returns:
        ``(n,)``.

    Example:
        >>> times = np.array([0.0, 1.0, 2.0])
        >>> waits_by_priority(times, np.array([5.0, 1.0, 1.0]), np.array([3.0, 2.0, 1.0])).tolist()
        [0.0, 5.0, 3.0]
    """
    came, takes, rank = arrivals.tolist(), readings.tolist(), ranks.tolist()
    starts = [0.0] * len(came)
    waiting: list[tuple[float, int]] = []
    now, following, n = 0.0, 0, len(came)
    for _ in range(n):
        if not waiting and came[following] > now:
            now = came[following]
        while following < n and came[following] <= now:
            heapq.heappush(waiting, (rank[following], following))
            following += 1
        scan = heapq.heappop(waiting)[1]
        starts[scan] = now
        now += takes[scan]
    return np.array(starts) - arrivals


@dataclass(frozen=True, eq=False)
class Waits:
    """Waiting times by rank, from :func:`simulate`.

    Attributes:
        edges: ``(B + 1,)`` of the bins of ranks, from 0 to 1.
        means: ``(B,)`` mean wait of the scans of each bin by priority, minutes.
        minutes: ``(K + 1,)`` edges of the waiting times that are told apart, from 0.
        counts: ``(B, K + 1)`` scans of each bin that wait not at all, and between the edges.
        in_order: ``(K + 1,)`` the same of all scans in order of arrival.
        mean_in_order: Mean wait in order of arrival, minutes.
        error: Standard error of ``mean_in_order`` over replications, minutes.
    """

    edges: Float64Array
    means: Float64Array
    minutes: Float64Array
    counts: Float64Array
    in_order: Float64Array
    mean_in_order: float
    error: float

    @cached_property
    def _shares(self) -> Float64Array:
        """``(B, K + 1)`` probability within each bin that a wait is at most the edge."""
        return np.asarray(self.counts.cumsum(axis=1) / self.counts.sum(axis=1, keepdims=True))

    def mean(self, bins: Float64Array) -> Float64Array:
        """Mean wait of scans by priority.

        Args:
            bins: ``(B, R)`` share of the scans in each bin of ranks, NaN where there are none.

        Returns:
            ``(R,)`` minutes.
        """
        return np.asarray(self.means @ bins)

    def quantiles(self, bins: Float64Array, shares: tuple[float, ...]) -> Float64Array:
        """Waits by priority that given shares of the scans do not exceed.

        Args:
            bins: ``(B, R)`` as of :meth:`mean`.
            shares: ``(Q,)`` between 0 and 1.

        Returns:
            ``(Q, R)`` minutes.
        """
        return np.stack([self._quantiles(row, shares) for row in bins.T @ self._shares], axis=1)

    def quantiles_in_order(self, shares: tuple[float, ...]) -> Float64Array:
        """The same in order of arrival, of all scans alike, ``(Q,)``."""
        return self._quantiles(self.in_order.cumsum() / self.in_order.sum(), shares)

    def _quantiles(self, cumulated: Float64Array, shares: tuple[float, ...]) -> Float64Array:
        if np.isnan(cumulated).any():
            return np.full(len(shares), np.nan)
        return np.asarray(np.interp(shares, cumulated, self.minutes))


def simulate(
    traffic: Traffic,
    *,
    seed: int,
    replications: int,
    arrivals: int,
    bins: int = 100,
) -> Waits:
    """Simulates the queue with the same scans in order of arrival and by priority.

    Ranks are drawn evenly from 0 to 1. Where scores are equal, scans go in any order.

    Args:
        traffic: Its load must be below 1.
        seed: Equal seeds give equal waits.
        replications: Queues that are simulated, at least two.
        arrivals: Scans of each replication whose waits count; so many come before and after
            them that neither beginning nor end of the queue shows.
        bins: B.
    """
    edges = np.linspace(0, 1, bins + 1)
    margin = traffic.settling
    total = arrivals + 2 * margin
    counted = slice(margin, margin + arrivals)
    ranks, ordered, sorted_ = (np.empty((replications, arrivals)) for _ in range(3))
    for r, child in enumerate(np.random.SeedSequence(seed).spawn(replications)):
        rng = np.random.default_rng(child)
        came, takes = traffic.draw(total, rng)
        rank = (rng.permutation(total) + rng.random(total)) / total
        ranks[r] = rank[counted]
        ordered[r] = waits_in_order(came, takes)[counted]
        sorted_[r] = waits_by_priority(came, takes, rank)[counted]
    longest = max(ordered.max(), sorted_.max(), traffic.reading_minutes)
    minutes = np.concatenate([[0.0], np.geomspace(traffic.reading_minutes / 100, longest, 400)])
    level = np.searchsorted(minutes, sorted_.ravel(), "left")
    place = np.minimum((ranks.ravel() * bins).astype(np.int64), bins - 1)
    size = (bins, len(minutes))
    counts = np.bincount(place * size[1] + level, minlength=size[0] * size[1]).reshape(size)
    sums = np.bincount(place, sorted_.ravel(), minlength=bins)
    means = ordered.mean(axis=1)
    return Waits(
        edges,
        sums / np.bincount(place, minlength=bins),
        minutes,
        counts.astype(np.float64),
        np.bincount(
            np.searchsorted(minutes, ordered.ravel(), "left"), minlength=size[1]
        ).astype(np.float64),
        float(means.mean()),
        float(means.std(ddof=1) / np.sqrt(replications)),
    )  # fmt: skip
