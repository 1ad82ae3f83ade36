"""Dice of an abnormality map at every threshold at once, from two histograms.

The maps that ``crossdl predict`` writes have 256 steps, so a map and a mask on one grid are told
completely, as far as overlap at any threshold goes, by how many voxels inside and outside the mask
have each step. A voxel counts as abnormal at threshold k where its step is at least k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossdl.statistics.quotients import divided
from crossdl.types import BoolArray, Float64Array, LabelArray

CountArray = npt.NDArray[np.int64]
N_STEPS = 256
"""Steps of a map; also the number of thresholds, of which 0 takes every voxel."""


@dataclass(frozen=True, eq=False)
class StepCounts:
    """Voxels of one map by their step.

    Attributes:
        inside: ``(256,)`` voxels in the mask.
        outside: ``(256,)`` the others.
    """

    inside: CountArray
    outside: CountArray

    @classmethod
    def of(cls, steps: LabelArray, mask: BoolArray) -> StepCounts:
        """Counts the voxels of a map.

        Args:
            steps: ``(D, H, W)`` uint8.
            mask: ``(D, H, W)``.

        Raises:
            ValueError: Shapes differ.
        """
        if steps.shape != mask.shape:
            raise ValueError(f"map {steps.shape} and mask {mask.shape} differ in shape")
        inside = np.bincount(steps[mask], minlength=N_STEPS)
        total = np.zeros(N_STEPS, dtype=np.int64)
        for plane in steps:  # a whole scan as int64 would take eight times its memory
            total += np.bincount(plane.ravel(), minlength=N_STEPS)
        return cls(inside, total - inside)

    @classmethod
    def from_lists(cls, inside: Sequence[int], outside: Sequence[int]) -> StepCounts:
        """Undoes :meth:`lists`."""
        made = np.zeros((2, N_STEPS), dtype=np.int64)
        made[0, : len(inside)], made[1, : len(outside)] = inside, outside
        return cls(made[0], made[1])

    def lists(self) -> tuple[list[int], list[int]]:
        """Both counts for JSON, without the zeros at their ends."""
        return np.trim_zeros(self.inside, "b").tolist(), np.trim_zeros(self.outside, "b").tolist()

    @property
    def size(self) -> int:
        """Voxels of the mask."""
        return int(self.inside.sum())

    @property
    def hits(self) -> CountArray:
        """``(256,)`` voxels of the mask that are abnormal at each threshold."""
        return _at_least(self.inside)

    @property
    def predicted(self) -> CountArray:
        """``(256,)`` voxels that are abnormal at each threshold."""
        return _at_least(self.inside + self.outside)

    def dice(self) -> Float64Array:
        """``(256,)`` 2 |P ∩ G| / (|P| + |G|); NaN where both are empty."""
        return divided(2 * self.hits, self.predicted + self.size)

    def jaccard(self) -> Float64Array:
        """``(256,)`` |P ∩ G| / |P ∪ G|, the intersection over union; NaN where both are empty."""
        return divided(self.hits, self.predicted + self.size - self.hits)


def step_of(probability: float) -> int:
    """The lowest step of a map whose probability is at least the given one."""
    return math.ceil(round(probability * (N_STEPS - 1), 6))


def best_step(dice: Float64Array) -> int | None:
    """The threshold with the highest mean Dice over scans; of equal ones the middle one.

    Args:
        dice: ``(n, 256)``, finite.

    Returns:
        A step of at least 1, or None without scans.
    """
    if not len(dice):
        return None
    means = dice.mean(axis=0)[1:]
    best = np.flatnonzero(means == means.max())
    return int(best[best.size // 2]) + 1


def _at_least(counts: CountArray) -> CountArray:
    """Sums from each step upwards."""
    return np.asarray(counts[::-1].cumsum()[::-1], dtype=np.int64)
