"""How far down a worklist the scans with a disease are, for all resamples of patients at once.

A worklist is sorted by descending score; its length counts as 1. Its *yield curve* says which share
of a disease's scans is among the first part of the list. Scans of equal score could come in any
order, so each of them is spread evenly over the places that they share: nothing depends on the
order in which scans are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from crossdl.evaluation.cases import IndexArray
from crossdl.types import BoolArray, Float64Array


@dataclass(frozen=True, eq=False)
class Worklist:
    """Scans sorted by descending score, under R weightings.

    Attributes:
        scores: ``(n,)`` finite; the highest is read first.
        weights: ``(n, R)`` how often each scan is in each resample, at least 0.
    """

    scores: npt.NDArray[np.floating]
    weights: Float64Array

    @cached_property
    def _order(self) -> IndexArray:
        return np.argsort(-self.scores, kind="stable")

    @cached_property
    def _starts(self) -> IndexArray:
        """First place of every group of equal scores."""
        ordered = self.scores[self._order]
        changes = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        return np.concatenate([[0], changes]).astype(np.int64)

    @cached_property
    def _sorted_weights(self) -> Float64Array:
        return self.weights[self._order]

    @cached_property
    def _places(self) -> Float64Array:
        """``(T + 1, R)`` places in the list, in scans, where the T groups begin and end."""
        sums = np.add.reduceat(self._sorted_weights, self._starts, axis=0)
        return np.concatenate([np.zeros((1, sums.shape[1])), np.cumsum(sums, axis=0)])

    def curve(self, positive: BoolArray) -> YieldCurve:
        """The yield curve of the scans that have a disease.

        Args:
            positive: ``(n,)``.
        """
        at = np.flatnonzero(positive[self._order])
        group, first = np.unique(np.searchsorted(self._starts, at, "right") - 1, return_index=True)
        edges = np.concatenate([[0], np.stack([group, group + 1], axis=1).ravel(), [-1]])
        found = np.zeros((len(edges), self.weights.shape[1]))
        if at.size:
            sums = np.add.reduceat(self._sorted_weights[at], first, axis=0)
            found[2:-1:2] = np.cumsum(sums, axis=0)
            found[3:-1:2] = found[2:-2:2]
            found[-1] = found[-2]
        return YieldCurve(self._places[edges], found)


@dataclass(frozen=True, eq=False)
class YieldCurve:
    """Share of a disease's scans by the share of the list that was read, in R resamples.

    Attributes:
        places: ``(E, R)`` ascending from 0 to the length of the list, in scans.
        found: ``(E, R)`` the disease's scans up to there; linear in between.
    """

    places: Float64Array
    found: Float64Array

    @property
    def positives(self) -> Float64Array:
        """``(R,)`` number of scans with the disease."""
        return np.asarray(self.found[-1])

    def recall(self, fractions: Sequence[float] | Float64Array) -> Float64Array:
        """Share of the disease's scans among the first part of the list.

        Args:
            fractions: ``(F,)`` parts of the list, 0 to 1.

        Returns:
            ``(F, R)``, NaN in resamples without the disease.
        """
        found = np.full((len(fractions), self.places.shape[1]), np.nan)
        at = np.asarray(fractions, dtype=np.float64)
        for r, (places, counts) in enumerate(zip(self.places.T, self.found.T, strict=True)):
            if counts[-1] > 0:
                found[:, r] = np.interp(at * places[-1], places, counts / counts[-1])
        return found

    def quantiles(self, shares: Sequence[float]) -> Float64Array:
        """Part of the list that has to be read to find a share of the disease's scans.

        With shares 1/4, 1/2 and 3/4 these are the quartiles of the scans' ranks, where a scan
        alone at place k of n has rank (k - 1/2)/n: 0 is the top of the list and 1 its end. Where
        any part of a range would do, it is its middle.

        Args:
            shares: ``(Q,)`` between 0 and 1.

        Returns:
            ``(Q, R)``, NaN in resamples without the disease.
        """
        result = np.full((len(shares), self.places.shape[1]), np.nan)
        for r, (places, counts) in enumerate(zip(self.places.T, self.found.T, strict=True)):
            total, length = counts[-1], places[-1]
            if total <= 0:
                continue
            for q, share in enumerate(shares):
                goal = share * total
                upper = int(np.searchsorted(counts, goal, "left"))  # ends the first that reaches it
                lower = int(np.searchsorted(counts, goal, "right")) - 1  # starts the next
                if counts[upper] == goal:
                    place = (places[upper] + places[lower]) / 2
                else:
                    low, high = counts[upper - 1], counts[upper]
                    part = (goal - low) / (high - low)
                    place = places[upper - 1] + part * (places[upper] - places[upper - 1])
                result[q, r] = place / length
        return result
