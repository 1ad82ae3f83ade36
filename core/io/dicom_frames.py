"""Slices of a DICOM image file: itself, or the frames of an enhanced multi-frame image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossdl.errors import InputError
from crossdl.io.dicom_objects import DicomObject, Header

FRAME_TAGS = {
    "ImagePositionPatient": "ImagePositionPatient",
    "ImageOrientationPatient": "ImageOrientationPatient",
    "PixelSpacing": "PixelSpacing",
    "SliceThickness": "SliceThickness",
    "RescaleSlope": "RescaleSlope",
    "RescaleIntercept": "RescaleIntercept",
    "RescaleType": "RescaleType",
    "FrameType": "ImageType",
    "InStackPositionNumber": "InstanceNumber",
    "FrameAcquisitionNumber": "AcquisitionNumber",
    "ConvolutionKernel": "ConvolutionKernel",
    "GantryDetectorTilt": "GantryDetectorTilt",
}
"""Attributes of functional groups (DICOM PS3.3 C.7.6.16), and the same of a single slice."""


def frames_of(image: DicomObject) -> list[Header]:
    """The header of each slice in a file.

    Values of the per-frame functional groups go before those of the shared ones, and these before
    those of the file as a whole.

    Raises:
        InputError: A file of several frames does not say where each is, or its functional groups
            are damaged.
    """
    try:
        return _frames_of(image)
    except InputError:
        raise
    except Exception as error:  # pydicom converts values when they are read, and raises many kinds
        raise InputError(
            f"{image.source.place}: its functional groups cannot be read, the file is damaged; "
            f"copy or export it again ({type(error).__name__})"
        ) from error


def _frames_of(image: DicomObject) -> list[Header]:
    header = image.header
    shared = list(header["SharedFunctionalGroupsSequence"] or ())
    frames = list(header["PerFrameFunctionalGroupsSequence"] or ())
    count = _count(image)
    if not frames and count == 1:
        return [{**header, **(_groups(shared[0]) if shared else {})}]
    if not frames:
        raise InputError(
            f"{image.source.place}: is a multi-frame file without functional groups, so the place "
            "of its frames is unknown; export the series as one file per slice"
        )
    if len(frames) != count:
        raise InputError(
            f"{image.source.place}: says it has {count} frames and describes {len(frames)}; "
            "export the series again"
        )
    common = {**header, **(_groups(shared[0]) if shared else {})}
    return [{**common, **_groups(frame)} for frame in frames]


def _count(image: DicomObject) -> int:
    try:
        return int(image.header["NumberOfFrames"] or 1)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{image.source.place}: NumberOfFrames is no number; export the series again"
        ) from error


def _groups(item: Any) -> dict[str, Any]:
    """Values of the functional groups of one frame."""
    return dict(_values(item))


def _values(item: Any) -> Iterator[tuple[str, Any]]:
    for group in item:
        if group.VR != "SQ" or not group.value:
            continue
        inner = group.value[0]
        for keyword, name in FRAME_TAGS.items():
            if keyword in inner and inner[keyword].VR != "SQ":  # else a damaged type
                yield name, inner.get(keyword)
