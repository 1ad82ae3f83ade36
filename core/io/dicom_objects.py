"""One DICOM file, read once: the few tags that are needed of it, and where its pixels begin."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from crossdl.errors import InputError
from crossdl.io.dicom_files import Source

Header = Mapping[str, Any]
"""Values by keyword; None where the file does not have a tag."""
TAGS = (
    "SOPClassUID ImageType Modality SeriesInstanceUID SeriesNumber SeriesDescription "
    "InstanceNumber AcquisitionNumber ImagePositionPatient ImageOrientationPatient PixelSpacing "
    "SliceThickness GantryDetectorTilt Rows Columns NumberOfFrames SamplesPerPixel BitsAllocated "
    "BitsStored HighBit PixelRepresentation PixelPaddingValue PixelPaddingRangeLimit RescaleSlope "
    "RescaleIntercept RescaleType LossyImageCompression Manufacturer ManufacturerModelName "
    "ConvolutionKernel SharedFunctionalGroupsSequence PerFrameFunctionalGroupsSequence"
).split()
"""All that is read of a header: nothing that says who the patient is, or when."""
MAX_BYTES = 4 * 1024**3
"""A larger file is no CT series."""
MAX_SIDE = 4096
"""Rows and columns beyond this are those of a damaged header."""


@dataclass(frozen=True, eq=False)
class DicomObject:
    """A DICOM image file.

    Attributes:
        source: The file, and what messages call it.
        header: Values of :data:`TAGS`.
        syntax: Its transfer syntax.
        content: The whole file.
        pixels: Where the pixel data element begins in ``content``; None where the file is deflated.
    """

    source: Source
    header: Header
    syntax: str
    content: bytes
    pixels: int | None


def read_object(source: Source) -> DicomObject | None:
    """Reads a file.

    Returns:
        None for DICOM objects that are no image, such as reports.

    Raises:
        InputError: The file cannot be read, or its header is truncated or damaged.
    """
    try:
        if source.path.stat().st_size > MAX_BYTES:
            raise InputError(f"{source.place}: is larger than 4 GB, which no CT series is")
        content = source.path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{source.place}: cannot be read ({type(error).__name__}); check that it exists and "
            "may be read"
        ) from error
    try:
        header, kind, syntax, pixels = _header(content)
    except Exception as error:  # pydicom raises many kinds for damaged files
        raise InputError(
            f"{source.place}: its DICOM header cannot be read, the file is truncated or damaged; "
            f"copy or export it again ({type(error).__name__})"
        ) from error
    rows, columns = header["Rows"], header["Columns"]
    if isinstance(rows, int) and isinstance(columns, int):
        if not (0 < rows <= MAX_SIDE and 0 < columns <= MAX_SIDE):
            raise InputError(
                f"{source.place}: an image of {rows} x {columns} pixels is none of a CT; the "
                "header is damaged, export the series again"
            )
        return DicomObject(source, header, syntax, content, pixels)
    name = getattr(kind, "name", kind)
    if isinstance(name, str) and name != kind and not name.endswith("Image Storage"):
        return None
    raise InputError(
        f"{source.place}: its DICOM header ends before the image's size, the file is truncated; "
        "copy or export it again"
    )


@cache
def _tags() -> list[int]:
    """:data:`TAGS` as numbers."""
    from pydicom.tag import Tag

    return [Tag(keyword) for keyword in TAGS]


def _header(content: bytes) -> tuple[Header, Any, str, int | None]:
    """Values of the tags, SOP class, transfer syntax, and where pixel data begins."""
    import pydicom
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    file = io.BytesIO(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=_tags())
        header = dict.fromkeys(TAGS) | {
            item.keyword: item.value
            for item in dataset
            if item.VR != "SQ" or item.keyword.endswith("Sequence")  # else a damaged type
        }
        kind = dataset.file_meta.get("MediaStorageSOPClassUID") or header["SOPClassUID"]
        syntax = dataset.file_meta.get("TransferSyntaxUID") or ""
    deflated = syntax == DeflatedExplicitVRLittleEndian
    return header, kind, str(syntax), None if deflated else file.tell()
