"""Pixels become HU: rescaling, padding, compression."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless

from crossdl.errors import InputError
from crossdl.io import dicom_pixels
from crossdl.io.dicom_files import files_called
from crossdl.io.dicom_headers import _checked
from crossdl.io.dicom_objects import read_object
from crossdl.io.volumes import read_volume


def read_pixels(path, modality="CT"):
    """HU of one file."""
    (source,) = files_called([path], path.name).sources
    image = read_object(source)
    fields = {**image.header, "SeriesInstanceUID": "1"}
    return dicom_pixels.read_pixels([_checked(image, 0, fields)], modality)[0]


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


@pytest.fixture
def lossless_jpeg(tmp_path, write_series, dicom_writer):
    """A series as plain and as lossless JPEG, which SimpleITK writes; folders and files."""
    import SimpleITK as sitk

    paths = write_series(tmp_path / "plain", dicom_writer.even(3), shape=(64, 48))
    (tmp_path / "jpeg").mkdir()
    for path in paths:
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.KeepOriginalImageUIDOn()
        writer.UseCompressionOn()
        writer.SetCompressor("JPEG")
        writer.SetFileName(str(tmp_path / "jpeg" / path.name))
        image = sitk.ReadImage(str(path))
        whole = sitk.Cast(sitk.Round(image), sitk.sitkInt16)
        for key in image.GetMetaDataKeys():
            whole.SetMetaData(key, image.GetMetaData(key))
        whole.SetMetaData("0028|1052", "-30")
        whole.SetMetaData("0028|1053", "1")
        writer.Execute(whole)
    return tmp_path / "plain", tmp_path / "jpeg"


def test_lossless_jpeg(lossless_jpeg):
    plain, jpeg = lossless_jpeg
    name = "01.dcm"
    assert pydicom.dcmread(jpeg / name).file_meta.TransferSyntaxUID == JPEGLosslessSV1
    found, expected = (read_pixels(folder / name, "CT") for folder in (jpeg, plain))
    np.testing.assert_allclose(found, expected, atol=0.501)  # whole HU were written


@pytest.mark.parametrize("cut", [5, 200, 1000])
def test_truncated_lossless_jpeg(lossless_jpeg, cut, capfd):
    path = lossless_jpeg[1] / "01.dcm"
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(InputError, match=r"01\.dcm.*truncated"):
        read_pixels(path, "CT")
    assert capfd.readouterr().err == ""


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
