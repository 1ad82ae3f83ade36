"""Pixels become HU: rescaling, padding, compression."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from crossdl.errors import InputError
from crossdl.io.dicom_pixels import read_pixels
from crossdl.io.volumes import read_volume


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_compressed_equals_plain(tmp_path, write_series, dicom_writer, syntax):
    write_series(tmp_path / "plain", dicom_writer.even(3), shape=(64, 48))
    write_series(tmp_path / "compressed", dicom_writer.even(3), shape=(64, 48), syntax=syntax)
    plain, compressed = (read_volume(tmp_path / name) for name in ("plain", "compressed"))
    np.testing.assert_array_equal(plain.array, compressed.array)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("cut", [5, 200])
def test_truncated_compressed(tmp_path, write_series, dicom_writer, syntax, cut):
    paths = write_series(tmp_path, dicom_writer.even(3), shape=(64, 48), syntax=syntax)
    paths[1].write_bytes(paths[1].read_bytes()[:-cut])
    with pytest.raises(InputError, match=r"01\.dcm.*truncated"):
        read_volume(tmp_path)


def test_slope_and_intercept_per_slice(tmp_path, write_series, dicom_writer):
    def rescale(k, data):
        stored = np.frombuffer(data.PixelData, "<i2")
        data.RescaleSlope, data.RescaleIntercept = 1 + k, 10 * k
        data.PixelData = (stored // 100).astype("<i2").tobytes()

    paths = write_series(tmp_path, dicom_writer.even(3), change=rescale)
    first = read_pixels(paths[0], "CT")
    second = read_pixels(paths[1], "CT")
    assert np.abs(first).max() > 1
    whole = np.round(first)
    np.testing.assert_array_equal(first, whole)
    assert ((second - 10) % 2 == 0).all()


def _write_values(write_series, dicom_writer, folder, values, **tags):
    def change(k, data):
        data.PixelData = np.asarray(values).astype("<i2").tobytes()
        data.RescaleSlope, data.RescaleIntercept = 1, tags.get("RescaleIntercept", 0)

    return write_series(
        folder, dicom_writer.even(2), shape=np.shape(values), change=change, **tags
    )[0]


def test_below_air_is_air(tmp_path, write_series, dicom_writer):
    values = np.array([[-2000, -1500, -1025, -1024], [-1000, 0, 40, 3071]])
    path = _write_values(write_series, dicom_writer, tmp_path, values)
    expected = [[-1024, -1024, -1024, -1024], [-1000, 0, 40, 3071]]
    np.testing.assert_array_equal(read_pixels(path, "CT"), expected)


def test_padding_is_air(tmp_path, write_series, dicom_writer):
    values = np.full((6, 6), 40)
    values[0] = -800
    path = _write_values(write_series, dicom_writer, tmp_path, values, PixelPaddingValue=-800)
    image = read_pixels(path, "CT")
    assert (image[0] == -1024).all() and (image[1:] == 40).all()


def test_padding_of_water_is_air_only_at_the_border(tmp_path, write_series, dicom_writer):
    values = np.full((6, 6), 40)
    values[0] = values[:, 5] = 0
    values[3, 2] = 0
    path = _write_values(write_series, dicom_writer, tmp_path, values, PixelPaddingValue=0)
    image = read_pixels(path, "CT")
    assert (image[0] == -1024).all() and (image[:, 5] == -1024).all() and image[3, 2] == 0


def test_unsigned_pixels(tmp_path, write_series, dicom_writer):
    def unsigned(k, data):
        data.PixelRepresentation, data.RescaleIntercept, data.RescaleSlope = 0, -1024, 1
        data.PixelData = np.full((24, 32), 65000, dtype="<u2").tobytes()

    path = write_series(tmp_path, dicom_writer.even(2), change=unsigned)[0]
    assert (read_pixels(path, "CT") == 65000 - 1024).all()
