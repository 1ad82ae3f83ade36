"""Enhanced multi-frame CT is the same volume as the slices it was made of."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from crossdl.errors import InputError
from crossdl.io.dicom import read_series_files
from crossdl.io.volumes import read_volume


def per_slice_slope(k, data):
    stored = np.frombuffer(data.PixelData, "<i2")
    data.RescaleSlope = 0.1 * (k + 1)
    data.PixelData = (stored // (k + 1)).astype("<i2").tobytes()


@pytest.mark.parametrize("syntax", [None, RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("tilt", [0.0, 18.0])
def test_frames_equal_slices(tmp_path, write_series, dicom_writer, syntax, tilt):
    paths = write_series(
        tmp_path / "slices",
        dicom_writer.even(6),
        axes=dicom_writer.tilted_axes(tilt),
        shape=(64, 48),
        change=per_slice_slope,
    )
    shuffled = [paths[k] for k in (4, 0, 3, 5, 1, 2)]
    target = tmp_path / "enhanced" / "all.dcm"
    dicom_writer.to_enhanced(shuffled, target, syntax=syntax)
    expected, found = (read_volume(tmp_path / name) for name in ("slices", "enhanced"))
    np.testing.assert_array_equal(found.array, expected.array)
    assert found.grid.same_as(expected.grid, 1e-6)
    assert found.meta["tilt_degrees"] == pytest.approx(tilt, abs=0.01)
    assert found.meta["n_files"] == 1 and found.meta["slice_thickness_mm"] == [5.0] * 6


def test_orientation_of_each_frame(tmp_path, write_series, dicom_writer):
    """A frame in another orientation is left out, as a slice would be."""

    def turn(k, data):
        if k == 5:
            data.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]

    paths = write_series(tmp_path / "slices", dicom_writer.even(6), change=turn)
    dicom_writer.to_enhanced(paths, tmp_path / "enhanced" / "all.dcm")
    found = read_volume(tmp_path / "enhanced")
    assert found.array.shape[0] == 5
    assert "another orientation" in found.meta["warnings"][0]


def test_localizer_frames_are_left_out(tmp_path, write_series, dicom_writer):
    def scout(k, data):
        if k == 0:
            data.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]

    paths = write_series(tmp_path / "slices", dicom_writer.even(6), change=scout)
    dicom_writer.to_enhanced(paths, tmp_path / "enhanced" / "all.dcm")
    assert read_volume(tmp_path / "enhanced").array.shape[0] == 5


def test_series_in_several_enhanced_files(tmp_path, write_series, dicom_writer):
    paths = write_series(tmp_path / "slices", dicom_writer.even(8))
    for name, part in (("b", paths[:5]), ("a", paths[5:])):
        dicom_writer.to_enhanced(part, tmp_path / "enhanced" / f"{name}.dcm")
    expected, found = (read_volume(tmp_path / name) for name in ("slices", "enhanced"))
    np.testing.assert_array_equal(found.array, expected.array)
    assert found.meta["n_files"] == 2


def without(name):
    def change(data):
        holders = [*data.SharedFunctionalGroupsSequence, *data.PerFrameFunctionalGroupsSequence]
        for holder in holders:
            if name in holder:
                del holder[name]

    return change


def fewer_frames(data):
    del data.PerFrameFunctionalGroupsSequence[2]


def more_frames(data):
    data.NumberOfFrames = 900


def cut_pixels(data):
    data.PixelData = data.PixelData[:-1000]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("PlanePositionSequence"), ["frame 1", "ImagePositionPatient"]),
        (without("PlaneOrientationSequence"), ["frame 1", "ImageOrientationPatient"]),
        (without("PixelMeasuresSequence"), ["frame 1", "PixelSpacing"]),
        (without("PixelValueTransformationSequence"), ["frame 1", "HU are unknown"]),
        (fewer_frames, ["5 frames and describes 4"]),
        (more_frames, ["900 frames and describes 5"]),
        (cut_pixels, ["truncated"]),
    ],
)
def test_unusable_enhanced_files(tmp_path, write_series, dicom_writer, change, words):
    paths = write_series(tmp_path / "slices", dicom_writer.even(5))
    target = dicom_writer.to_enhanced(paths, tmp_path / "x" / "all.dcm", change=change)
    with pytest.raises(InputError) as caught:
        read_series_files([target], "CT", name="s1")
    assert all(word in str(caught.value) for word in words), caught.value
    assert str(caught.value).startswith("s1: file 1")


def test_legacy_converted_by_highdicom(tmp_path, write_series, dicom_writer):
    """An object that another library wrote."""
    legacy = pytest.importorskip("highdicom.legacy")

    def complete(k, data):
        data.PatientBirthDate, data.PatientSex, data.StudyID = "", "", "1"
        data.AccessionNumber, data.ReferringPhysicianName, data.StudyTime = "", "", "101010"
        data.PatientPosition, data.PositionReferenceIndicator = "HFS", ""
        data.Manufacturer, data.KVP, data.AcquisitionNumber = "Maker", "120", 1

    paths = write_series(tmp_path / "slices", dicom_writer.even(5), change=complete)
    target = tmp_path / "enhanced" / "all.dcm"
    target.parent.mkdir()
    converted = legacy.LegacyConvertedEnhancedCTImage(
        legacy_datasets=[pydicom.dcmread(path) for path in paths[::-1]],
        series_instance_uid=pydicom.uid.generate_uid(),
        series_number=3,
        sop_instance_uid=pydicom.uid.generate_uid(),
        instance_number=1,
    )
    converted.save_as(target)
    expected, found = (read_volume(tmp_path / name) for name in ("slices", "enhanced"))
    np.testing.assert_array_equal(found.array, expected.array)
    assert found.grid.same_as(expected.grid, 1e-6)


def test_a_group_of_unknown_value_representation(tmp_path, write_series, dicom_writer):
    """Found by fuzzing: pydicom raises on it only when the group is looked at."""
    paths = write_series(tmp_path / "slices", dicom_writer.even(5))

    def mark(data):
        for frame in data.PerFrameFunctionalGroupsSequence:
            frame.add_new((0x4F4D, 0x4F4E), "LO", "mark")

    target = dicom_writer.to_enhanced(paths, tmp_path / "x" / "all.dcm", change=mark)
    content = target.read_bytes()
    marked = b"\x4d\x4f\x4e\x4fLO"
    assert content.count(marked) == 5
    target.write_bytes(content.replace(marked, b"\x4d\x4f\x4e\x4fCH"))
    with pytest.raises(InputError, match="s1: file 1: its functional groups cannot be read"):
        read_series_files([target], "CT", name="s1")
