"""Writes the DICOM files of a planned series."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
    RLELossless,
)

from .plan import Patient, Series
from .stock import Head

TILT = np.radians(15.0)
PACKED = {"rle": RLELossless, "j2k": JPEG2000Lossless}
SCANNERS = (("SIEMENS", "Sensation 16"), ("GE MEDICAL SYSTEMS", "LightSpeed VCT"))


def files_of(patient: Patient, series: Series, head: Head) -> Iterator[bytes]:
    """The files of a series, slice by slice from below; a missing slice is left out."""
    hu, pixel = _pixels(series, head)
    gap = head.spacing[0] * len(head.hu) / series.slices
    data = _dataset(patient, series, hu.shape, pixel, gap)
    row, column, table = np.eye(3)
    if "tilted" in series.quirks:
        column = np.array([0.0, np.cos(TILT), -np.sin(TILT)])
        table = np.array([0.0, 0.0, 1.0])
    data.ImageOrientationPatient = [round(float(x), 7) for x in (*row, *column)]
    start = -0.5 * pixel * np.array([hu.shape[2], hu.shape[1], 0.0]) - [0, 0, 40.0]
    order = np.random.default_rng(_number(series.uid)).permutation(series.slices)
    for k in range(series.slices):
        if "gap" in series.quirks and k == series.slices // 2:
            continue
        data.InstanceNumber = int(order[k]) + 1  # says nothing of where a slice lies
        data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"{series.uid}.{k + 1}"
        data.ImagePositionPatient = [round(float(x), 4) for x in start + k * gap * table]
        data.PixelData = hu[k].tobytes()
        content = _encoded(data, series)
        if "cut" in series.quirks and k == series.slices // 3:
            content = content[: len(content) - hu[k].nbytes // 2]
        yield content


def object_of(patient: Patient, kind: str, when: datetime) -> bytes:
    """A DICOM file that is no slice: "dose" report, "screenshot" or "directory"."""
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    uid = {
        "dose": "1.2.840.10008.5.1.4.1.1.88.67",
        "screenshot": "1.2.840.10008.5.1.4.1.1.7",
        "directory": "1.2.840.10008.1.3.10",
    }[kind]
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = uid
    instance = f"{patient.series[0].study}.{_number(kind + patient.id)}"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = instance
    _identity(data, patient, when)
    data.StudyInstanceUID, data.SeriesInstanceUID = patient.series[0].study, f"{instance}.1"
    data.Modality = {"dose": "SR", "screenshot": "OT", "directory": "OT"}[kind]
    if kind == "screenshot":
        data.Rows, data.Columns, data.SamplesPerPixel = 8, 8, 3
        data.PhotometricInterpretation, data.PlanarConfiguration = "RGB", 0
        data.BitsAllocated = data.BitsStored = 8
        data.HighBit, data.PixelRepresentation = 7, 0
        data.ImageType = ["DERIVED", "SECONDARY"]
        data.PixelData = bytes(192)
    return _bytes(data)


def _pixels(series: Series, head: Head) -> tuple[NDArray[np.int16], float]:
    """``(D, H, W)`` HU of this scan, and millimetres between its pixels."""
    chosen = np.linspace(0, len(head.hu) - 1, series.slices).round().astype(int)
    hu, pixel = head.hu[chosen], head.spacing[2]
    if "large" in series.quirks:
        hu, pixel = hu.repeat(2, axis=1).repeat(2, axis=2), pixel / 2
    noise = np.random.default_rng(_number(series.uid)).normal(0, 2.0, hu.shape)
    return (hu + noise.round()).astype("<i2"), pixel


def _dataset(
    patient: Patient, series: Series, shape: tuple[int, ...], pixel: float, gap: float
) -> pydicom.Dataset:
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    implicit = "implicit" in series.quirks
    syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    data.file_meta.TransferSyntaxUID = syntax
    storage = CTImageStorage if series.modality == "CT" else MRImageStorage
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = storage
    _identity(data, patient, series.when)
    if "nameless" in series.quirks:
        data.PatientName = data.PatientID = ""
    data.StudyInstanceUID, data.SeriesInstanceUID = series.study, series.uid
    data.FrameOfReferenceUID = f"{series.study}.9"
    data.SeriesNumber, data.Modality = series.number, series.modality
    data.SeriesDescription, data.ImageType = series.description, list(series.image_type)
    data.Manufacturer, data.ManufacturerModelName = SCANNERS[patient.number % len(SCANNERS)]
    data.PixelSpacing = [round(pixel, 4)] * 2
    data.SliceThickness = round(gap, 3)
    data.Rows, data.Columns = shape[1:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 1
    if series.modality == "CT":
        if series.kernel:
            data.ConvolutionKernel = series.kernel
        data.GantryDetectorTilt = 15 if "tilted" in series.quirks else 0
        data.RescaleIntercept, data.RescaleSlope, data.RescaleType = "0", "1", "HU"
        bone = "bone_window" in series.faults
        data.WindowCenter, data.WindowWidth = (450, 2000) if bone else (35, 90)
    return data


def _identity(data: pydicom.Dataset, patient: Patient, when: datetime | None) -> None:
    data.SpecificCharacterSet = "GB18030"
    data.PatientName, data.PatientID = patient.name, patient.id
    data.PatientBirthDate, data.PatientSex = patient.birth, patient.sex
    data.InstitutionName, data.AccessionNumber = "市第一人民医院", f"A{patient.number:06d}"
    if when is not None:
        data.StudyDate = data.SeriesDate = data.AcquisitionDate = f"{when:%Y%m%d}"
        data.StudyTime = data.SeriesTime = data.AcquisitionTime = f"{when:%H%M%S}"


def _encoded(data: pydicom.Dataset, series: Series) -> bytes:
    syntax = next((PACKED[quirk] for quirk in series.quirks if quirk in PACKED), None)
    if syntax is None:
        return _bytes(data)
    packed = copy.deepcopy(data)
    packed.compress(syntax, generate_instance_uid=False)
    return _bytes(packed)


def _bytes(data: pydicom.Dataset) -> bytes:
    with DicomBytesIO() as buffer:
        data.save_as(buffer, enforce_file_format=True)
        return buffer.getvalue()


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
