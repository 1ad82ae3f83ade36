"""Overlap at every threshold, against MONAI and scikit-learn at each threshold by itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score

from crossdl.evaluation.voxels import N_STEPS, StepCounts, best_step, step_of

SHAPE = (3, 5, 4)


def drawn(seed: int, share: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, SHAPE, dtype=np.uint8), rng.random(SHAPE) < share


@pytest.mark.parametrize(("seed", "share"), [(0, 0.3), (1, 0.02), (2, 1.0)])
def test_dice_is_monais_and_jaccard_scikit_learns(seed: int, share: float) -> None:
    import torch
    from monai.metrics import compute_dice

    steps, mask = drawn(seed, share)
    mask[0, 0, 0] = True
    counts = StepCounts.of(steps, mask)
    dice, jaccard = counts.dice(), counts.jaccard()
    for k in (0, 1, 17, 128, 254, 255):
        over = steps >= k
        expected = compute_dice(torch.tensor(over)[None, None], torch.tensor(mask)[None, None])
        assert dice[k] == pytest.approx(float(expected), abs=1e-6)
        assert jaccard[k] == pytest.approx(jaccard_score(mask.ravel(), over.ravel()), abs=1e-12)
        assert counts.hits[k] == (over & mask).sum()
        assert counts.predicted[k] == over.sum()


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_counts_survive_json_and_tell_everything(seed: int, share: float) -> None:
    steps, mask = drawn(seed, share)
    steps //= np.uint8(seed % 5 + 1)
    counts = StepCounts.of(steps, mask)
    inside, outside = json.loads(json.dumps(counts.lists()))
    again = StepCounts.from_lists(inside, outside)
    assert (again.inside == counts.inside).all() and (again.outside == counts.outside).all()
    assert counts.size == mask.sum()
    assert counts.predicted[0] == mask.size
    dice, jaccard = counts.dice(), counts.jaccard()
    if mask.any():
        assert np.allclose(dice, 2 * jaccard / (1 + jaccard))  # one is a function of the other
        assert (0 <= dice).all() and (dice <= 1).all()
    else:
        assert np.isnan(dice[counts.predicted == 0]).all()
        assert (dice[counts.predicted > 0] == 0).all()


def test_a_map_equal_to_its_mask_has_dice_1() -> None:
    _, mask = drawn(0)
    counts = StepCounts.of(mask.astype(np.uint8) * np.uint8(255), mask)
    assert (counts.dice()[1:] == 1).all() and (counts.jaccard()[1:] == 1).all()


def test_another_grid_is_refused() -> None:
    steps, mask = drawn(0)
    with pytest.raises(ValueError, match="differ in shape"):
        StepCounts.of(steps, mask[:2])


def test_the_best_threshold_has_the_best_mean_over_scans() -> None:
    dice = np.zeros((2, N_STEPS))
    dice[0, 40], dice[1, 40] = 0.5, 0.5
    dice[0, 90], dice[1, 10] = 0.9, 0.7  # better for one scan each
    assert best_step(dice) == 40
    assert best_step(dice[:1]) == 90
    assert best_step(dice[:0]) is None
    dice[:, 0] = 1  # everything is abnormal: no threshold at all
    assert best_step(dice) == 40


def test_the_middle_of_equally_good_thresholds_is_taken() -> None:
    dice = np.zeros((3, N_STEPS))
    dice[:, 100:201] = 0.5
    assert best_step(dice) == 150


@given(st.integers(1, 255))
def test_a_fixed_probability_is_the_step_that_reaches_it(k: int) -> None:
    assert step_of(k / 255) == k
    assert step_of((k - 0.5) / 255) == k
