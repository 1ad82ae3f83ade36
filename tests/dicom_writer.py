"""Writes synthetic DICOM series whose every header field a test can choose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import ArrayLike, NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    generate_uid,
)

Field = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Maps LPS positions ``(..., 3)`` in mm to HU."""


def smooth_field(world: NDArray[np.float64]) -> NDArray[np.float64]:
    """A linear intensity that tells every direction, so that interpolation is exact."""
    return 40.0 + world @ np.array([0.5, -0.75, 1.25])


def tilted_axes(degrees: float) -> NDArray[np.float64]:
    """ImageOrientationPatient of a gantry tilted about the left-right axis."""
    angle = np.radians(degrees)
    return np.array([[1.0, 0.0, 0.0], [0.0, np.cos(angle), -np.sin(angle)]])


def write_series(
    folder: Path,
    positions: ArrayLike,
    *,
    axes: ArrayLike = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    shape: tuple[int, int] = (24, 32),
    pixel: tuple[float, float] = (1.5, 1.0),
    field: Field = smooth_field,
    numbers: Sequence[int | None] | None = None,
    syntax: str | None = None,
    change: Callable[[int, pydicom.Dataset], None] | None = None,
    order: Sequence[int] | None = None,
    prefix: str = "",
    **tags: Any,
) -> list[Path]:
    """Writes one file per position, ``00.dcm`` onwards.

    Args:
        folder: Made if absent.
        positions: ``(K, 3)`` ImagePositionPatient.
        axes: ``(2, 3)`` directions along a row and along a column.
        shape: Pixels ``(H, W)``.
        pixel: PixelSpacing ``(between rows, between columns)`` in mm.
        field: HU as a function of the place; rounded to 0.1 HU by the rescale slope.
        numbers: InstanceNumber of each, default 1 to K; None leaves it out.
        syntax: Transfer syntax to compress with.
        change: Called with the index and the dataset before it is written.
        order: Number in the file's name of each slice, default as given.
        prefix: Of the files' names.
        tags: Keywords and values for all slices; None removes the tag.
    """
    folder.mkdir(parents=True, exist_ok=True)
    positions = np.asarray(positions, dtype=np.float64)
    row, column = np.asarray(axes, dtype=np.float64)
    h, w = np.mgrid[: shape[0], : shape[1]][..., None]
    inside = h * pixel[0] * column + w * pixel[1] * row
    series, paths = generate_uid(), []
    for k, position in enumerate(positions):
        data = pydicom.Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = CTImageStorage
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        data.StudyInstanceUID = data.FrameOfReferenceUID = "1.2.3"
        data.SeriesInstanceUID, data.SeriesNumber, data.Modality = series, 2, "CT"
        data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data.PatientName, data.PatientID, data.StudyDate = "Secret^Name", "SECRET-ID", "20200102"
        number = k + 1 if numbers is None else numbers[k]
        if number is not None:
            data.InstanceNumber = number
        data.ImagePositionPatient = [round(float(x), 6) for x in position]
        data.ImageOrientationPatient = [round(float(x), 7) for x in (*row, *column)]
        data.PixelSpacing, data.SliceThickness = list(pixel), "5.0"
        data.Rows, data.Columns = shape
        data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
        data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
        data.PixelRepresentation = 1
        data.RescaleSlope, data.RescaleIntercept, data.RescaleType = "0.1", "-100", "HU"
        stored = np.rint((field(position + inside) + 100.0) / 0.1)
        data.PixelData = stored.astype("<i2").tobytes()
        for keyword, value in tags.items():
            if value is None:
                del data[keyword]
            else:
                setattr(data, keyword, value)
        if change is not None:
            change(k, data)
        if syntax is not None:
            data.compress(syntax)
        path = folder / f"{prefix}{(order[k] if order is not None else k):02d}.dcm"
        data.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def to_enhanced(
    paths: Sequence[Path],
    target: Path,
    *,
    syntax: str | None = None,
    change: Callable[[pydicom.Dataset], None] | None = None,
) -> Path:
    """Writes the slices of a series as the frames of one Enhanced CT image, in the order given.

    Orientation and the rescaling of the first slice are shared; where slices differ in one of
    these, each frame has its own.

    Args:
        paths: Files of uncompressed slices.
        target: The file to write.
        syntax: Transfer syntax to compress with.
        change: Called with the dataset before it is written.
    """
    slices = [pydicom.dcmread(path) for path in paths]
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = EnhancedCTImageStorage
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    kept = (
        "StudyInstanceUID SeriesInstanceUID FrameOfReferenceUID SeriesNumber Modality ImageType "
        "PatientName PatientID StudyDate Rows Columns SamplesPerPixel PhotometricInterpretation "
        "BitsAllocated BitsStored HighBit PixelRepresentation PixelPaddingValue"
    ).split()
    for keyword in kept:
        if keyword in slices[0]:
            data[keyword] = slices[0][keyword]
    data.InstanceNumber, data.NumberOfFrames = 1, len(slices)
    shared, frames = pydicom.Dataset(), [pydicom.Dataset() for _ in slices]
    groups = {
        "PlanePositionSequence": ["ImagePositionPatient"],
        "PlaneOrientationSequence": ["ImageOrientationPatient"],
        "PixelMeasuresSequence": ["PixelSpacing", "SliceThickness"],
        "PixelValueTransformationSequence": ["RescaleSlope", "RescaleIntercept", "RescaleType"],
    }
    for name, keywords in groups.items():
        items = [_item(one, keywords) for one in slices]
        if all(item == items[0] for item in items):
            setattr(shared, name, [items[0]])
        else:
            for frame, item in zip(frames, items, strict=True):
                setattr(frame, name, [item])
    for k, (one, frame) in enumerate(zip(slices, frames, strict=True), 1):
        kind, content = pydicom.Dataset(), pydicom.Dataset()
        kind.FrameType = one.ImageType
        content.InStackPositionNumber, content.StackID = k, "1"
        if "AcquisitionNumber" in one:
            content.FrameAcquisitionNumber = one.AcquisitionNumber
        frame.CTImageFrameTypeSequence, frame.FrameContentSequence = [kind], [content]
    data.SharedFunctionalGroupsSequence = [shared]
    data.PerFrameFunctionalGroupsSequence = frames
    data.PixelData = b"".join(one.PixelData for one in slices)
    if change is not None:
        change(data)
    if syntax is not None:
        data.compress(syntax)
    target.parent.mkdir(parents=True, exist_ok=True)
    data.save_as(target, enforce_file_format=True)
    return target


def _item(data: pydicom.Dataset, keywords: Sequence[str]) -> pydicom.Dataset:
    item = pydicom.Dataset()
    for keyword in keywords:
        if keyword in data:
            item[keyword] = data[keyword]
    return item


def even(count: int, gap: float = 5.0) -> NDArray[np.float64]:
    """Positions straight above each other."""
    return np.array([-12.0, -20.0, 30.0]) + np.outer(np.arange(count) * gap, [0.0, 0.0, 1.0])
