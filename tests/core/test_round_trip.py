"""What the network says of a place comes back to that place, however the head was scanned."""

from __future__ import annotations

import numpy as np
import pytest
import torch  # noqa: F401  # before the fixture one_thread looks for it
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from crossdl.anatomy import load_anatomy
from crossdl.io.dicom import read_series
from crossdl.preprocessing import labels_on, maps_on, preprocess
from crossdl.types import RegionMap

ANATOMY = load_anatomy("head_ct")
SHAPE = (40, 80, 64)
RADII = np.array([62.0, 78.0, 55.0])
BALL = 9.0  # radius of the landmark in mm


def centre_of(weight: np.ndarray, grid) -> np.ndarray:
    """Centre of mass in world mm."""
    index = np.stack([(axis * weight).sum() / weight.sum() for axis in np.indices(weight.shape)])
    return grid.index_to_world(index)


@settings(max_examples=4)
@given(
    angles=st.tuples(st.floats(-15, 15), st.floats(-15, 15), st.floats(-25, 25)),
    tilt=st.floats(-22, 22),
    pixel=st.floats(2.2, 3.0),
    gaps=st.sampled_from([(4.0, 4.0), (5.0, 5.0), (3.0, 6.0), (2.5, 7.0)]),
    turned=st.booleans(),
    upwards=st.booleans(),
    point=st.tuples(*[st.floats(-25, 25)] * 3),
)
def test_a_landmark_comes_back(
    tmp_path_factory, dicom_writer, angles, tilt, pixel, gaps, turned, upwards, point
):
    """Slices to volume to network's input to half-size map to volume: less than one voxel off."""
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    axes = dicom_writer.tilted_axes(tilt) @ turn.T
    if turned:  # rows run to posterior and columns to the right
        axes = np.stack([axes[1], -axes[0]])
    heights = np.concatenate([np.arange(-70.0, 0.0, gaps[0]), np.arange(0.0, 70.0, gaps[1])])
    side = 64
    corner = -(side - 1) / 2 * pixel * (axes[0] + axes[1])
    positions = corner + np.outer(heights if upwards else heights[::-1], turn[:, 2])

    def head(world):
        hu = np.where(((world @ turn / RADII) ** 2).sum(axis=-1) < 1, 0.0, -1000.0)
        return np.where(np.linalg.norm(world - point, axis=-1) < BALL, 80.0, hu)

    folder = tmp_path_factory.mktemp("head")
    dicom_writer.write_series(
        folder,
        positions,
        axes=axes,
        shape=(side, side),
        pixel=(pixel, pixel),
        field=head,
        SliceThickness=max(gaps),
    )
    volume = read_series(folder, "CT")
    ready = preprocess(volume, ANATOMY, SHAPE)

    bright = np.where(ready.image > 60, ready.image.astype(np.float32) - 28, 0)  # 28 is 0 HU
    d, h, w = (n // 2 for n in SHAPE)
    half = bright.reshape(d, 2, h, 2, w, 2).mean(axis=(1, 3, 5))
    map_grid = ready.grid.strided((2, 2, 2))
    back = maps_on(half[None], map_grid, volume.grid)[0]
    labels = labels_on(RegionMap((half > 20).astype(np.uint8), map_grid), volume.grid)

    there = np.where(volume.array > 20, volume.array, 0)  # the landmark in the scan itself
    truth = centre_of(there, volume.grid)
    assert np.linalg.norm(truth - point) < max(volume.grid.spacing)
    voxel = min(ready.grid.spacing)
    for found in (centre_of(bright, ready.grid), centre_of(half, map_grid)):
        assert np.linalg.norm(found - truth) < voxel
    assert back.shape == labels.shape == volume.array.shape
    coarser = max(*map_grid.spacing, *volume.grid.spacing)  # labels are cut to whole voxels
    for found, limit in ((back, min(map_grid.spacing)), (labels.astype(np.float32), coarser)):
        assert np.linalg.norm(centre_of(found, volume.grid) - truth) < limit


@pytest.mark.parametrize("seed", range(5))
def test_places_of_the_input_are_places_of_the_patient(tmp_path, dicom_writer, seed):
    """The affine alone: a field that is linear in space has its value at each voxel's place."""
    rng = np.random.default_rng(seed)
    turn = Rotation.from_euler("xyz", rng.uniform(-15, 15, 3), degrees=True).as_matrix()
    axes = dicom_writer.tilted_axes(rng.uniform(-20, 20)) @ turn.T
    heights = np.arange(-60.0, 60.0, 4.0)
    corner = -31.5 * 2.5 * (axes[0] + axes[1])
    slope = rng.normal(size=3)
    slope *= 0.3 / np.linalg.norm(slope)

    def field(world):
        inside = (np.abs(world @ turn) < (55, 60, 50)).all(axis=-1)
        return np.where(inside, 35.0 + world @ slope, -1000.0)

    dicom_writer.write_series(
        tmp_path,
        corner + np.outer(heights, turn[:, 2]),
        axes=axes,
        shape=(64, 64),
        pixel=(2.5, 2.5),
        field=field,
    )
    ready = preprocess(read_series(tmp_path, "CT"), ANATOMY, SHAPE)
    world = ready.grid.index_to_world(np.moveaxis(np.indices(SHAPE), 0, -1))
    deep = (np.abs(world @ turn) < (40, 45, 35)).all(axis=-1)
    hu = ready.image[deep] / 255 * 90 - 10
    assert deep.sum() > 5000
    assert np.abs(hu - (35.0 + world[deep] @ slope)).max() < 0.5  # 1.7 mm along the slope
