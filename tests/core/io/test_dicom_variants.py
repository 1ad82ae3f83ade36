"""What becomes of unusual series: the table of docs/dicom.md, row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from crossdl.errors import InputError
from crossdl.io.dicom import read_series
from crossdl.io.dicom_kinds import is_reformat, kind_of
from crossdl.types import Volume

DATA = Path(__file__).parent / "data"


@pytest.fixture
def plain(tmp_path, write_series, dicom_writer) -> Volume:
    """The series that every variant of the pixels must equal."""
    write_series(tmp_path / "plain", dicom_writer.even(4), field=head_like)
    return read_series(tmp_path / "plain", "CT")


@pytest.fixture
def write(tmp_path, write_series, dicom_writer):
    """Writes a variant; returns its folder."""

    def variant(positions=None, **options):
        places = dicom_writer.even(4) if positions is None else positions
        options.setdefault("field", head_like)
        write_series(tmp_path / "variant", places, **options)
        return tmp_path / "variant"

    return variant


def head_like(world):
    """Air around a ball with a gradient, in whole HU."""
    inside = np.linalg.norm((world - [3.0, -2.0, 38.0]) / [14, 17, 40], axis=-1) < 1
    return np.where(inside, np.rint(40 + world @ np.array([0.5, -0.75, 0.5])), -1000.0)


def stored(data) -> np.ndarray:
    """Whole HU of a data set of the writer."""
    return np.rint(np.frombuffer(data.PixelData, "<i2") * 0.1 - 100).astype(int)


def keep(data, values, kind="<u2", intercept=-1024, **tags) -> None:
    """Puts HU into a data set with another coding."""
    data.RescaleSlope, data.RescaleIntercept = 1, intercept
    data.PixelData = (values - intercept).astype(kind).tobytes()
    data.PixelRepresentation = int(kind[1] == "i")
    for keyword, value in tags.items():
        setattr(data, keyword, value)


def refused(folder: Path, *words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_series(folder, "CT")
    assert str(caught.value).startswith(str(folder))
    for word in words:
        assert word in str(caught.value), caught.value


def same(folder: Path, expected: Volume, atol: float = 1e-3) -> Volume:
    found = read_series(folder, "CT")
    np.testing.assert_allclose(found.array, expected.array, atol=atol)
    assert found.grid.same_as(expected.grid)
    return found


# ---- coding of the pixels


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian]
)
def test_uncompressed_syntaxes(write, plain, syntax):
    folder = write()
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.file_meta.TransferSyntaxUID = syntax
        if syntax == ExplicitVRBigEndian:
            data.PixelData = np.frombuffer(data.PixelData, "<i2").astype(">i2").tobytes()
            data["PixelData"].VR = "OW"
        pydicom.dcmwrite(
            path,
            data,
            implicit_vr=syntax == ImplicitVRLittleEndian,
            little_endian=syntax != ExplicitVRBigEndian,
            force_encoding=True,
        )
    same(folder, plain)


def test_unsigned_pixels(write, plain):
    same(write(change=lambda k, data: keep(data, stored(data))), plain)


def test_signedness_that_changes_within_the_series(write, plain):
    def change(k, data):
        keep(data, stored(data), *(("<u2", -1024) if k % 2 else ("<i2", 0)))

    same(write(change=change), plain)


def test_garbage_in_unused_bits(write, plain):
    """12 of 16 bits are the pixel's; old scanners kept overlays in the others."""

    def change(k, data):
        keep(data, stored(data), BitsStored=12, HighBit=11)
        values = np.frombuffer(data.PixelData, "<u2")
        data.PixelData = (values | (np.arange(values.size) % 16 << 12)).astype("<u2").tobytes()

    same(write(change=change), plain)


def test_signed_pixels_in_twelve_bits(write, plain):
    def change(k, data):
        keep(data, stored(data), "<i2", 0, BitsStored=12, HighBit=11)
        values = np.frombuffer(data.PixelData, "<i2")
        data.PixelData = (values & 0x0FFF).astype("<i2").tobytes()

    same(write(change=change), plain)


def test_high_bit_above_the_stored_ones(write, plain):
    def change(k, data):
        keep(data, stored(data), BitsStored=12, HighBit=13)
        values = np.frombuffer(data.PixelData, "<u2")
        data.PixelData = (values << 2).astype("<u2").tobytes()

    same(write(change=change), plain)


def test_bits_that_do_not_fit(write):
    refused(write(BitsStored=12, HighBit=5), "BitsStored 12 and HighBit 5")


@pytest.mark.parametrize("value", [-2000, 63536])
def test_padding_outside_the_stored_bits(write, plain, value):
    """-2000 is written in 16 bits although 12 are stored, with either sign in the tag."""

    def change(k, data):
        values = stored(data)
        keep(data, values, "<i2", -1024, BitsStored=12, HighBit=11)
        kept = np.frombuffer(data.PixelData, "<i2").reshape(24, 32).copy()
        kept[:3] = -2000
        data.PixelData = kept.tobytes()
        data.add_new("PixelPaddingValue", "US" if value > 0 else "SS", value)

    folder = write(change=change)
    found = read_series(folder, "CT").array
    assert (found[:, :3] == -1024).all()
    np.testing.assert_array_equal(found[:, 3:], plain.array[:, 3:])


def test_monochrome1_is_no_inversion(write, plain):
    """MONOCHROME1 says how to display; the rescaled values are HU all the same."""
    same(write(PhotometricInterpretation="MONOCHROME1"), plain)


@pytest.mark.parametrize(
    ("syntax", "options"),
    [(JPEG2000, {"j2k_cr": [4]}), (JPEGLSNearLossless, {"jls_error": 3})],
)
def test_lossy_compression_is_told(tmp_path, write_series, dicom_writer, write, syntax, options):
    shape = (96, 80)
    write_series(tmp_path / "plain", dicom_writer.even(4), field=head_like, shape=shape)
    plain = read_series(tmp_path / "plain", "CT")

    def change(k, data):
        keep(data, stored(data), BitsStored=12, HighBit=11)

    folder = write(change=change, shape=shape)
    for path in folder.iterdir():
        data = pydicom.dcmread(path)
        data.compress(syntax, **options)
        data.save_as(path)
    found = read_series(folder, "CT")
    assert np.abs(found.array - plain.array).mean() < 5
    assert found.meta["warnings"] == ["4 slices were compressed with loss"]


def test_lossy_history_is_told(write, plain):
    found = same(write(LossyImageCompression="01"), plain)
    assert found.meta["warnings"] == ["4 slices were compressed with loss"]


def test_lossy_jpeg_of_twelve_bits(write):
    """A JPEG of process 4 that another library wrote; the smooth picture is known."""
    content = (DATA / "twelve_bits.jpg").read_bytes()

    def change(k, data):
        keep(data, np.zeros(64 * 48), BitsStored=12, HighBit=11)
        data.file_meta.TransferSyntaxUID = JPEGExtended12Bit
        data.PixelData = pydicom.encaps.encapsulate([content])
        data["PixelData"].is_undefined_length = True

    found = read_series(write(shape=(64, 48), change=change), "CT")
    y, x = np.mgrid[:64, :48]
    truth = np.floor(1024 + 600 * np.sin(x / 6) * np.cos(y / 9) + 5 * x) - 1024
    assert np.abs(found.array - truth).max() < 10
    assert found.meta["warnings"][0] == "4 slices were compressed with loss"


def test_eight_bits(write):
    def change(k, data):
        data.BitsAllocated, data.BitsStored, data.HighBit = 8, 8, 7
        data.PixelRepresentation, data.PixelData = 0, bytes(24 * 32)

    refused(write(change=change), "8 bits", "display")


# ---- values that are no HU


def test_lost_intercept(write):
    def change(k, data):
        keep(data, stored(data))
        data.RescaleIntercept = 0

    refused(write(change=change), "-1024 HU was lost")


def test_signed_values_written_as_unsigned(write):
    def change(k, data):
        keep(data, stored(data), "<i2", 0)
        data.PixelRepresentation = 0

    refused(write(change=change), "are no HU", "unsigned")


def test_constant_values(write):
    refused(write(field=lambda world: np.full(world.shape[:-1], 40.0)), "every voxel is 40")


def test_no_air(write):
    found = read_series(write(field=lambda world: 30 + world[..., 0]), "CT")
    assert "no voxel is air" in found.meta["warnings"][0]


@pytest.mark.filterwarnings("ignore:Invalid value for VR DS")
@pytest.mark.parametrize("slope", [0, "nan"])
def test_unusable_slope(write, slope):
    refused(write(RescaleSlope=slope), "RescaleSlope")


# ---- places


def test_reversed_order_and_feet_first(write, plain, dicom_writer):
    places = dicom_writer.even(4)[::-1]
    same(write(places, numbers=[4, 3, 2, 1], PatientPosition="FFS"), plain)


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        ("Rows", 60000),
        ("Rows", 0),
        ("PixelSpacing", [1e-5, 1e-5]),
        ("PixelSpacing", [1e4, 1.0]),
        ("ImagePositionPatient", [0.0, 0.0, 1e9]),
    ],
)
def test_measures_of_a_damaged_header(write, tag, value):
    refused(write(**{tag: value}), "export")


def test_volume_out_of_all_measure(write, dicom_writer):
    places = dicom_writer.even(4)
    places[1] = places[0] + [0.0, 0.0, 0.02]
    places[2] = places[0] + [0.0, 0.0, 0.04]
    places[3] = places[0] + [40000.0, 40000.0, 0.06]
    refused(write(places), "voxels")


# ---- orientations


def turned(which, **tags):
    def change(k, data):
        if k in which:
            data.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
            for keyword, value in tags.items():
                setattr(data, keyword, value)

    return change


def test_few_slices_of_another_orientation_are_left_out(write, plain, dicom_writer):
    places = np.concatenate([dicom_writer.even(4), dicom_writer.even(2)])
    found = same(write(places, change=turned((4, 5))), plain)
    assert found.meta["warnings"] == ["2 slices of another orientation were left out"]


def test_reformats_beside_the_original_slices(write, plain, dicom_writer):
    places = np.concatenate([dicom_writer.even(4), dicom_writer.even(6)])
    derived = turned(range(4, 10), ImageType=["DERIVED", "SECONDARY", "REFORMATTED"])
    found = same(write(places, change=derived), plain)
    assert found.meta["warnings"] == ["6 slices of another orientation were left out"]


def test_two_orientations_of_equal_right(write, dicom_writer):
    places = np.concatenate([dicom_writer.even(4), dicom_writer.even(3)])
    refused(write(places, change=turned((4, 5, 6))), "ImageOrientationPatient", "one volume")


# ---- passes of the scanner


def passes(dicom_writer, *ranges):
    """Positions of several acquisitions, and a change that numbers them and marks their pixels."""
    places = np.array([[-12.0, -20.0, 30.0 + depth] for depths in ranges for depth in depths])
    number = [n for n, depths in enumerate(ranges, 1) for _ in depths]

    def change(k, data):
        data.AcquisitionNumber = number[k]
        values = np.frombuffer(data.PixelData, "<i2")
        data.PixelData = (values + 10 * number[k]).astype("<i2").tobytes()  # 1 HU each

    return places, change


def test_two_passes_over_the_same_place(write, dicom_writer):
    places, change = passes(dicom_writer, [0, 5, 10, 15], [0, 5, 10, 15])
    refused(write(places, change=change), "same position", "AcquisitionNumber 1, 2")


def test_two_passes_without_numbers(write, dicom_writer):
    places, change = passes(dicom_writer, [0, 5, 10, 15], [0, 5, 10, 15])

    def unnumbered(k, data):
        change(k, data)
        del data.AcquisitionNumber

    refused(write(places, change=unnumbered), "same position")


def test_repeated_slices_of_a_pass_are_dropped(write, plain, dicom_writer):
    places, change = passes(dicom_writer, [0, 5, 10, 15], [5, 10])
    found = same(write(places, change=change), plain, atol=1.01)
    assert found.meta["warnings"] == ["2 slices of another pass over the same place were dropped"]
    np.testing.assert_allclose(found.array[1:3] - 1, plain.array[1:3], atol=1e-3)


def test_passes_that_meet_at_one_position(write, dicom_writer):
    places, change = passes(dicom_writer, [0, 5, 10, 15], [15, 20, 25])
    found = read_series(write(places, change=change), "CT")
    assert found.array.shape[0] == 6 and not found.meta["resampled"]
    assert found.meta["warnings"] == ["1 slices of another pass over the same place were dropped"]
    assert found.meta["slice_positions_mm"] == [0, 5, 10, 15, 20, 25]


def test_passes_one_after_the_other(write, plain, dicom_writer):
    places, change = passes(dicom_writer, [0, 5], [10, 15])
    found = same(write(places, change=change), plain, atol=2.01)
    assert found.meta["warnings"] == []


def test_evenly_interleaved_passes_are_one(write, dicom_writer):
    places, change = passes(dicom_writer, [0, 10, 20], [5, 15, 25])
    assert read_series(write(places, change=change), "CT").array.shape[0] == 6


def test_shifted_passes(write, dicom_writer):
    places, change = passes(dicom_writer, [0, 5, 10, 15], [1.7, 6.7, 11.7, 16.7])
    refused(write(places, change=change), "AcquisitionNumber 1, 2", "interleaved")


# ---- objects that are no slices


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}, "slices"),
        ({"ImageType": "ORIGINAL\\PRIMARY\\LOCALIZER"}, "localizer"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "CT_SOM5 TOP"]}, "localizer"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "screenshot"),
        ({"ImageType": ["DERIVED", "SECONDARY", "OTHER", "CT_SOM5 PROT"]}, "screenshot"),
        ({"ImageType": None, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "screenshot"),
        ({"ImageType": None, "SamplesPerPixel": 3}, "screenshot"),
        ({"ImageType": ["DERIVED", "SECONDARY", "AXIAL", "CT_SOM5 MIP"]}, "projection"),
        ({"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]}, "slices"),
        ({"Rows": None}, "no image"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}, "no image"),
    ],
)
def test_kinds(tags, kind):
    header = {"Rows": 512, "Columns": 512, "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", **tags}
    assert kind_of(header) == kind
    data = pydicom.Dataset()
    for keyword, value in header.items():
        if value is not None:
            setattr(data, keyword, value)
    assert kind_of(data) == kind
    assert is_reformat(header) == ("REFORMATTED" in (header.get("ImageType") or ()))


def test_screens_and_projections_beside_the_series(write, plain, dicom_writer):
    def change(k, data):
        if k >= 4:
            kind = "MIP" if k == 4 else "SCREEN SAVE"
            data.ImageType = ["DERIVED", "SECONDARY", kind]
            data.SeriesInstanceUID = f"1.2.{k}"

    places = np.concatenate([dicom_writer.even(4), dicom_writer.even(2)])
    found = same(write(places, change=change), plain)
    assert found.meta["warnings"] == [
        "1 projection images were left out",
        "1 screenshot images were left out",
    ]


def test_only_screens(write):
    refused(write(ImageType=["DERIVED", "SECONDARY", "SCREEN SAVE"]), "4 screenshot images")
