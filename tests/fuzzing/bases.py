"""Valid inputs that fuzzing starts from, a few kilobytes each."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime
from functools import cache
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from .strategies import Files

HEADER = ("患者编号", "检查时间", "检查类别", "检查子类", "检查项目", "findings")
ROWS: tuple[tuple[Any, ...], ...] = (
    ("0001", datetime(2020, 1, 2, 3, 4), "CT", "头颈", "头颅平扫", "左侧额叶见片状高密度影。"),
    ("0002", "2020/01/03 10:20", "CT", "头颈", "鼻窦", "双侧侧脑室内见积血；中线结构居中。"),
    ("0003", "20200104112233", "MR", "脑", "", "颅内未见明显异常密度影。"),
)


@cache
def dicom() -> dict[str, Files]:
    """Series of four slices of 32 x 32, by transfer syntax and kind of object."""
    packed = {"rle": RLELossless, "jpeg 2000": JPEG2000Lossless, "jpeg-ls": JPEGLSLossless}
    return {
        "plain": _slices(None),
        **{name: _slices(syntax) for name, syntax in packed.items()},
        "enhanced": {"0.dcm": _enhanced()},
    }


@cache
def tables() -> dict[str, Files]:
    """Report tables as csv and jsonl, in UTF-8 and GB18030."""
    text = io.StringIO()
    csv.writer(text).writerows([HEADER, *ROWS])
    lines = "".join(
        json.dumps(dict(zip(HEADER, map(str, row), strict=True)), ensure_ascii=False) + "\n"
        for row in ROWS
    )
    return {
        f"{ending} {encoding}": {f"reports.{ending}": content.encode(encoding)}
        for ending, content in (("csv", text.getvalue()), ("jsonl", lines))
        for encoding in ("utf-8", "gb18030")
    }


@cache
def workbooks() -> dict[str, Files]:
    """The same table as .xlsx, with shared and with inline strings."""
    import openpyxl

    found = {}
    for name, write_only in (("shared", False), ("inline", True)):
        book = openpyxl.Workbook(write_only=write_only)
        sheet = book.create_sheet("报告", 0)
        for row in (HEADER, *ROWS):
            sheet.append(list(row))
        content = io.BytesIO()
        book.save(content)
        found[name] = {"reports.xlsx": content.getvalue()}
    return found


@cache
def rules() -> dict[str, Files]:
    """The shipped rules."""
    from crossdl.ingest.rules import default_rules

    return {"shipped": {"rules.toml": default_rules().encode()}}


def _slices(syntax: UID | None) -> Files:
    files = {}
    for k in range(4):
        data = _image(CTImageStorage, k)
        data.ImagePositionPatient = [-16, -16, 5.0 * k]
        data.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data.PixelSpacing, data.SliceThickness = [5.0, 5.0], 5.0
        data.RescaleSlope, data.RescaleIntercept, data.RescaleType = 1, -1024, "HU"
        data.WindowCenter, data.WindowWidth, data.ConvolutionKernel = 35, 90, "H31s"
        data.PixelData = _pixels(1).tobytes()
        if syntax is not None:
            data.compress(syntax, generate_instance_uid=False)
        files[f"{k}.dcm"] = _content(data)
    return files


def _enhanced() -> bytes:
    data = _image(EnhancedCTImageStorage, 0)
    data.NumberOfFrames = 4
    measures, plane, rescale = pydicom.Dataset(), pydicom.Dataset(), pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = [5.0, 5.0], 5.0
    plane.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1, -1024, "HU"
    shared = pydicom.Dataset()
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    shared.PixelValueTransformationSequence = [rescale]
    data.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for k in range(4):
        frame, place = pydicom.Dataset(), pydicom.Dataset()
        place.ImagePositionPatient = [-16, -16, 5.0 * k]
        frame.PlanePositionSequence = [place]
        frames.append(frame)
    data.PerFrameFunctionalGroupsSequence = frames
    data.PixelData = _pixels(4).tobytes()
    return _content(data)


def _image(storage: UID, k: int) -> pydicom.Dataset:
    data = pydicom.Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = storage
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = f"1.2.3.4.{k + 1}"
    data.SpecificCharacterSet = "GB18030"
    data.StudyInstanceUID, data.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
    data.PatientID, data.PatientName, data.PatientBirthDate = "0001", "王小明", "19500102"
    data.PatientSex, data.Modality, data.SeriesDescription = "F", "CT", "HEAD 5mm"
    data.AcquisitionDate, data.AcquisitionTime = "20200102", "030400"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.SeriesNumber, data.InstanceNumber = 2, k + 1
    data.Rows, data.Columns, data.SamplesPerPixel = 32, 32, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 16, 15, 0
    return data


def _pixels(frames: int) -> np.ndarray:
    h, w = np.mgrid[:32, :32]
    inside = (h - 16) ** 2 + (w - 16) ** 2 < 144
    return np.repeat(np.where(inside, 1064, 24).astype("<u2")[None], frames, axis=0)


def _content(data: pydicom.Dataset) -> bytes:
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
