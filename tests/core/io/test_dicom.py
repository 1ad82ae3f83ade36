"""Geometry: every voxel of the volume is where ImagePositionPatient says."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdl.io.dicom import check_complete
from crossdl.io.dicom_files import files_of
from crossdl.io.dicom_headers import read_headers
from crossdl.io.dicom_stacks import stack_of
from crossdl.io.stacking import STRAIGHT_PIXELS
from crossdl.io.volumes import read_volume
from crossdl.types import Volume


@pytest.fixture(scope="session")
def tilted_folder(data_dir: Path) -> Path:
    return data_dir / "head_dicom" / "ge_tilted"


@pytest.fixture(scope="session")
def tilted(tilted_folder: Path) -> Volume:
    return read_volume(tilted_folder)


def sample(volume: Volume, world: np.ndarray) -> np.ndarray:
    """HU at LPS positions by trilinear interpolation; NaN outside the grid."""
    from scipy.ndimage import map_coordinates

    index = volume.grid.world_to_index(world)
    inside = np.clip(index, 0, np.array(volume.grid.shape) - 1)
    index = np.moveaxis(np.where(np.abs(index - inside) < 1e-3, inside, index), -1, 0)
    return map_coordinates(volume.array, index, order=1, cval=np.nan)


def voxels(path: Path, step: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """World positions and HU of one DICOM slice, by the standard's own equation (C.7.6.2.1-1)."""
    import pydicom

    data = pydicom.dcmread(path)
    row, column = np.reshape([float(x) for x in data.ImageOrientationPatient], (2, 3))
    position = np.array([float(x) for x in data.ImagePositionPatient])
    h, w = np.mgrid[0 : data.Rows : step, 0 : data.Columns : step][..., None]
    world = (
        position + w * float(data.PixelSpacing[1]) * row + h * float(data.PixelSpacing[0]) * column
    )
    hu = data.pixel_array[::step, ::step] * float(data.RescaleSlope) + float(data.RescaleIntercept)
    return world, np.maximum(hu, -1024)


def test_even_series_is_taken_as_it_is(tmp_path, write_series, dicom_writer):
    paths = write_series(tmp_path, dicom_writer.even(6), order=[3, 1, 5, 0, 4, 2])
    volume = read_volume(tmp_path)
    assert volume.meta["resampled"] is False
    assert volume.array.shape == (6, 24, 32) and volume.grid.spacing == (5.0, 1.5, 1.0)
    for k, path in enumerate(paths):
        world, hu = voxels(path)
        np.testing.assert_allclose(volume.grid.world_to_index(world)[..., 0], k, atol=1e-6)
        np.testing.assert_allclose(volume.array[k], hu, atol=1e-3)


@pytest.mark.parametrize("downwards", [False, True])
def test_even_series_equals_simpleitk(tmp_path, write_series, dicom_writer, downwards):
    import SimpleITK as sitk

    axes = np.array([[0.8, 0.6, 0.0], [0.6, -0.8, 0.0]]) if downwards else np.eye(3)[:2]
    write_series(tmp_path, dicom_writer.even(7, 3.0), axes=axes, numbers=range(7, 0, -1))
    volume = read_volume(tmp_path)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    image = reader.Execute()
    np.testing.assert_allclose(volume.array, sitk.GetArrayFromImage(image), atol=1e-3)
    for index in [(0, 0, 0), (31, 0, 0), (0, 23, 0), (0, 0, 6)]:
        np.testing.assert_allclose(
            volume.grid.index_to_world(index[::-1]),
            image.TransformIndexToPhysicalPoint(index),
            atol=1e-4,
        )


@settings(max_examples=15)
@given(
    tilt=st.floats(-25, 25),
    gaps=st.lists(st.sampled_from([1.1, 4.0, 4.8, 7.0]), min_size=3, max_size=8),
    seed=st.integers(0, 1000),
)
def test_tilted_uneven_phantom_keeps_its_place(
    tmp_path_factory, write_series, dicom_writer, tilt, gaps, seed
):
    """A linear field of the world position comes back to within 1 HU wherever it was imaged."""
    folder = tmp_path_factory.mktemp("phantom")
    heights = np.concatenate([[0.0], np.cumsum(gaps)])
    positions = np.array([-14.0, -16.0, 20.0]) + np.outer(heights, [0.0, 0.0, 1.0])
    order = np.random.default_rng(seed).permutation(len(positions)).tolist()
    paths = write_series(
        folder,
        positions,
        axes=dicom_writer.tilted_axes(tilt),
        order=order,
        numbers=[None] * len(positions),
        change=lambda k, data: data.pop("SliceThickness"),
    )
    volume = read_volume(folder, allow_missing_slices=True)
    grid = volume.grid
    direction = grid.affine[:3, :3] / grid.spacing[::-1]
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-6)
    assert volume.meta["tilt_degrees"] == pytest.approx(abs(tilt), abs=0.01)

    # every imaged voxel is inside the grid, but for a shift that is taken as none
    slack = 1e-4 if volume.meta["resampled"] else STRAIGHT_PIXELS
    for path in paths:
        index = grid.world_to_index(voxels(path)[0])
        assert (index[..., 0] > -1e-4).all() and (index[..., 1:] > -slack).all()
        assert (index[..., 1:] < np.array(grid.shape[1:]) - 1 + slack).all()
        assert (index[..., 0] < grid.shape[0] - 1 + 0.05).all()

    axes = dicom_writer.tilted_axes(tilt)
    normal = np.cross(*axes)
    centres = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    world = grid.index_to_world(centres)
    depth = (world - positions[0]) @ normal
    down = (world - positions[0]) @ axes[1]
    right = (world - positions[0]) @ axes[0]
    offsets = (positions - positions[0]) @ axes[1]
    depths = (positions - positions[0]) @ normal
    imaged = (right >= 0) & (right <= 31.0) & (depth <= depths[-1])
    for offset in (offsets.min(), offsets.max()):  # inside the field of view of every slice
        imaged &= (down >= offset - 1e-4) & (down <= offset + 1.5 * 23 + 1e-4)
    assert imaged.any()
    truth = dicom_writer.smooth_field(world)
    assert np.abs(volume.array - truth)[imaged].max() < 1.0
    outside = (down < offsets.min() - 1.5) | (down > offsets.max() + 1.5 * 24)
    assert (volume.array[outside] == -1024).all()


def test_gantry_turned_about_another_axis(tmp_path, write_series, dicom_writer):
    """Slices may shift along the rows too."""
    axes = np.array([[np.cos(0.2), 0.0, np.sin(0.2)], [0.0, 1.0, 0.0]])
    write_series(tmp_path, dicom_writer.even(8), axes=axes)
    volume = read_volume(tmp_path)
    assert volume.meta["resampled"] and volume.grid.shape[1] == 24 and volume.grid.shape[2] > 32
    world = dicom_writer.even(8)[4] + np.array([[[10.0, 15.0, 2.0], [12.0, 7.0, 3.0]]])
    np.testing.assert_allclose(sample(volume, world), dicom_writer.smooth_field(world), atol=1.0)


def test_real_series_facts(tilted, tilted_folder):
    meta = tilted.meta
    assert meta["tilt_degrees"] == pytest.approx(18.5, abs=0.01)
    assert meta["gantry_tilt_tag"] == 18.5 and meta["resampled"] is True
    gaps = np.array(meta["gaps_mm"])
    np.testing.assert_allclose(gaps[:13], 4.0, atol=0.01)
    assert gaps[13] == pytest.approx(1.08, abs=0.01)
    np.testing.assert_allclose(gaps[14:], 7.0, atol=0.01)
    assert meta["slice_thickness_mm"] == [4.0] * 14 + [7.0] * 14
    assert meta["n_files"] == 28 and meta["warnings"] == [] and tilted.name == "ge_tilted"
    assert tilted.array.min() == -1024.0 and np.isfinite(tilted.array).all()
    assert tilted.grid.spacing[0] == pytest.approx(2.0, abs=0.01)
    for k, path in enumerate(sorted(tilted_folder.iterdir())):
        corners = voxels(path, step=511)[0]
        index = tilted.grid.world_to_index(corners)
        np.testing.assert_allclose(
            index[..., 0] * tilted.grid.spacing[0], meta["slice_positions_mm"][k], atol=1e-3
        )
        assert (index[..., 1:] > -1e-4).all()
        assert (index[..., 1:] < np.array(tilted.grid.shape[1:]) - 1 + 1e-4).all()


def test_real_slices_are_at_their_position(tilted, tilted_folder):
    """Each original slice fits best where its header says, not half a millimetre beside."""
    index = tilted.grid.index_to_world
    down = index([0, 1, 0]) - index([0, 0, 0])
    right = index([0, 0, 1]) - index([0, 0, 0])
    paths = sorted(tilted_folder.iterdir())
    for path in paths[1:-1:3]:
        world, hu = voxels(path, step=2)
        soft = (hu > -300) & (hu < 1000)

        def error(shift, world=world, hu=hu, soft=soft):
            return np.nanmean(np.abs(sample(tilted, world[soft] + shift) - hu[soft]))

        here = error(0 * down)
        assert all(here < error(shift) for shift in (down, -down, right, -right)), path.name
        normal = np.cross(right, down) / np.linalg.norm(np.cross(right, down))
        assert here < error(2.0 * normal) and here < error(-2.0 * normal), path.name


def test_real_slices_on_grid_planes_are_unchanged(tilted, tilted_folder):
    """The 14 slices of 4 mm lie on planes of the grid: only the in-plane shift interpolates."""
    paths = sorted(tilted_folder.iterdir())
    world, hu = voxels(paths[0])
    np.testing.assert_allclose(sample(tilted, world), hu, atol=0.5)
    for path in paths[:14]:
        world, hu = voxels(path)
        brain = (hu > 0) & (hu < 80)
        difference = np.abs(sample(tilted, world) - hu)[brain]
        assert np.median(difference) < 2.0, path.name


def test_real_series_against_dcm2niix(tilted, tilted_folder, tmp_path):
    """Both tilt corrections put the head at the same place.

    Both write an orthogonal grid with rows padded for the tilt. They differ in the step along the
    normal: dcm2niix divides the stack into 2.62 mm, so that it hits few of the original slices;
    ours takes the finer of the series' two spacings, 4.0 mm, so that the lower 14 slices, the
    posterior fossa, are not blurred by interpolation between slices, at the price of more
    interpolation in the 7 mm part. Outside the field of view dcm2niix leaves -1500, ours is air.
    """
    dcm2niix = pytest.importorskip("dcm2niix")
    subprocess.run(
        [dcm2niix.bin, "-z", "n", "-b", "n", "-f", "out", "-o", str(tmp_path), str(tilted_folder)],
        check=True,
        capture_output=True,
    )
    (path,) = tmp_path.glob("*Tilt*.nii")
    theirs = read_volume(path)
    index = np.stack(
        np.meshgrid(
            *[np.arange(0, n, s) for n, s in zip(theirs.array.shape, (1, 4, 4), strict=True)],
            indexing="ij",
        ),
        axis=-1,
    )
    hu = theirs.array[tuple(np.moveaxis(index, -1, 0))]
    ours = sample(tilted, theirs.grid.index_to_world(index))
    soft = (hu > -50) & (hu < 100) & np.isfinite(ours)
    assert soft.mean() > 0.1
    assert np.median(np.abs(ours - hu)[soft]) < 1.0
    for original in sorted(tilted_folder.iterdir())[:14]:
        world, truth = voxels(original, step=2)
        brain = (truth > 0) & (truth < 80)
        error = [
            np.nanmean(np.abs(sample(volume, world[brain]) - truth[brain]))
            for volume in (tilted, theirs)
        ]
        assert error[0] <= error[1] + 0.01, original.name


def test_meta_is_json_and_anonymous(tmp_path, write_series, dicom_writer):
    folder = tmp_path / "series"
    write_series(folder, dicom_writer.even(4), ConvolutionKernel="H31s", Manufacturer="Maker")
    volume = read_volume(folder)
    text = json.dumps({**volume.meta, "name": volume.name})
    assert volume.meta["convolution_kernel"] == "H31s" and volume.meta["manufacturer"] == "Maker"
    for secret in ("Secret", "SECRET", "2020", "1.2.3", "1.2.826"):
        assert secret not in text


@pytest.mark.parametrize("removed", range(28))
def test_missing_real_slice_is_found(tilted_folder, removed, real_headers):
    headers = [h for k, h in enumerate(real_headers) if k != removed]
    found = check_complete("real", *stack_of(headers), allow=True)
    if removed in (0, 27):  # an end that is missing cannot be known
        assert found == []
    else:
        assert f"InstanceNumber {removed + 1})" in found[0]


@pytest.fixture(scope="session")
def real_headers(tilted_folder):
    return read_headers(files_of(tilted_folder), "CT").slices


def test_real_series_is_complete(tilted_folder, real_headers):
    assert check_complete("real", *stack_of(real_headers)) == []


def test_reading_is_fast(tilted, tilted_folder):
    start = time.perf_counter()
    read_volume(tilted_folder)
    assert time.perf_counter() - start < 1.0
