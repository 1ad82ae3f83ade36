"""The plane of symmetry: found whatever the turn, the mirror, the field of view and the table."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from crossdl.anatomy import load_anatomy
from crossdl.io.volumes import read_volume
from crossdl.registration.images import REGISTRATION_WINDOW
from crossdl.registration.prepare import coarse_head
from crossdl.registration.symmetry import Method, Symmetry, symmetrise, turned
from crossdl.registration.upright import AIR_HU, upright
from crossdl.testing.heads import synthetic_head, with_values
from crossdl.types import Float64Array, Grid, Volume

TISSUE = load_anatomy("head_ct").tissue_threshold
METHODS: tuple[Method, ...] = ("annealing", "moments")
ANGLES = st.floats(-25, 25)
PLACES = st.floats(-20, 20)


@cache
def head() -> Volume:
    """Longer from front to back than the mirror plane is wide; a face and a lesion on one side."""
    plain = synthetic_head((40, 72, 72))
    index = np.stack(np.meshgrid(*map(np.arange, plain.grid.shape), indexing="ij"), axis=-1)
    x, y, z = np.moveaxis(plain.grid.index_to_world(index), -1, 0)
    array = plain.array.copy()
    array[(x / 14) ** 2 + ((y + 92) / 14) ** 2 + ((z + 25) / 20) ** 2 < 1] = 40.0
    array[((x - 40) / 16) ** 2 + (y / 20) ** 2 + ((z - 10) / 16) ** 2 < 1] = 70.0
    return with_values(plain, array)


def move(angles: tuple[float, float, float], place: tuple[float, float, float]) -> Float64Array:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    matrix[:3, 3] = place
    return matrix


def moved(volume: Volume, matrix: Float64Array) -> Volume:
    return Volume(volume.array, Grid(volume.grid.shape, matrix @ volume.grid.affine), "moved")


def search(volume: Volume, method: Method = "moments", seed: int = 0) -> Symmetry:
    _, coarse, mask = coarse_head(volume, REGISTRATION_WINDOW, TISSUE)
    return symmetrise(coarse, mask, REGISTRATION_WINDOW[0], method=method, seed=seed)


def off(found: Symmetry, matrix: Float64Array) -> tuple[float, float]:
    """Degrees between the planes; mm from the found centre to the true plane."""
    normal = matrix[:3, 0]
    cosine = float(turned(found.yaw, found.roll)[:, 0] @ normal)
    return float(np.rad2deg(np.arccos(min(1.0, cosine)))), float(
        abs((found.centre - matrix[:3, 3]) @ normal)
    )


@settings(max_examples=6, derandomize=True)
@given(
    angles=st.tuples(ANGLES, ANGLES, ANGLES),
    place=st.tuples(PLACES, PLACES, PLACES),
    method=st.sampled_from(METHODS),
)
def test_a_known_turn_is_found(
    angles: tuple[float, float, float], place: tuple[float, float, float], method: Method
) -> None:
    matrix = move(angles, place)
    degrees, mm = off(search(moved(head(), matrix), method), matrix)
    assert degrees < 1.5
    assert mm < 1.5


@settings(max_examples=4, derandomize=True)
@given(angles=st.tuples(ANGLES, ANGLES, ANGLES), place=st.tuples(PLACES, PLACES, PLACES))
def test_the_mirror_image_of_a_scan_has_the_mirrored_pose(
    angles: tuple[float, float, float], place: tuple[float, float, float]
) -> None:
    scan = moved(head(), move(angles, place))
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    one, other = search(scan), search(moved(scan, mirror))
    assert np.rad2deg(one.yaw + other.yaw) == pytest.approx(0.0, abs=0.5)
    assert np.rad2deg(one.roll + other.roll) == pytest.approx(0.0, abs=0.5)
    assert one.score == pytest.approx(other.score, abs=0.005)
    np.testing.assert_allclose(one.centre * [-1, 1, 1], other.centre, atol=1.0)


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_bits(method: Method) -> None:
    scan = moved(head(), move((5, -12, 17), (10, 0, -5)))
    one, other = (search(scan, method, seed=3) for _ in range(2))
    assert one.matrix.tobytes() == other.matrix.tobytes()
    assert (one.score, one.evaluations) == (other.score, other.evaluations)


def test_another_seed_or_method_ends_in_the_same_place() -> None:
    scan = moved(head(), move((5, -12, 17), (10, 0, -5)))
    one, other = search(scan, "annealing", 7), search(scan, "moments")
    np.testing.assert_allclose(one.matrix[:3, :3], other.matrix[:3, :3], atol=0.02)


def test_a_face_turned_far_aside() -> None:
    matrix = move((-5, 5, -52), (0, 0, 0))
    degrees, _ = off(search(moved(head(), matrix), "moments"), matrix)
    assert degrees < 2.0


def test_signs_of_yaw_and_roll() -> None:
    yaw, roll = np.deg2rad(12.0), np.deg2rad(7.0)
    left, _, up = turned(yaw, 0.0).T
    assert left[1] > 0, "with the face to the left, the left side goes back"
    assert turned(0.0, roll)[0, 2] > 0, "with the top to the left, up leans to the left"
    assert up[2] == pytest.approx(1.0)
    found = search(moved(head(), move((0, 7, 12), (0, 0, 0))))
    assert (found.yaw, found.roll) == pytest.approx((yaw, roll), abs=0.02)


@pytest.mark.parametrize("part", ["slab", "table", "neck", "cut_side"])
def test_what_real_scans_are_like(part: str) -> None:
    """Slices end inside the head; a table below; a neck; an ear outside the field of view."""
    volume, array = head(), head().array.copy()
    keep = slice(None)
    if part == "table":
        array[:, -3:-1, 8:52] = 200.0
    if part == "slab":
        keep = slice(15, 35)
    if part == "neck":
        below = np.full((20, 72, 72), -1000.0, dtype=np.float32)
        below[:, 30:60, 15:38] = 40.0  # bent to one side
        array = np.concatenate([below, array])
    affine = volume.grid.affine.copy()
    first = -20 if part == "neck" else (keep.start or 0)
    affine[:3, 3] = volume.grid.index_to_world([first, 0, 0])
    array = array[keep]
    if part == "cut_side":
        array = array[..., 10:]
        affine[:3, 3] = volume.grid.index_to_world([0, 0, 10])
    cut = Volume(np.ascontiguousarray(array), Grid(array.shape, affine), part)
    matrix = move((10, 8, -14), (5, 5, 5))
    for method in METHODS:
        degrees, mm = off(search(moved(cut, matrix), method), matrix)
        assert degrees < 2.5, method
        assert mm < 2.5, method


def test_a_lopsided_head_has_a_low_score() -> None:
    array = head().array.copy()
    array[:, :, :23] = -1000.0  # a third of the head is missing
    assert search(with_values(head(), array)).score < search(head()).score - 0.05


def test_upright_volume_is_symmetric_and_centred() -> None:
    matrix = move((0, 11, -16), (30, -10, 500))
    scan = moved(head(), matrix)
    turned_scan, symmetry = upright(
        scan, window=REGISTRATION_WINDOW, tissue_threshold=TISSUE, method="moments"
    )
    array, grid = turned_scan.array, turned_scan.grid
    np.testing.assert_allclose(grid.affine[:3, :3], np.diag(np.diag(grid.affine)[:3]), atol=1e-9)
    assert (np.diag(grid.affine)[:3] > 0).all()
    middle = grid.index_to_world((np.array(grid.shape) - 1) / 2)
    assert middle[0] == pytest.approx(0.0, abs=1e-9)
    before = (scan.array > -480).sum() * np.prod(scan.grid.spacing)
    after = (array > -480).sum() * np.prod(grid.spacing)
    assert after == pytest.approx(before, rel=0.02), "no part of the head is lost"
    mass = grid.index_to_world(np.argwhere(array > TISSUE).mean(axis=0))
    assert abs(mass[0]) < 1.0
    windowed = array.clip(*REGISTRATION_WINDOW).ravel()
    flipped = array[..., ::-1].clip(*REGISTRATION_WINDOW).ravel()
    assert np.corrcoef(windowed, flipped)[0, 1] > 0.95
    assert array.min() >= AIR_HU - 20
    voxels = np.argwhere((scan.array > 58) & (scan.array < 82))
    world = scan.grid.index_to_world(voxels) @ symmetry.matrix[:3, :3].T + symmetry.matrix[:3, 3]
    there = np.rint(grid.world_to_index(world)).astype(int)
    lesion = array[tuple(there.T)].mean()
    assert lesion == pytest.approx(70.0, abs=6.0), "the matrix leads from the scan to the result"


@pytest.mark.parametrize("scan", ["ct_ich/ct_scans/051.nii.gz", "head_dicom/ge_tilted"])
@pytest.mark.parametrize("direction", ["as it is", "turned"])
def test_a_real_scan_is_found_again_after_a_turn(
    data_dir: Path, scan: str, direction: Literal["as it is", "turned"]
) -> None:
    volume = read_volume(data_dir / scan)
    first = search(volume)
    assert first.score > 0.8
    if direction == "as it is":
        other = search(volume, "annealing")
        np.testing.assert_allclose(first.matrix[:3, :3], other.matrix[:3, :3], atol=0.02)
        return
    matrix = move((15, -10, 20), (5, 5, 5))
    degrees, mm = off(search(moved(volume, matrix @ first.matrix)), matrix)
    assert degrees < 1.0
    assert mm < 1.0
