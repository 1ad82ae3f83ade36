"""Which gaps are holes, and how the output grid is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from crossdl.io.stacking import Stack, holes

EVEN = [0.0, 5.0, 10.0, 15.0, 20.0, 25.0]


def stack(offsets) -> Stack:
    return Stack(np.zeros(3), np.eye(3), np.asarray(offsets, float), (10, 12), (0.5, 0.5))


def at(depths) -> list[list[float]]:
    return [[0.0, 0.0, depth] for depth in depths]


@pytest.mark.parametrize(
    ("depths", "thickness", "numbers", "expected"),
    [
        (EVEN, 5.0, range(1, 7), []),
        (EVEN, 5.0, range(6, 0, -1), []),
        ([0, 5, 10, 20, 25, 30], 5.0, None, [2]),
        ([0, 5, 10, 20, 25, 30], None, None, [2]),
        # overlapping slices: only the numbering tells
        ([0, 2.5, 5, 10, 12.5, 15], 5.0, [1, 2, 3, 5, 6, 7], [2]),
        # numbering jumps, geometry does not
        (EVEN, 5.0, [1, 2, 3, 5, 6, 7], []),
        # numbered in twos by the scanner
        (EVEN, 5.0, [1, 3, 5, 7, 9, 11], []),
        # every second slice is gone
        ([0, 10, 20, 30], 5.0, [1, 3, 5, 7], [0, 1, 2]),
        # slices that were acquired apart
        ([0, 10, 20, 30], 5.0, [1, 2, 3, 4], []),
        # thin slices below, thick ones above
        ([0, 2, 4, 6, 11, 16, 21], [2, 2, 2, 2, 5, 5, 5], range(7), []),
        # 1 mm slices, first contiguous, then every 10 mm
        ([0, 1, 2, 3, 13, 23, 33], 1.0, range(7), []),
        # two holes beside each other
        ([0, 5, 15, 25, 30, 35, 40], 5.0, None, [1, 2]),
        # numbering that does not follow the stack says nothing
        ([0, 5, 10, 15, 20], 5.0, [1, 9, 2, 8, 3], []),
        ([0, 9], 5.0, [1, 3], [0]),
        ([0, 9], 5.0, [1, 2], []),
    ],
)
def test_holes(depths, thickness, numbers, expected):
    count = len(depths)
    known = thickness if isinstance(thickness, list) else [thickness] * count
    assert holes(depths, known, list(numbers) if numbers else [None] * count) == expected


def test_rounding_is_no_unevenness():
    depths = np.arange(20) * 4.8 + np.random.default_rng(0).normal(0, 0.004, 20)
    assert stack(at(depths - depths[0])).regular


def test_step_of_uneven_slices_is_half_the_finer_spacing():
    assert stack(at([0, 4, 8, 12, 13, 20, 27, 34])).step == pytest.approx(2.0)


def test_shear_is_not_regular():
    assert not stack([[0, k * 0.2, k * 5] for k in range(6)]).regular


def test_grid_covers_shifts_to_both_sides():
    grid = stack([[0, 0, 0], [-1.0, 1.3, 5], [2.0, -0.6, 10]]).grid
    # down from -0.6 mm (2 pixels) to 1.3 mm (3 pixels), right from -1 to 2 mm (2 and 4 pixels)
    assert grid.shape == (3, 15, 18)
    np.testing.assert_allclose(grid.index_to_world([0, 0, 0]), [-1.0, -1.0, 0.0])


def test_slices_are_shifted_by_whole_pixels_exactly():
    images = [np.arange(120, dtype=np.float32).reshape(10, 12) + 1000 * k for k in range(3)]
    made = stack([[0, 0, 0], [1.0, 0.5, 5], [2.0, 1.0, 10]])
    out = made.resample(images, -1.0)
    for k, image in enumerate(images):
        inside = out[k, k : k + 10, 2 * k : 2 * k + 12]
        np.testing.assert_array_equal(inside, image)
        assert np.count_nonzero(out[k] != -1.0) <= image.size
