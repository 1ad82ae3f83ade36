"""Candidates, lesions and which touch which, on maps small enough to see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.evaluation.lesions import find_candidates, match_lesions, pointing_game, voxel_of
from crossdl.types import Grid

SHAPE = (1, 1, 12)


def line(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32).reshape(1, 1, -1)


def mask_of(*voxels: int) -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=np.bool_)
    mask[0, 0, list(voxels)] = True
    return mask


def grid_of(shape: tuple[int, int, int], mm: float = 1.0, shift: float = 0.0) -> Grid:
    affine = np.diag([mm, mm, mm, 1.0])
    affine[:3, 3] = shift
    return Grid(shape, affine)


def found(values: np.ndarray, **rule: float) -> tuple[list[int], list[float]]:
    made = find_candidates(values, **{"threshold": 0.1, "extent": 0.4, "limit": 30} | rule)
    return made.labels.ravel().tolist(), [round(c, 3) for c in made.confidences]


def test_a_candidate_reaches_down_to_a_share_of_its_own_peak() -> None:
    values = line(0.1, 0.5, 1.0, 0.4, 0.3, 0.0, 0.1, 0.2, 0.09, 0.05, 0, 0)
    assert found(values) == ([0, 1, 1, 1, 0, 0, 2, 2, 2, 0, 0, 0], [1.0, 0.2])
    assert found(values, extent=1.0) == ([0, 0, 1, 0, 0, 0, 0, 2, 0, 0, 0, 0], [1.0, 0.2])


def test_a_shoulder_is_no_candidate_but_a_second_peak_is() -> None:
    values = line(1.0, 0.5, 0.39, 0.3, 0.2, 0.0, 1.0, 0.3, 0.7, 0.1, 0, 0)
    labels, confidences = found(values)
    assert confidences == [1.0, 1.0, 0.7]
    assert labels == [1, 1, 0, 0, 0, 0, 2, 3, 3, 0, 0, 0]


def test_thresholds_and_the_limit_leave_out_the_weakest() -> None:
    values = line(0.9, 0, 0.05, 0, 0.6, 0, 0.3, 0, 0.1, 0, 0, 0)
    assert found(values)[1] == [0.9, 0.6, 0.3, 0.1]
    assert found(values, threshold=0.2)[1] == [0.9, 0.6, 0.3]
    assert found(values, limit=2)[1] == [0.9, 0.6]
    assert found(line(*[0.0] * 12)) == ([0] * 12, [])


def test_a_flat_map_is_one_candidate() -> None:
    labels, confidences = found(np.ones((3, 4, 5), dtype=np.float32))
    assert labels == [1] * 60 and confidences == [1.0]


@given(st.integers(0, 2**32 - 1))
def test_candidates_are_peaks_in_order_with_all_they_claim(seed: int) -> None:
    values = np.random.default_rng(seed).random((4, 5, 6)).astype(np.float32) ** 2
    made = find_candidates(values, threshold=0.1, extent=0.5, limit=20)
    assert list(made.confidences) == sorted(made.confidences, reverse=True)
    for number, (confidence, peak) in enumerate(
        zip(made.confidences, made.peaks, strict=True), start=1
    ):
        own = values[made.labels == number]
        assert made.labels[peak] == number
        assert values[peak] == pytest.approx(confidence) == own.max()
        assert (own >= np.float32(0.5) * values[peak]).all()
    if len(made.confidences) < 20:  # then every high maximum is in a candidate
        assert (made.labels > 0).ravel()[values.argmax()]


def match(values: np.ndarray, mask: np.ndarray) -> dict[str, object]:
    grid = grid_of(SHAPE)
    made = find_candidates(values, threshold=0.1, extent=0.4, limit=30)
    return match_lesions(made, grid, mask, grid)


def test_candidates_know_the_lesions_they_touch() -> None:
    values = line(0, 0.8, 0.9, 0.8, 0.7, 0.6, 0, 0.5, 0, 0, 0.2, 0)
    said = match(values, mask_of(0, 1, 3, 4, 9))
    assert said["lesions"] == [2, 2, 1]
    assert said["candidates"] == [
        {"confidence": 0.9, "voxels": 5, "inside": 3, "touches": [0, 1]},
        {"confidence": 0.5, "voxels": 1, "inside": 0, "touches": []},
        {"confidence": 0.2, "voxels": 1, "inside": 0, "touches": []},
    ]


def test_without_lesions_or_candidates_there_is_nothing() -> None:
    empty = line(*[0.0] * 12)
    assert match(empty, mask_of()) == {"lesions": [], "candidates": []}
    assert match(empty, mask_of(2)) == {"lesions": [1], "candidates": []}
    [one] = match(line(*[0.3] * 12), mask_of())["candidates"]
    assert one == {"confidence": 0.3, "voxels": 12, "inside": 0, "touches": []}


def test_voxels_that_meet_at_a_corner_are_one_lesion() -> None:
    mask = np.zeros((2, 2, 4), dtype=np.bool_)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[0, 0, 3] = True
    grid = grid_of(mask.shape)
    made = find_candidates(np.zeros(mask.shape, np.float32), threshold=0.1, extent=0.4, limit=1)
    assert sorted(match_lesions(made, grid, mask, grid)["lesions"]) == [1, 2]


def test_maps_of_another_grid_meet_the_mask_where_they_are() -> None:
    fine = grid_of((4, 4, 8), 1.0)
    coarse = fine.strided((2, 2, 2))
    values = np.zeros(coarse.shape, dtype=np.float32)
    values[0, 1, 3] = 0.8
    mask = np.zeros(fine.shape, dtype=np.bool_)
    mask[1, 3, 7] = True
    made = find_candidates(values, threshold=0.1, extent=0.4, limit=5)
    [one] = match_lesions(made, coarse, mask, fine)["candidates"]
    assert one == {"confidence": 0.8, "voxels": 8, "inside": 1, "touches": [0]}
    assert pointing_game(values, coarse, mask, fine, 0.0) == 0  # the centre is voxel 0, 2 or so
    assert pointing_game(values, coarse, mask, fine, 1.0) == 1


def test_a_candidate_smaller_than_a_voxel_of_the_scan_keeps_its_peak() -> None:
    thick = Grid((2, 4, 4), np.diag([1.0, 1.0, 8.0, 1.0]))
    fine = Grid((16, 4, 4), np.diag([1.0, 1.0, 1.0, 1.0]))
    values = np.zeros(fine.shape, dtype=np.float32)
    values[2, 1, 1] = 0.9  # 2 mm above the middle of the first slice: no slice's middle
    mask = np.zeros(thick.shape, dtype=np.bool_)
    mask[0, 1, 1] = True
    made = find_candidates(values, threshold=0.1, extent=0.4, limit=5)
    [one] = match_lesions(made, fine, mask, thick)["candidates"]
    assert one == {"confidence": 0.9, "voxels": 1, "inside": 1, "touches": [0]}


def test_pointing_asks_where_the_maximum_is() -> None:
    grid = grid_of(SHAPE, 2.0, shift=-7.0)
    values = line(0, 0, 0.9, 0, 0, 0, 0.8, 0, 0, 0, 0, 0)

    def game(mask: np.ndarray, tolerance: float = 0.0) -> float:
        return pointing_game(values, grid, mask, grid, tolerance)

    assert game(mask_of(2)) == 1
    assert game(mask_of(6)) == 0
    assert game(mask_of(4, 5), 3.9) == 0
    assert game(mask_of(4, 5), 4.0) == 1  # two voxels of 2 mm


def test_of_several_maxima_the_share_counts_and_an_empty_map_points_nowhere() -> None:
    grid = grid_of(SHAPE)
    values = line(1, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0, 0)
    assert pointing_game(values, grid, mask_of(0, 4, 6), grid, 0.0) == 0.75
    assert pointing_game(np.zeros(SHAPE, np.float32), grid, mask_of(*range(12)), grid, 99.0) == 0


def test_a_place_outside_has_no_voxel() -> None:
    grid = grid_of((2, 3, 4), 2.0)
    assert voxel_of([6.9, 4.9, -0.9], grid) == (0, 2, 3)
    assert voxel_of([7.1, 0, 0], grid) is None
    assert voxel_of([0, 0, -1.1], grid) is None
