"""Placements: how many pairs of a positive and a negative each item wins.

The sums that AUROCs without a patient (jackknife) and DeLong's variance are made of.
"""

from __future__ import annotations

import numpy as np

from crossdl.evaluation.cases import IndexArray
from crossdl.statistics.quotients import divided
from crossdl.types import BoolArray, Float64Array


def placements(truth: BoolArray, score: Float64Array) -> tuple[Float64Array, Float64Array]:
    """Wins of each item against the items of the other class; a tie is half a win.

    Args:
        truth: ``(m,)``.
        score: ``(m,)`` finite.

    Returns:
        For the P positives, in their order, how many negatives they score above, ``(P,)``; for
        the negatives how many positives score above them, ``(Q,)``.
    """
    positive, negative = score[truth], score[~truth]
    below, upto = (np.searchsorted(np.sort(negative), positive, s) for s in ("left", "right"))
    under, over = (np.searchsorted(np.sort(positive), negative, s) for s in ("left", "right"))
    return (below + upto) / 2, positive.size - (under + over) / 2


def auroc_without_each_group(
    truth: BoolArray, score: Float64Array, owner: IndexArray, n_groups: int
) -> tuple[Float64Array, Float64Array]:
    """Jackknife of the AUROC over groups (patients): each is left out once, with all its items.

    The pairs that a group takes part in are those of its positives, those of its negatives, less
    those inside the group, which are in both.

    Args:
        truth: ``(m,)``.
        score: ``(m,)`` finite.
        owner: ``(m,)`` group of each item.
        n_groups: G.

    Returns:
        The areas ``(G,)``, NaN where one class is left, and the share of positives ``(G,)``, NaN
        where nothing is left.
    """
    owners = owner[truth], owner[~truth]
    counts = [np.bincount(o, minlength=n_groups) for o in owners]
    wins, losses = placements(truth, score)
    inside = _wins_inside(truth, score, owner)
    rest = (
        wins.sum()
        - np.bincount(owners[0], wins, minlength=n_groups)
        - np.bincount(owners[1], losses, minlength=n_groups)
        + np.bincount(owners[0], inside, minlength=n_groups)
    )
    positives, negatives = wins.size - counts[0], losses.size - counts[1]
    area = divided(rest, positives * negatives)
    return area, divided(positives, positives + negatives)


def _wins_inside(truth: BoolArray, score: Float64Array, owner: IndexArray) -> Float64Array:
    """Wins of each positive, ``(P,)``, against the negatives of its own group."""
    levels, rank = np.unique(score, return_inverse=True)
    key = owner * np.int64(levels.size) + rank  # groups apart, by score within a group
    negative, positive = np.sort(key[~truth]), key[truth]
    start = np.searchsorted(negative, owner[truth] * np.int64(levels.size))
    below, upto = (np.searchsorted(negative, positive, s) - start for s in ("left", "right"))
    return np.asarray((below + upto) / 2, dtype=np.float64)
