"""Slices of a DICOM series: which files belong to it, and what is known before pixels are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossdl.errors import InputError
from crossdl.io.dicom_files import Files
from crossdl.io.dicom_frames import frames_of
from crossdl.io.dicom_kinds import image_type, kind_of, values_of
from crossdl.io.dicom_objects import DicomObject, Header, read_object
from crossdl.types import Float64Array


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """What is known of one slice before its pixels are decoded.

    Attributes:
        image: The file it is in.
        frame: Its index in the file, 0 unless that has several frames.
        fields: Values by keyword, those of the frame included.
        position: ``(3,)`` ImagePositionPatient, LPS mm.
        orientation: ``(2, 3)`` unit vectors along an image row and along a column.
        pixel: Millimetres between pixel centres ``(H, W)``.
        shape: Pixels ``(H, W)``.
        thickness: SliceThickness in mm, or None.
        number: InstanceNumber, or the frame's number in its stack, or None.
        place: What a sentence about it begins with.
        word: What other sentences call it.
    """

    image: DicomObject
    frame: int
    fields: Header
    position: Float64Array
    orientation: Float64Array
    pixel: tuple[float, float]
    shape: tuple[int, int]
    thickness: float | None
    number: int | None
    place: str
    word: str

    @property
    def acquisition(self) -> int | None:
        """AcquisitionNumber, or None."""
        number = optional_number(self.fields, "AcquisitionNumber")
        return None if number is None else int(number)

    @property
    def original(self) -> bool:
        """Whether ImageType does not call the slice derived from others."""
        return "DERIVED" not in image_type(self.fields)

    def scanner(self) -> dict[str, Any]:
        """Facts for ``Volume.meta``, JSON-able."""
        kernel = values_of(self.fields["ConvolutionKernel"])
        return {
            "gantry_tilt_tag": optional_number(self.fields, "GantryDetectorTilt"),
            "manufacturer": str(self.fields["Manufacturer"] or "") or None,
            "model": str(self.fields["ManufacturerModelName"] or "") or None,
            "convolution_kernel": "\\".join(map(str, kernel)) or None,
        }


@dataclass(frozen=True, eq=False)
class Series:
    """Slices of one series, in the order of the files' names.

    Attributes:
        slices: Headers, at least one.
        n_ignored: Files passed over because they hold no slice.
        warnings: Sentences for a person.
    """

    slices: tuple[SliceHeader, ...]
    n_ignored: int
    warnings: tuple[str, ...]


def read_headers(files: Files, modality: str) -> Series:
    """Reads the headers of one series.

    Args:
        files: All its files, perhaps among objects that are no slices.
        modality: DICOM Modality that the series must have.

    Returns:
        Slices of any orientation; other images are left out, with a warning.

    Raises:
        InputError: The files are not one readable series of that modality.
    """
    images = [image for one in files.sources if (image := read_object(one)) is not None]
    n_ignored = files.n_ignored + len(files.sources) - len(images)
    if not images:
        raise InputError(
            f"{files.name}: its DICOM files hold no image; give the files of a series of slices"
        )
    found = [(image, k, header) for image in images for k, header in enumerate(frames_of(image))]
    kinds = Counter(kind_of(header) for _, _, header in found)
    slices = [one for one in found if kind_of(one[2]) == "slices"]
    others = [f"{n} {kind} images" for kind, n in sorted(kinds.items()) if kind != "slices"]
    if not slices:
        raise InputError(
            f"{files.name}: has only {' and '.join(others)}, which are no volume; give the "
            "axial series"
        )
    _check_one_series(files, [header for _, _, header in slices])
    name = str(slices[0][2]["Modality"] or "none")
    if name != modality:
        raise InputError(f"{files.name}: is a series of modality {name}; {modality} is needed")
    headers = tuple(_checked(*one) for one in slices)
    notes = [f"{text} were left out" for text in others]
    return Series(headers, n_ignored, tuple(notes))


def optional_number(header: Header, tag: str) -> float | None:
    """A number, or None where the tag is absent or no finite number."""
    try:
        value = float(header[tag])
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def differences(first: SliceHeader, other: SliceHeader) -> Iterator[str]:
    """In what two slices differ that cannot differ within one volume."""
    if not parallel(first, other):
        yield "orientation (ImageOrientationPatient)"
    if first.shape != other.shape:
        yield f"size (Rows x Columns {first.shape} and {other.shape})"
    if np.abs(np.subtract(first.pixel, other.pixel)).max() > 1e-4:
        yield f"PixelSpacing ({first.pixel} and {other.pixel} mm)"


def parallel(first: SliceHeader, other: SliceHeader) -> bool:
    """Whether rows and columns of two slices run the same way."""
    return bool(np.abs(first.orientation - other.orientation).max() <= 1e-3)


def _check_one_series(files: Files, headers: Sequence[Header]) -> None:
    groups: dict[str, list[Header]] = {}
    for header in headers:
        groups.setdefault(str(header["SeriesInstanceUID"]), []).append(header)
    if len(groups) > 1:
        listed = "; ".join(_described(group, files.private) for group in groups.values())
        raise InputError(
            f"{files.name}: has {len(groups)} series ({listed}); give the files of one of them"
        )


def _described(group: Sequence[Header], private: bool) -> str:
    first = group[0]
    number, description = first["SeriesNumber"], first["SeriesDescription"]
    words = [
        f"series {number}" if number is not None else "series without number",
        str(first["Modality"] or ""),
        repr(str(description)) if description and not private else "",
        f"{len(group)} slices" if len(group) > 1 else "1 slice",
    ]
    return " ".join(word for word in words if word)


def _checked(image: DicomObject, frame: int, header: Header) -> SliceHeader:
    source = image.source
    within = (
        f" frame {frame + 1}"
        if optional_number(header, "NumberOfFrames") not in (None, 1.0)
        else ""
    )
    place, word = source.place + within, source.word + within
    try:
        return _slice_header(image, frame, header, place, word)
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{place}: its DICOM header is damaged; copy or export it again "
            f"({type(error).__name__})"
        ) from error


def _slice_header(
    image: DicomObject, frame: int, header: Header, place: str, word: str
) -> SliceHeader:
    """Checks and converts the tags of one slice."""
    position = _numbers(place, header, "ImagePositionPatient", 3)
    orientation = _numbers(place, header, "ImageOrientationPatient", 6).reshape(2, 3)
    pixel = _numbers(place, header, "PixelSpacing", 2)
    lengths = np.linalg.norm(orientation, axis=1)
    if np.abs(lengths - 1).max() > 0.01 or abs(orientation[0] @ orientation[1]) > 0.01:
        raise InputError(
            f"{place}: ImageOrientationPatient is not two perpendicular unit vectors; export the "
            "series again"
        )
    if not (pixel.min() > 0.01 and pixel.max() < 100 and np.abs(position).max() < 1e5):
        raise InputError(
            f"{place}: PixelSpacing or ImagePositionPatient is out of all measure; export the "
            "series again"
        )
    thickness = optional_number(header, "SliceThickness")
    number = optional_number(header, "InstanceNumber")
    return SliceHeader(
        image=image,
        frame=frame,
        fields=header,
        position=position,
        orientation=_perpendicular(orientation),
        pixel=(float(pixel[0]), float(pixel[1])),
        shape=(int(header["Rows"]), int(header["Columns"])),
        thickness=thickness if thickness and thickness > 0 else None,
        number=None if number is None else int(number),
        place=place,
        word=word,
    )


def _numbers(place: str, header: Header, tag: str, count: int) -> Float64Array:
    """The values of a tag that must be there."""
    try:
        values = np.array([float(v) for v in values_of(header[tag])], dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if len(values) == count and np.isfinite(values).all():
        return values
    raise InputError(
        f"{place}: has no usable {tag} ({count} numbers), so its place in the patient is unknown; "
        "export the original series"
    )


def _perpendicular(orientation: Float64Array) -> Float64Array:
    """Exactly perpendicular unit vectors from ones rounded to a few digits."""
    row = orientation[0] / np.linalg.norm(orientation[0])
    column = orientation[1] - (orientation[1] @ row) * row
    return np.stack([row, column / np.linalg.norm(column)])
