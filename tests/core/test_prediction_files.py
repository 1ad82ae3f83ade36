"""Maps on the patient's grid: as by plain interpolation, to within the step they are stored in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from crossdl.anatomy import load_anatomy
from crossdl.geometry import largest_piece
from crossdl.io.volumes import read_labels
from crossdl.prediction_files import (
    HEATMAP_STEP,
    is_finished,
    maps_of_patient,
    region_labels,
    write_prediction,
)
from crossdl.preprocessing import maps_on
from crossdl.testing.heads import synthetic_head, with_values
from crossdl.types import Grid, Prediction, Volume

ANATOMY = load_anatomy("head_ct")
N, M = ANATOMY.n_regions, ANATOMY.n_types


def predicted(seed: int, grid: Grid) -> Prediction:
    """Smooth maps: noise that is enlarged twice as much as its grid."""
    rng = np.random.default_rng(seed)
    coarse = grid.strided((3, 3, 3))
    noise = rng.random((N + M, *coarse.shape), dtype=np.float32)
    maps = maps_on(noise, coarse, grid).clip(0, 1)
    s, d = maps[:N] ** 0.3, maps[N:]
    scores = (s[:, None] * d[None]).max(axis=(2, 3, 4))
    return Prediction(s, d, grid, scores, d.max(axis=(1, 2, 3)))


def turned(volume: Volume, degrees: float) -> Volume:
    """The same voxels in a patient who holds the head askew."""
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_euler("xz", [degrees, 5.0], degrees=True).as_matrix()
    return Volume(volume.array, Grid(volume.grid.shape, turn @ volume.grid.affine))


@pytest.mark.parametrize("degrees", [0.0, 12.0])
def test_heatmaps_are_the_interpolated_maps_in_steps(degrees: float) -> None:
    head = synthetic_head((21, 72, 64))
    askew = turned(head, degrees)
    for volume, grid in (
        (askew, head.grid.strided((2, 3, 3))),
        (head, askew.grid.strided((2,) * 3)),
    ):
        prediction = predicted(1, grid)
        labels, heat = maps_of_patient(prediction, volume, ANATOMY)
        exact = maps_on(prediction.abnormality_maps, grid, volume.grid)
        assert heat.dtype == labels.dtype == np.uint8
        assert np.abs(heat * HEATMAP_STEP - exact).max() <= HEATMAP_STEP * 0.501
        assert labels.shape == volume.grid.shape and len(np.unique(labels)) > 10


def test_no_region_lies_in_air_or_outside() -> None:
    head = synthetic_head()
    far = head.grid.affine.copy()
    far[:3, 3] -= 40.0
    prediction = predicted(2, Grid((24, 40, 40), far @ np.diag([3.0, 3.0, 2.0, 1.0])))
    labels, _ = maps_of_patient(prediction, head, ANATOMY)
    assert labels.any()
    assert (head.array[labels > 0] > -500).mean() > 0.95
    air = with_values(head, np.full_like(head.array, -1000.0))
    assert not maps_of_patient(prediction, air, ANATOMY)[0].any()


@settings(max_examples=30)
@given(st.integers(0, 10**6))
def test_labels_are_the_largest_pieces(seed: int) -> None:
    maps = np.random.default_rng(seed).random((3, 4, 5, 6), dtype=np.float32)
    expected = np.zeros(maps.shape[1:], np.uint8)
    for region in range(3):
        mine = (maps.argmax(axis=0) == region) & (maps.max(axis=0) > 0.5)
        expected[largest_piece(mine)] = region + 1
    np.testing.assert_array_equal(region_labels(maps), expected)


def test_a_prediction_is_finished_when_it_is_the_one_asked_for(tmp_path: Path) -> None:
    head = synthetic_head((8, 24, 20))
    prediction = predicted(3, head.grid.strided((2, 2, 2)))
    assert not is_finished(tmp_path, {"a": 1}, maps=False)
    write_prediction(tmp_path, head, prediction, ANATOMY, maps=False, made_from={"a": 1})
    assert is_finished(tmp_path, {"a": 1}, maps=False)
    assert not is_finished(tmp_path, {"a": 1}, maps=True)
    assert not is_finished(tmp_path, {"a": 2}, maps=False)
    write_prediction(tmp_path, head, prediction, ANATOMY, made_from={"a": 1})
    assert is_finished(tmp_path, {"a": 1}, maps=True) and is_finished(
        tmp_path, {"a": 1}, maps=False
    )
    labels, grid = read_labels(tmp_path / "regions.nii.gz")
    assert grid.same_as(head.grid) and labels.any()
    assert len(list(tmp_path.iterdir())) == M + 4
    write_prediction(tmp_path, head, prediction, ANATOMY, maps=False, made_from={"a": 2})
    assert [path.name for path in tmp_path.iterdir()] == ["prediction.json"]
    (tmp_path / "prediction.json").write_text("{", encoding="utf-8")
    assert not is_finished(tmp_path, {"a": 1}, maps=False)
