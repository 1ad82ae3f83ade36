"""NIfTI files: round trips, world coordinates, and refusals."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from crossdl.errors import InputError
from crossdl.io.volumes import read_labels, read_volume, write_ct, write_volume
from crossdl.types import Grid, Volume

RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def head(shape=(5, 6, 7)) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1000, 1000, shape).astype(np.float32)


def grid_of(shape=(5, 6, 7), mirrored=False, angles=(10.0, -20.0, 35.0)) -> Grid:
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine[:3, :3] = turn * [-0.5 if mirrored else 0.5, 0.75, 5.0]
    affine[:3, 3] = [-100.0, -120.5, 33.25]
    return Grid(shape, affine)


@settings(max_examples=20)
@given(
    mirrored=st.booleans(),
    angles=st.tuples(*[st.floats(-80, 80)] * 3),
    name=st.sampled_from(["a.nii", "b.nii.gz"]),
)
def test_round_trip(tmp_path_factory, mirrored, angles, name):
    path = tmp_path_factory.mktemp("nifti") / name
    grid = grid_of(mirrored=mirrored, angles=angles)
    write_volume(path, head(), grid)
    volume = read_volume(path)
    np.testing.assert_array_equal(volume.array, head())
    assert volume.grid.same_as(grid)
    assert volume.name == name[0]
    assert [p.name for p in path.parent.iterdir()] == [name]
    # another reader, by sform and by qform
    image = nib.load(path)
    np.testing.assert_array_equal(np.asarray(image.dataobj), head().T)
    (sform, s_code), (qform, q_code) = image.get_sform(coded=True), image.get_qform(coded=True)
    assert s_code > 0 and q_code > 0
    np.testing.assert_allclose(sform, RAS @ grid.affine, atol=1e-4)
    np.testing.assert_allclose(qform, RAS @ grid.affine, atol=5e-3)  # a float32 quaternion


def test_equal_input_gives_equal_bytes(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_volume(tmp_path / name, head(), grid_of())
    first, second = ((tmp_path / n).read_bytes() for n in ("a.nii.gz", "b.nii.gz"))
    assert first == second and first[4:8] == b"\0\0\0\0"  # gzip's time of modification


def test_types_in_the_file(tmp_path):
    path = tmp_path / "a.nii.gz"
    write_volume(path, head(), grid_of(), dtype=np.int16)
    assert nib.load(path).get_data_dtype() == np.int16
    write_volume(path, head() > 0, grid_of())
    assert nib.load(path).get_data_dtype() == np.uint8


def test_integers_can_stand_for_steps(tmp_path):
    steps = np.arange(210, dtype=np.uint8).reshape(5, 6, 7)
    write_volume(tmp_path / "a.nii.gz", steps, grid_of(), step=1 / 255)
    image = nib.load(tmp_path / "a.nii.gz")
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(image.dataobj.get_unscaled().T, steps)
    by_itk = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nii.gz")))
    for read in (np.asarray(image.dataobj).T, by_itk):
        np.testing.assert_allclose(read, steps / 255, atol=1e-6)


def test_a_ct_is_rounded_and_cut_to_what_the_file_can_hold(tmp_path):
    hu = np.array([[[-1000.4, 30.6], [40000.0, -40000.0]]] * 2, dtype=np.float32)
    write_ct(tmp_path / "ct.nii.gz", Volume(hu, Grid(hu.shape, np.eye(4))))
    stored = np.asarray(nib.load(tmp_path / "ct.nii.gz").dataobj).T
    assert stored.dtype == np.int16
    assert stored[0].tolist() == [[-1000, 31], [32767, -32768]]


def test_labels(tmp_path):
    path = tmp_path / "labels.nii.gz"
    labels = np.random.default_rng(1).integers(0, 18, (5, 6, 7)).astype(np.uint8)
    write_volume(path, labels, grid_of())
    found, grid = read_labels(path)
    np.testing.assert_array_equal(found, labels)
    assert found.dtype == np.uint8 and grid.same_as(grid_of())
    for bad in (labels + 0.5, labels.astype(np.int16) - 1, labels.astype(np.int16) + 250):
        write_volume(path, bad, grid_of())
        with pytest.raises(InputError, match="label map"):
            read_labels(path)


def test_wrong_arguments(tmp_path):
    sheared = np.eye(4)
    sheared[0, 1] = 0.5
    for array, grid in (
        (head()[0], grid_of()),
        (head((2, 6, 7)), grid_of()),
        (head(), Grid((5, 6, 7), sheared)),
    ):
        with pytest.raises(ValueError):
            write_volume(tmp_path / "a.nii.gz", array, grid)
    with pytest.raises(ValueError, match="must end in"):
        write_volume(tmp_path / "a.mha", head(), grid_of())
    assert list(tmp_path.iterdir()) == []


def save(path: Path, array: np.ndarray, affine: np.ndarray | None = None) -> Path:
    """Writes a file by nibabel; ``array`` is in its order (w, h, d, ...)."""
    nib.save(nib.Nifti1Image(array, RAS @ grid_of().affine if affine is None else affine), path)
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_volume(path)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    for word in words:
        assert word in message, message


def test_scaled_integers(tmp_path):
    image = nib.Nifti1Image(np.full((7, 6, 5), 900, np.int16), np.eye(4))
    image.header.set_slope_inter(2.0, -1024.0)
    array = np.asarray(image.dataobj).copy()
    array[0] = 0
    raw = nib.Nifti1Image(array, np.eye(4), image.header)
    nib.save(raw, tmp_path / "a.nii")
    with (tmp_path / "a.nii").open("r+b") as file:  # scl_slope, scl_inter
        file.seek(112)
        file.write(np.array([2.0, -1024.0], "<f4").tobytes())
    volume = read_volume(tmp_path / "a.nii")
    assert volume.array.max() == 900 * 2 - 1024 and volume.array.min() == -1024


def test_four_dimensions_of_one_image(tmp_path):
    path = save(tmp_path / "a.nii.gz", head().T[..., None])
    np.testing.assert_array_equal(read_volume(path).array, head())


def test_below_air_is_air(tmp_path):
    path = save(tmp_path / "a.nii.gz", head().T * 3)
    assert read_volume(path).array.min() == -1024
    assert read_volume(path, "MR").array.min() < -2000


def test_missing_file(tmp_path):
    refused(tmp_path / "absent.nii.gz", "does not exist")


def test_other_kind_of_file(tmp_path):
    path = tmp_path / "scan.png"
    path.write_bytes(b"\x89PNG" + b"\0" * 200)
    refused(path, "neither")


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize(
    "content",
    [b"", b"no image\n" * 100, gzip.compress(b"text" * 200, mtime=0)],
    ids=["empty", "text", "compressed text"],
)
def test_not_nifti(tmp_path, name, content, capfd):
    path = tmp_path / name
    path.write_bytes(content)
    refused(path, "not a NIfTI file")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kept", [0.5, 0.98])
def test_truncated(tmp_path, name, kept):
    path = save(tmp_path / name, head((20, 20, 20)).T)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    refused(path, "truncated", "again")


def test_damaged_gzip(tmp_path):
    path = save(tmp_path / "a.nii.gz", head((20, 20, 20)).T)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    refused(path, "damaged")


@pytest.mark.parametrize("shape", [(7, 6), (7, 6, 1), (7, 6, 5, 3), (7, 6, 5, 1, 3)])
def test_not_three_dimensions(tmp_path, shape):
    refused(save(tmp_path / "a.nii.gz", head(shape)), "one 3D image")


def test_complex_values(tmp_path):
    refused(save(tmp_path / "a.nii.gz", head().T.astype(np.complex64)), "complex")


def test_not_finite(tmp_path):
    array = head().T.copy()
    array[0, 0, :3] = [np.nan, np.inf, -np.inf]
    refused(save(tmp_path / "a.nii.gz", array), "3 voxels that are not finite")


def test_sheared(tmp_path):
    affine = RAS @ grid_of().affine
    affine[1, 2] += 1.5
    refused(save(tmp_path / "a.nii.gz", head().T, affine), "sheared")


def test_normalised(tmp_path):
    array = np.random.default_rng(0).uniform(0, 1, (7, 6, 5)).astype(np.float32)
    refused(save(tmp_path / "a.nii.gz", array), "not HU", "normalised")
    assert read_volume(tmp_path / "a.nii.gz", "MR").array.shape == (5, 6, 7)


def test_constant(tmp_path):
    refused(save(tmp_path / "a.nii.gz", np.full((7, 6, 5), 40.0)), "every voxel is 40")


def test_without_air_is_a_warning(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.abs(head().T) / 10)
    assert "air" in read_volume(path).meta["warnings"][0]


def test_unknown_sides_are_a_warning(tmp_path):
    image = nib.Nifti1Image(head().T, None)
    image.header.set_sform(None, 0)
    image.header.set_qform(None, 0)
    nib.save(image, tmp_path / "a.nii.gz")
    assert "left" in read_volume(tmp_path / "a.nii.gz").meta["warnings"][0]


def test_forms_that_disagree_are_a_warning(tmp_path):
    affine = RAS @ grid_of().affine
    image = nib.Nifti1Image(head().T, affine)
    image.set_sform(affine @ np.diag([-1, 1, 1, 1]), 1)
    image.set_qform(affine, 1)
    nib.save(image, tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz")
    assert "disagree" in volume.meta["warnings"][0]
    np.testing.assert_allclose(volume.grid.affine[:3, 0], -grid_of().affine[:3, 0], atol=1e-5)


def test_units_other_than_millimetres(tmp_path):
    affine = RAS @ grid_of().affine
    affine[:3] /= 1000
    image = nib.Nifti1Image(head().T, affine)
    image.header.set_xyzt_units("meter")
    nib.save(image, tmp_path / "a.nii.gz")
    assert read_volume(tmp_path / "a.nii.gz").grid.same_as(grid_of())


def test_nifti2(tmp_path):
    nib.save(nib.Nifti2Image(head().T, RAS @ grid_of().affine), tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    np.testing.assert_array_equal(volume.array, head())
    assert volume.grid.same_as(grid_of())


def test_equals_simpleitk(tmp_path):
    import SimpleITK as sitk

    image = sitk.ReadImage(str(save(tmp_path / "a.nii.gz", head().T)))
    volume = read_volume(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(volume.array, sitk.GetArrayFromImage(image))
    np.testing.assert_allclose(
        volume.grid.index_to_world([4, 5, 6]),
        image.TransformIndexToPhysicalPoint((6, 5, 4)),
        atol=1e-4,
    )


def test_real_scan(data_dir):
    volume = read_volume(data_dir / "ct_ich" / "ct_scans" / "049.nii.gz")
    assert volume.name == "049" and volume.array.dtype == np.float32
    assert volume.grid.spacing == pytest.approx((5.0, 0.74, 0.74), abs=1e-3)
