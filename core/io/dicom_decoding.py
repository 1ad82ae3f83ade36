"""Stored pixel values of a DICOM image file, compressed or not."""

from __future__ import annotations

import io
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from crossdl.errors import InputError
from crossdl.io.dicom_objects import DicomObject

Stored = npt.NDArray[np.integer[Any]]
"""``(F, H, W)`` values of a file's frames, as stored."""
NATIVE = {
    "1.2.840.10008.1.2": ("<", False),
    "1.2.840.10008.1.2.1": ("<", True),
    "1.2.840.10008.1.2.2": (">", True),
}
"""Uncompressed transfer syntaxes: byte order, and whether value representations are written."""
BY_GDCM = tuple(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 57, 70))
"""JPEG transfer syntaxes, lossy and lossless, which pydicom has no free decoder for."""
LOSSY = tuple(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 81, 91, 203))
"""Transfer syntaxes that may lose information: JPEG, JPEG-LS near-lossless, JPEG 2000."""
_PIXEL_TAG = (0x7FE0, 0x0010)
_UNDEFINED = 0xFFFFFFFF


def stored_pixels(image: DicomObject) -> Stored:
    """Decodes all frames of a file.

    Returns:
        ``(F, H, W)`` whole numbers of the stored size; unused high bits of uncompressed pixels
        are as in the file.

    Raises:
        InputError: The file is truncated, or its compression is unreadable.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            native = _native(image)
            if native is not None:
                return native
            if image.syntax in BY_GDCM:
                return _by_gdcm(image)
            return _by_pydicom(image)
        except (InputError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # many kinds; a panic of a Rust decoder is no Exception
            raise InputError(_reason(image, error)) from error


def _native(image: DicomObject) -> Stored | None:
    """Uncompressed pixels without a copy; None where pydicom must have a look."""
    if image.syntax not in NATIVE or image.pixels is None:
        return None
    order, explicit = NATIVE[image.syntax]
    start = image.pixels
    head = image.content[start : start + 12]
    endian: Literal["little", "big"] = "little" if order == "<" else "big"
    tag = tuple(int.from_bytes(head[k : k + 2], endian) for k in (0, 2))
    if len(head) < 12 or tag != _PIXEL_TAG:
        raise InputError(
            f"{image.source.place}: ends before its pixels, the file is truncated; copy or export "
            "it again"
        )
    if explicit and head[4:6] not in (b"OW", b"OB"):
        return None
    length = int.from_bytes(head[8:12] if explicit else head[4:8], endian)
    start += 12 if explicit else 8
    shape = _shape(image)
    bits = image.header["BitsAllocated"]
    if length == _UNDEFINED or bits not in (8, 16, 32):
        return None
    needed = int(np.prod(shape, dtype=np.int64)) * bits // 8
    if length < needed or len(image.content) < start + needed:
        raise InputError(
            f"{image.source.place}: its pixels end early, the file is truncated; copy or export "
            "it again"
        )
    kind = "i" if image.header["PixelRepresentation"] else "u"
    values = np.frombuffer(
        image.content, f"{order}{kind}{bits // 8}", needed // (bits // 8), start
    ).reshape(shape)
    if order == (">" if sys.byteorder == "little" else "<"):
        values = values.astype(values.dtype.newbyteorder("="))
    return values


def _by_pydicom(image: DicomObject) -> Stored:
    import pydicom

    dataset = pydicom.dcmread(io.BytesIO(image.content))
    if "PixelData" not in dataset:
        raise InputError(
            f"{image.source.place}: ends before its pixels, the file is truncated; copy or export "
            "it again"
        )
    return np.asarray(dataset.pixel_array).reshape(_shape(image))


def _by_gdcm(image: DicomObject) -> Stored:
    """Decodes by the GDCM in SimpleITK, one frame at a time, without any rescaling."""
    import pydicom
    import SimpleITK as sitk
    from pydicom.encaps import encapsulate, generate_frames

    count, rows, columns = _shape(image)
    dataset = pydicom.dcmread(io.BytesIO(image.content))
    bare = pydicom.Dataset()
    bare.file_meta = dataset.file_meta
    bare.SOPClassUID = bare.file_meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    bare.SOPInstanceUID = bare.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.UID("2.25.1")
    for keyword in (
        "Rows Columns SamplesPerPixel PhotometricInterpretation BitsAllocated BitsStored HighBit "
        "PixelRepresentation"
    ).split():
        if keyword in dataset:
            bare[keyword] = dataset[keyword]
    frames = []
    with TemporaryDirectory(prefix="crossdl-") as folder:
        path = Path(folder) / "frame.dcm"
        for frame in generate_frames(dataset.PixelData, number_of_frames=count):
            bare.PixelData = encapsulate([frame])
            bare["PixelData"].is_undefined_length = True
            bare.save_as(path, enforce_file_format=True)
            picture = sitk.GetArrayFromImage(sitk.ReadImage(str(path), imageIO="GDCMImageIO"))
            frames.append(picture.reshape(rows, columns))
    if len(frames) != count:
        raise ValueError("frames are missing")
    return np.stack(frames)


def _shape(image: DicomObject) -> tuple[int, int, int]:
    header = image.header
    return int(header["NumberOfFrames"] or 1), int(header["Rows"]), int(header["Columns"])


def _reason(image: DicomObject, error: BaseException) -> str:
    """The sentence for pixels that cannot be decoded."""
    syntax = _unreadable_syntax(image.syntax)
    place = image.source.place
    if syntax is not None:
        return f"{place}: is compressed as {syntax}, which cannot be read; export it uncompressed"
    return (
        f"{place}: its pixels cannot be read, the file is truncated or damaged; copy or export it "
        f"again ({type(error).__name__})"
    )


def _unreadable_syntax(code: str) -> str | None:
    """Name of a transfer syntax if no decoder knows it."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    syntax = UID(code)
    if not syntax.is_transfer_syntax or code in BY_GDCM:
        return None
    try:
        known = bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        known = False
    return None if known else str(syntax.name)
