"""Headers of a DICOM series: which files belong to it, and whether they can be one volume."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crossdl.errors import InputError
from crossdl.io.dicom_files import Files, Header, Source, image_header
from crossdl.io.stacking import Stack
from crossdl.types import Float64Array

TOLERANCE_MM = 0.01
"""Slices nearer to each other than this are at the same place."""


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """What is known of one slice before its pixels are read.

    Attributes:
        source: Its file, and what messages call it.
        position: ``(3,)`` ImagePositionPatient, LPS mm.
        orientation: ``(2, 3)`` unit vectors along an image row and along a column.
        pixel: Millimetres between pixel centres ``(H, W)``.
        shape: Pixels ``(H, W)``.
        thickness: SliceThickness in mm, or None.
        number: InstanceNumber, or None.
        scanner: Facts for ``Volume.meta``, JSON-able.
    """

    source: Source
    position: Float64Array
    orientation: Float64Array
    pixel: tuple[float, float]
    shape: tuple[int, int]
    thickness: float | None
    number: int | None
    scanner: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Series:
    """Slices that can be one volume, in the order of the files' names.

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
        Headers that agree in orientation, size and spacing.

    Raises:
        InputError: The files are not one readable series of that modality.
    """
    name, sources = files.name, files.sources
    images = [(one, header) for one in sources if (header := image_header(one)) is not None]
    n_ignored = files.n_ignored + len(sources) - len(images)
    if not images:
        raise InputError(f"{name}: its DICOM files hold no image; give the folder of a series")
    slices = [(one, header) for one, header in images if not _is_localizer(header)]
    if not slices:
        raise InputError(
            f"{name}: has only a localizer ({len(images)} images), which is not a volume; give "
            "the folder of the axial series"
        )
    notes = []
    if len(slices) < len(images):
        notes.append(f"{len(images) - len(slices)} localizer images were left out")
    _check_one_series(files, [header for _, header in slices])
    found = str(slices[0][1]["Modality"] or "none")
    if found != modality:
        raise InputError(f"{name}: is a series of modality {found}; {modality} is needed")
    headers = tuple(_checked(one, header) for one, header in slices)
    _check_alike(name, headers)
    if len(headers) == 1:
        raise InputError(
            f"{name}: has only 1 slice, which is no volume; give the folder of the whole series"
        )
    return Series(headers, n_ignored, tuple(notes))


def stack_of(headers: Sequence[SliceHeader]) -> tuple[list[SliceHeader], Stack]:
    """Sorts slices by their position along the normal.

    Slices at the same place stay neighbours, so a stack of them is not strictly increasing.

    Returns:
        The headers in order, and where they are.
    """
    along_row, along_column = headers[0].orientation
    axes = np.stack([along_row, along_column, np.cross(along_row, along_column)])
    positions = np.stack([h.position for h in headers])
    order = np.argsort(positions @ axes[2], kind="stable")
    positions = positions[order]
    offsets = (positions - positions[0]) @ axes.T
    stack = Stack(positions[0], axes, offsets, headers[0].shape, headers[0].pixel)
    return [headers[i] for i in order], stack


def same_place(first: SliceHeader, second: SliceHeader) -> bool:
    """Whether two slices lie at the same position."""
    return bool(np.abs(first.position - second.position).max() <= TOLERANCE_MM)


def _is_localizer(header: Header) -> bool:
    return "LOCALIZER" in [str(value).upper() for value in _values(header["ImageType"])]


def _values(value: Any) -> list[Any]:
    if value is None or isinstance(value, str):
        return [] if value is None else [value]
    return list(value)


def _check_one_series(files: Files, headers: Sequence[Header]) -> None:
    groups: dict[str, list[Header]] = {}
    for header in headers:
        groups.setdefault(str(header["SeriesInstanceUID"]), []).append(header)
    if len(groups) > 1:
        listed = "; ".join(_described(group, files.private) for group in groups.values())
        raise InputError(
            f"{files.name}: has {len(groups)} series ({listed}); give a folder with one of them"
        )


def _described(group: Sequence[Header], private: bool) -> str:
    first = group[0]
    number = first["SeriesNumber"]
    words = [
        f"series {number}" if number is not None else "series without number",
        str(first["Modality"] or ""),
        repr(str(first["SeriesDescription"])) if first["SeriesDescription"] and not private else "",
        f"{len(group)} slices" if len(group) > 1 else "1 slice",
    ]
    return " ".join(word for word in words if word)


def _checked(source: Source, header: Header) -> SliceHeader:
    try:
        return _slice_header(source, header)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(
            f"{source.place}: its DICOM header is damaged; copy or export it again ({type(error).__name__})"
        ) from error


def _slice_header(source: Source, header: Header) -> SliceHeader:
    """Checks and converts the tags of one slice."""
    if int(header["NumberOfFrames"] or 1) > 1:
        raise InputError(
            f"{source.place}: is a multi-frame file, which is not read; export the series as one file per "
            "slice"
        )
    if int(header["SamplesPerPixel"] or 1) != 1:
        raise InputError(f"{source.place}: is a colour picture, not a CT slice; remove it")
    position = _numbers(source, header, "ImagePositionPatient", 3)
    orientation = _numbers(source, header, "ImageOrientationPatient", 6).reshape(2, 3)
    pixel = _numbers(source, header, "PixelSpacing", 2)
    lengths = np.linalg.norm(orientation, axis=1)
    if np.abs(lengths - 1).max() > 0.01 or abs(orientation[0] @ orientation[1]) > 0.01:
        raise InputError(
            f"{source.place}: ImageOrientationPatient is not two perpendicular unit vectors; export the "
            "series again"
        )
    if pixel.min() <= 0:
        raise InputError(f"{source.place}: PixelSpacing must be positive; export the series again")
    thickness = _optional_number(header, "SliceThickness")
    number = _optional_number(header, "InstanceNumber")
    kernel = _values(header["ConvolutionKernel"])
    return SliceHeader(
        source=source,
        position=position,
        orientation=_perpendicular(orientation),
        pixel=(float(pixel[0]), float(pixel[1])),
        shape=(int(header["Rows"]), int(header["Columns"])),
        thickness=thickness if thickness and thickness > 0 else None,
        number=None if number is None else int(number),
        scanner={
            "gantry_tilt_tag": _optional_number(header, "GantryDetectorTilt"),
            "manufacturer": str(header["Manufacturer"] or "") or None,
            "model": str(header["ManufacturerModelName"] or "") or None,
            "convolution_kernel": "\\".join(map(str, kernel)) or None,
        },
    )


def _numbers(source: Source, header: Header, tag: str, count: int) -> Float64Array:
    """The values of a tag that must be there."""
    try:
        values = np.array([float(v) for v in _values(header[tag])], dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if len(values) == count and np.isfinite(values).all():
        return values
    raise InputError(
        f"{source.place}: has no usable {tag} ({count} numbers), so its place in the patient is unknown; "
        "export the original series"
    )


def _optional_number(header: Header, tag: str) -> float | None:
    try:
        value = float(header[tag])
    except (TypeError, ValueError):
        return None
    return value if np.isfinite(value) else None


def _perpendicular(orientation: Float64Array) -> Float64Array:
    """Exactly perpendicular unit vectors from ones rounded to a few digits."""
    row = orientation[0] / np.linalg.norm(orientation[0])
    column = orientation[1] - (orientation[1] @ row) * row
    return np.stack([row, column / np.linalg.norm(column)])


def _check_alike(name: str, headers: Sequence[SliceHeader]) -> None:
    first = headers[0]
    for header in headers[1:]:
        for what in _differences(first, header):
            raise InputError(
                f"{name}: {first.source.word} and {header.source.word} differ in {what}, so they are "
                "not one volume; give the folder of one series"
            )


def _differences(first: SliceHeader, other: SliceHeader) -> Iterator[str]:
    if np.abs(first.orientation - other.orientation).max() > 1e-3:
        yield "orientation (ImageOrientationPatient)"
    if first.shape != other.shape:
        yield f"size (Rows x Columns {first.shape} and {other.shape})"
    if np.abs(np.subtract(first.pixel, other.pixel)).max() > 1e-4:
        yield f"PixelSpacing ({first.pixel} and {other.pixel} mm)"
