"""Every unusable series gets one sentence that names the file or folder and the remedy."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from crossdl.errors import InputError
from crossdl.io.volumes import read_volume


@pytest.fixture
def series(tmp_path, write_series, dicom_writer):
    """Writes an even series into ``tmp_path / name``; returns folder and files."""

    def write(name: str = "scan", count: int = 5, **options):
        folder = tmp_path / name
        return folder, write_series(folder, dicom_writer.even(count), **options)

    return write


def refused(path: Path, *words: str, modality: str = "CT") -> str:
    with pytest.raises(InputError) as caught:
        read_volume(path, modality)
    message = str(caught.value)
    assert "\n" not in message and str(path) in message
    for word in words:
        assert word in message, message
    return message


def test_empty_folder(tmp_path):
    refused(tmp_path, "no DICOM file", "give the folder of one series")


def test_folder_without_dicom_files(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing", encoding="utf-8")
    refused(tmp_path, "1 other files")


def test_absent_path(tmp_path):
    refused(tmp_path / "absent", "does not exist")


def test_single_file(series):
    _, paths = series()
    refused(paths[0], "single DICOM file", "folder")


def test_two_series(series, write_series, dicom_writer):
    folder, _ = series(SeriesDescription="HEAD 5mm")
    write_series(folder, dicom_writer.even(3), prefix="b", SeriesNumber=7)
    refused(folder, "2 series", "series 2 CT 'HEAD 5mm' 5 slices", "series 7 CT 3 slices")


def test_two_folders_of_series(series, tmp_path):
    series("a")
    series("b")
    refused(tmp_path, "2 folders", "a, b")


def test_only_subfolder_with_files_is_taken(series, tmp_path):
    series("deep/er")
    (tmp_path / "deep" / "DICOMDIR").write_text("not read", encoding="utf-8")
    (tmp_path / "other").mkdir()
    assert read_volume(tmp_path).array.shape[0] == 5


def test_other_modality(series):
    folder, _ = series(Modality="MR")
    refused(folder, "modality MR", "CT is needed")
    assert read_volume(folder, "MR").array.shape[0] == 5


@pytest.mark.parametrize("kept", [0.6, 0.999])
def test_truncated_pixels(series, kept):
    folder, paths = series()
    data = paths[2].read_bytes()
    paths[2].write_bytes(data[: int(len(data) * kept)])
    refused(folder, "02.dcm", "truncated", "again")


@pytest.mark.parametrize("size", [140, 200, 400, 700, 900])
def test_truncated_header(series, size):
    folder, paths = series()
    paths[2].write_bytes(paths[2].read_bytes()[:size])
    refused(folder, "02.dcm", "truncated", "again")


@pytest.mark.parametrize("content", ["a text that is no image\n" * 50, "", "short"])
def test_text_named_dcm(series, content):
    folder, _ = series()
    (folder / "note.dcm").write_text(content, encoding="utf-8")
    refused(folder, "note.dcm", "remove it")


def test_other_files_are_counted(series):
    folder, _ = series()
    for name in ("readme.txt", "info.json", "DICOMDIR", ".hidden.dcm"):
        (folder / name).write_text("text", encoding="utf-8")
    assert read_volume(folder).meta["n_ignored"] == 3


def test_report_object_is_ignored(series):
    folder, paths = series()
    data = pydicom.dcmread(paths[0])
    for keyword in ("Rows", "Columns", "PixelData"):
        del data[keyword]
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedSRStorage
    data.save_as(folder / "report.dcm")
    assert read_volume(folder).meta["n_ignored"] == 1


def test_missing_slice(series):
    folder, paths = series(count=8)
    paths[4].unlink()
    refused(folder, "missing", "10.0 mm", "InstanceNumber 5", "--allow-missing-slices")
    volume = read_volume(folder, allow_missing_slices=True)
    assert "InstanceNumber 5" in volume.meta["warnings"][0]
    assert volume.array.shape[0] == 15 and volume.meta["resampled"]


def test_missing_slice_without_numbers(series):
    folder, paths = series(count=8, numbers=[None] * 8)
    paths[4].unlink()
    refused(folder, "missing", "10.0 mm between 03.dcm and 05.dcm, 15.0 to 25.0 mm from the first")


def test_missing_slice_with_numbers_out_of_order(series):
    """Numbers that do not count along the stack do not say which slice is missing."""
    folder, paths = series(count=8, numbers=[1, 3, 5, 7, 2, 4, 6, 8])
    paths[4].unlink()
    text = refused(folder, "missing", "10.0 mm", "15.0 to 25.0 mm from the first slice")
    assert "InstanceNumber" not in text


def test_mixed_orientation(series, dicom_writer):
    def turn(k, data):
        if k == 3:
            data.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]

    folder, _ = series(change=turn)
    refused(folder, "missing", "02.dcm and 04.dcm")  # without the turned slice there is a hole


def test_mixed_size(series):
    def shrink(k, data):
        if k == 3:
            data.Rows, data.PixelData = 12, data.PixelData[: 12 * 32 * 2]

    refused(series(change=shrink)[0], "03.dcm", "Rows")


def test_mixed_spacing(series):
    def widen(k, data):
        if k == 3:
            data.PixelSpacing = [1.5, 1.1]

    refused(series(change=widen)[0], "03.dcm", "PixelSpacing")


@pytest.mark.parametrize("tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"])
def test_without_place(series, tag):
    refused(series(**{tag: None})[0], "00.dcm", tag, "original series")


def test_orientation_that_is_none(series):
    refused(series(ImageOrientationPatient=[0, 0, 0, 0, 0, 0])[0], "perpendicular")


def test_localizer_only(series):
    folder, _ = series(count=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    refused(folder, "localizer")


def test_one_slice(series):
    refused(series(count=1)[0], "only 1 slice")


def test_localizer_beside_the_series_is_left_out(series, write_series, dicom_writer):
    folder, _ = series()
    write_series(
        folder, dicom_writer.even(1), prefix="s", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    )
    volume = read_volume(folder)
    assert volume.array.shape[0] == 5 and "1 localizer" in volume.meta["warnings"][0]


def test_multi_frame(series):
    def twice(k, data):
        data.NumberOfFrames, data.PixelData = 2, data.PixelData * 2

    refused(series(change=twice)[0], "multi-frame", "one file per slice")


def test_colour(series):
    refused(series(SamplesPerPixel=3)[0], "colour")


def test_unreadable_compression(series):
    folder, paths = series()
    data = pydicom.dcmread(paths[1])
    data.file_meta.TransferSyntaxUID = pydicom.uid.MPEG2MPML
    data.PixelData = pydicom.encaps.encapsulate([b"\0" * 100])
    data["PixelData"].is_undefined_length = True
    data.save_as(paths[1])
    refused(folder, "01.dcm", "MPEG2", "uncompressed")


@pytest.mark.parametrize("tag", ["RescaleSlope", "RescaleIntercept"])
def test_without_rescale(series, tag):
    refused(series(**{tag: None})[0], "HU are unknown")


def test_rescaled_to_something_else(series):
    refused(series(RescaleType="Z_EFF")[0], "Z_EFF", "HU")


@pytest.mark.parametrize("tag", ["ConvolutionKernel", "ImageType"])
def test_text_that_is_a_tag(series, tag):
    """A damaged type of the value (AT) costs no scan where the value is not needed."""

    def damage(_, data):
        data[tag] = pydicom.DataElement(tag, "AT", 0x00080060)

    folder, paths = series(change=damage)
    assert read_volume(folder).array.shape[0] == len(paths)


@pytest.mark.parametrize("tag", ["ConvolutionKernel", "ImageType", "Manufacturer"])
def test_text_that_is_a_sequence(series, tag):
    """What lies in a sequence is no value of a text; it may be damaged itself, or name anyone."""

    def damage(_, data):
        inner = pydicom.Dataset()
        inner.PatientName = "Secret^Name"
        data[tag] = pydicom.DataElement(tag, "SQ", [inner])

    volume = read_volume(series(change=damage)[0])
    assert volume.array.shape[0] == 5 and "Secret" not in str(volume.meta)


@pytest.mark.parametrize("tag", ["PixelSpacing", "ImagePositionPatient"])
def test_numbers_that_are_a_tag(series, tag):
    def damage(_, data):
        data[tag] = pydicom.DataElement(tag, "AT", 0x00080060)

    refused(series(change=damage)[0], "00.dcm", f"no usable {tag}")


def test_equal_duplicates_are_dropped(series):
    folder, paths = series()
    shutil.copy(paths[1], folder / "copy.dcm")
    volume = read_volume(folder)
    assert volume.array.shape[0] == 5 and "1 slices" in volume.meta["warnings"][0]


def test_only_duplicates(series):
    folder, paths = series(count=1)
    shutil.copy(paths[0], folder / "copy.dcm")
    refused(folder, "only 1 slice")


def test_different_slices_at_one_place(series):
    folder, paths = series()
    data = pydicom.dcmread(paths[1])
    data.PixelData = np.zeros(24 * 32, dtype="<i2").tobytes()
    data.save_as(folder / "copy.dcm")
    refused(folder, "copy.dcm", "same position")


def test_slices_beside_each_other(tmp_path, write_series, dicom_writer):
    positions = dicom_writer.even(5)
    positions[3] = positions[2] + [40.0, 0.0, 0.0]
    write_series(tmp_path, positions)
    refused(tmp_path, "02.dcm and 03.dcm", "one plane")
