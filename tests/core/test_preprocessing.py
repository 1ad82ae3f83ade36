from __future__ import annotations

import time
from itertools import permutations, product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from crossdl.anatomy import load_anatomy
from crossdl.errors import InputError
from crossdl.geometry import canonical
from crossdl.preprocessing import head_box, labels_on, maps_on, preprocess
from crossdl.types import FloatArray, Grid, RegionMap, Volume

ANATOMY = load_anatomy("head_ct")
SHAPE = (24, 40, 32)


def head(
    grid: Grid, landmarks: npt.ArrayLike = (), radii: tuple[float, float, float] = (60, 75, 50)
) -> FloatArray:
    """A ball of 0 HU in air around the world's origin, with 8 mm landmarks of 80 HU."""
    index = np.moveaxis(np.indices(grid.shape), 0, -1)
    world = grid.index_to_world(index)
    array = np.where(((world / radii) ** 2).sum(axis=-1) < 1, 0.0, -1000.0)
    for point in np.reshape(landmarks, (-1, 3)):
        array[((world - point) ** 2).sum(axis=-1) < 8**2] = 80.0
    return np.asarray(array, dtype=np.float32)


def grid_around_origin(
    shape: tuple[int, int, int], spacing_whd: tuple[float, float, float], turn: npt.ArrayLike
) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(turn) @ np.diag(spacing_whd)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape[::-1]) - 1) / 2)
    return Grid(shape, affine)


def stored(volume: Volume, order: tuple[int, ...], flips: tuple[bool, ...]) -> Volume:
    """The same scan with its array axes in another order and direction."""
    array, affine = volume.array, volume.grid.affine.copy()
    for axis, flip in enumerate(flips):
        if flip:
            column = 2 - axis
            affine[:3, 3] += affine[:3, column] * (array.shape[axis] - 1)
            affine[:3, column] *= -1
            array = np.flip(array, axis)
    array = array.transpose(order)
    columns = [2 - axis for axis in order][::-1]
    affine[:, :3] = affine[:, columns]
    shape = (array.shape[0], array.shape[1], array.shape[2])
    return Volume(np.ascontiguousarray(array), Grid(shape, affine), volume.name)


ORIENTATIONS = list(product(permutations(range(3)), product((False, True), repeat=3)))


@pytest.mark.parametrize(("order", "flips"), ORIENTATIONS[::5])
def test_however_it_is_stored_the_image_is_the_same(
    order: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    tilt = Rotation.from_euler("x", 18, degrees=True).as_matrix()
    grid = grid_around_origin((30, 90, 80), (2.0, 2.0, 5.0), tilt)
    volume = Volume(head(grid, (20, 30, 10)), grid)
    expected = preprocess(volume, ANATOMY, SHAPE)
    found = preprocess(stored(volume, order, flips), ANATOMY, SHAPE)
    np.testing.assert_array_equal(found.image, expected.image)
    assert found.grid.same_as(expected.grid, 1e-9)


def test_axes_run_left_posterior_superior() -> None:
    turn = Rotation.from_euler("xyz", [25, -20, 15], degrees=True).as_matrix()
    for order, flips in ORIENTATIONS:
        grid = grid_around_origin((30, 40, 50), (2.0, 2.5, 3.0), turn)
        volume = stored(Volume(head(grid), grid), order, flips)
        view, found = canonical(volume.array, volume.grid)
        assert view.shape == found.shape == (30, 40, 50)
        assert (np.diag(found.affine)[:3] > 0).all()
        np.testing.assert_allclose(found.affine, grid.affine, atol=1e-9)


@settings(max_examples=25)
@given(
    angles=st.tuples(*[st.floats(-30, 30)] * 3),
    spacing=st.tuples(st.floats(1.5, 2.5), st.floats(1.5, 2.5), st.floats(3, 6)),
    which=st.sampled_from(ORIENTATIONS),
    point=st.tuples(*[st.floats(-25, 25)] * 3),
)
def test_a_landmark_is_found_where_it_is(
    angles: tuple[float, float, float],
    spacing: tuple[float, float, float],
    which: tuple[tuple[int, ...], tuple[bool, ...]],
    point: tuple[float, float, float],
) -> None:
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    grid = grid_around_origin((48, 96, 96), spacing, turn)
    volume = stored(Volume(head(grid, point), grid), *which)
    ready = preprocess(volume, ANATOMY, (48, 80, 64))
    bright = np.where(ready.image > 100, ready.image.astype(np.float64) - 28, 0)  # 28 is 0 HU
    index = [(axis * bright).sum() / bright.sum() for axis in np.indices(bright.shape)]
    found = ready.grid.index_to_world(np.array(index))
    original = np.where(volume.array == 80)
    truth = volume.grid.index_to_world(np.mean(original, axis=1))
    assert np.linalg.norm(found - truth) < min(ready.grid.spacing)
    assert np.abs((found - truth) / max(grid.spacing)).max() < 1


def test_the_window_is_linear_and_eight_bit() -> None:
    grid = grid_around_origin((16, 64, 64), (3, 3, 8), np.eye(3))
    array = head(grid)
    inside = array == 0
    for hu, expected in ((-10, 0), (35, 128), (80, 255), (500, 255), (-100, 0), (0, 28)):
        image = preprocess(Volume(np.where(inside, hu, array), grid), ANATOMY, SHAPE).image
        assert image.dtype == np.uint8
        assert image[12, 20, 16] == expected


def test_the_box_leaves_the_head_holder_out() -> None:
    grid = grid_around_origin((20, 160, 160), (1.5, 1.5, 5.0), np.eye(3))
    array = head(grid)
    expected = head_box(array, grid, ANATOMY)
    array[:, 150:154, 5:155] = 200.0  # a plate of 6 mm below
    array[:, 20:150, 3:6] = 200.0  # and one of 4.5 mm beside
    array[:, 128:150, 80] = 200.0  # joined to the head
    assert head_box(array, grid, ANATOMY) == expected


def test_the_box_fits_the_head() -> None:
    grid = grid_around_origin((40, 160, 160), (1.5, 1.5, 4.0), np.eye(3))
    array = head(grid)
    low, high = head_box(array, grid, ANATOMY)
    for axis, where in enumerate(np.nonzero(array > -200)):
        slack = 4.5 / grid.spacing[axis] + 1
        assert where.min() - slack <= low[axis] <= where.min() + 1
        assert where.max() <= high[axis] <= where.max() + 1 + slack


def test_a_scan_without_air_is_used_whole() -> None:
    grid = grid_around_origin((8, 20, 30), (5, 5, 5), np.eye(3))
    box = head_box(np.zeros(grid.shape, np.float32), grid, ANATOMY)
    assert box == ((0, 0, 0), grid.shape)


def test_no_head_is_an_input_error() -> None:
    grid = grid_around_origin((8, 64, 64), (3, 3, 5), np.eye(3))
    air = np.full(grid.shape, -1000, np.float32)
    with pytest.raises(InputError, match="case7: no head found"):
        preprocess(Volume(air, grid, "case7"), ANATOMY, SHAPE)
    air[4, 30, 30] = 1000  # a single bright voxel is not a head
    with pytest.raises(InputError, match="no head found"):
        preprocess(Volume(air, grid), ANATOMY, SHAPE)


def test_voxels_that_are_not_finite_are_refused() -> None:
    grid = grid_around_origin((8, 64, 64), (3, 3, 5), np.eye(3))
    for bad in (np.nan, np.inf, -np.inf):
        array = head(grid)
        array[4, 32, 32] = bad
        with pytest.raises(InputError, match="not finite"):
            preprocess(Volume(array, grid), ANATOMY, SHAPE)


def test_shrinking_averages_instead_of_dropping_voxels() -> None:
    grid = grid_around_origin((16, 256, 256), (0.75, 0.75, 5.0), np.eye(3))
    rng = np.random.default_rng(0)
    array = np.full(grid.shape, 35.0, np.float32) + rng.normal(0, 10, grid.shape).astype(np.float32)
    image = preprocess(Volume(array, grid), ANATOMY, (16, 64, 64)).image
    assert image.std() < 10 * (255 / 90) / 3


def random_grid(rng: np.random.Generator, oblique: bool) -> Grid:
    shape = (int(rng.integers(3, 9)), int(rng.integers(3, 9)), int(rng.integers(3, 9)))
    if oblique:
        turn = Rotation.random(rng=rng).as_matrix()
    else:
        turn = np.eye(3)[rng.permutation(3)] * rng.choice([-1.0, 1.0], 3)
    spacing = rng.uniform(0.7, 2.0, 3)
    grid = grid_around_origin(shape, (spacing[0], spacing[1], spacing[2]), turn)
    affine = grid.affine.copy()
    affine[:3, 3] += rng.uniform(-1, 1, 3)
    return Grid(shape, affine)


@pytest.mark.parametrize("oblique", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_maps_and_labels_agree_with_scipy(seed: int, oblique: bool) -> None:
    rng = np.random.default_rng(seed)
    source, target = random_grid(rng, False), random_grid(rng, oblique)
    maps = rng.random((2, *source.shape), dtype=np.float32)
    index = source.world_to_index(
        target.index_to_world(np.moveaxis(np.indices(target.shape), 0, -1))
    )
    index = np.moveaxis(index, -1, 0)
    limits = np.array(source.shape).reshape(3, 1, 1, 1)
    inside = ((index >= -0.5) & (index <= limits - 0.5)).all(axis=0)
    clear = (np.abs(index - np.floor(index) - 0.5) > 1e-3).all(axis=0)
    for channel, got in zip(maps, maps_on(maps, source, target), strict=True):
        expected = ndimage.map_coordinates(channel, index, order=1, mode="nearest") * inside
        np.testing.assert_allclose(got[clear], expected[clear], atol=1e-4)
    labels = rng.integers(0, 18, source.shape, dtype=np.uint8)
    expected = ndimage.map_coordinates(labels, index, order=0, mode="nearest") * inside
    got = labels_on(RegionMap(labels, source), target)
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got[clear], expected[clear])


def test_labels_come_back_from_the_model_grid() -> None:
    tilt = Rotation.from_euler("x", 18, degrees=True).as_matrix()
    grid = grid_around_origin((40, 120, 110), (1.5, 1.5, 4.0), tilt)
    array = head(grid)
    volume = stored(Volume(array, grid), (0, 1, 2), (True, False, True))
    world = volume.grid.index_to_world(np.moveaxis(np.indices(volume.grid.shape), 0, -1))
    labels = np.where(volume.array > -200, 1 + (world[..., 0] > 0) + 2 * (world[..., 1] > 0), 0)
    ready = preprocess(volume, ANATOMY, (60, 120, 100))
    there = labels_on(RegionMap(labels.astype(np.uint8), volume.grid), ready.grid)
    back = labels_on(RegionMap(there, ready.grid), volume.grid)
    for value in range(1, 5):
        a, b = back == value, labels == value
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.97


def test_the_head_is_found_in_real_scans(data_dir: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    for path in sorted((data_dir / "ct_ich" / "ct_scans").iterdir())[:3]:
        image = nibabel.load(path)
        array = np.ascontiguousarray(np.asarray(image.dataobj, dtype=np.float32).T)
        shape = (array.shape[0], array.shape[1], array.shape[2])
        volume = Volume(array, Grid(shape, np.diag([-1, -1, 1, 1]) @ image.affine))
        ready = preprocess(volume, ANATOMY, (80, 160, 160))
        sides = np.array(ready.grid.shape) * ready.grid.spacing
        assert (sides > [100, 150, 120]).all() and (sides < [200, 260, 240]).all()
        brain = ready.image[40:60, 60:100, 60:100]
        assert 60 < brain.mean() < 160


@pytest.mark.slow
def test_preprocessing_takes_a_fraction_of_a_second() -> None:
    grid = grid_around_origin((40, 512, 512), (0.45, 0.45, 4.0), np.eye(3))
    volume = Volume(head(grid), grid)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        preprocess(volume, ANATOMY, (80, 160, 160))
        times.append(time.perf_counter() - start)
    assert min(times) < 0.6
