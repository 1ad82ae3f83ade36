"""A series given by its files: messages hold its name, and nothing of the files or the patient."""

from __future__ import annotations

import shutil

import numpy as np
import pydicom
import pytest

from crossdl.errors import InputError
from crossdl.io.dicom import read_series, read_series_files

SECRETS = ("Secret", "SECRET", "2020", "1.2.3", "1.2.826", ".dcm", "/", "hospital")


@pytest.fixture
def messy(tmp_path, write_series, dicom_writer):
    """Files of one series scattered over two folders, in no order."""
    paths = write_series(
        tmp_path / "hospital_a", dicom_writer.even(6), SeriesDescription="hospital head"
    )
    (tmp_path / "hospital_b").mkdir()
    moved = [
        shutil.move(path, tmp_path / "hospital_b" / f"{k}") if k % 2 else path
        for k, path in enumerate(paths)
    ]
    return [moved[k] for k in (3, 0, 5, 1, 4, 2)]


def message(paths, modality="CT") -> str:
    with pytest.raises(InputError) as caught:
        read_series_files(paths, modality, name="s0123")
    text = str(caught.value)
    assert text.startswith("s0123: ") and "\n" not in text
    for secret in SECRETS:
        assert secret not in text, text
    return text


def test_scattered_files_are_one_series(messy, tmp_path, write_series, dicom_writer):
    write_series(tmp_path / "tidy", dicom_writer.even(6))
    found = read_series_files(messy, "CT", name="s0123")
    expected = read_series(tmp_path / "tidy", "CT")
    assert found.name == "s0123" and found.grid.same_as(expected.grid)
    np.testing.assert_array_equal(found.array, expected.array)


def test_no_file():
    assert "no DICOM file" in message([])


def test_file_that_is_gone(messy):
    messy[1].unlink()
    assert "file 2" in message(messy)


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_truncated_file(messy, kept):
    data = messy[4].read_bytes()
    messy[4].write_bytes(data[: int(len(data) * kept)])
    assert "truncated" in message(messy)


def test_file_of_something_else(messy):
    messy[2].write_text("Secret^Name " * 50, encoding="utf-8")
    assert "file 3" in message(messy)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImagePositionPatient", None),
        ("PixelSpacing", None),
        ("RescaleSlope", None),
        ("RescaleType", "Z_EFF"),
        ("SamplesPerPixel", 3),
        ("SeriesInstanceUID", "1.2.3.4"),
        ("Rows", 12),
    ],
)
def test_changed_header(messy, keyword, value):
    data = pydicom.dcmread(messy[0])
    if value is None:
        del data[keyword]
    else:
        setattr(data, keyword, value)
    data.save_as(messy[0])
    message(messy)


def test_other_modality(messy):
    assert "modality CT" in message(messy, "MR")


def test_missing_slice(messy):
    assert "InstanceNumber 3)" in message(messy[:-1])


def test_other_pixels_at_one_place(messy):
    data = pydicom.dcmread(messy[0])
    data.PixelData = np.zeros(24 * 32, dtype="<i2").tobytes()
    data.save_as(messy[0].parent / "again")
    assert "same position" in message([*messy, messy[0].parent / "again"])
