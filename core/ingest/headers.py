"""The few header tags of a DICOM file that building a cohort needs: an allow-list.

What identifies a patient (PatientID, PatientBirthDate, UIDs, dates) is used to group and pair,
and stays in the cohort's private folder. Of the rest, DICOM's Basic Application Level
Confidentiality Profile (PS3.15 Annex E) removes PatientAge, PatientSex and SeriesDescription:
age is capped, sex is one letter, and a description is kept only if the rules list it.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.io.dicom_kinds import values_of

if TYPE_CHECKING:
    from pydicom import Dataset

PRIVATE_TAGS = (
    "PatientID PatientBirthDate SOPInstanceUID SeriesInstanceUID StudyInstanceUID "
    "AcquisitionDateTime AcquisitionDate AcquisitionTime SeriesDate SeriesTime ContentDate "
    "ContentTime StudyDate StudyTime"
).split()
"""Read, used, and never written outside the private folder."""
PUBLIC_TAGS = (
    "Modality ImageType SeriesDescription PatientAge PatientSex Manufacturer "
    "ManufacturerModelName ConvolutionKernel SliceThickness WindowCenter WindowWidth "
    "NumberOfFrames Rows Columns"
).split()
"""Read and used; what the tables say of them is checked or shortened."""
_NESTED = "SharedFunctionalGroupsSequence"
_OLDEST = 90.0  # years; older ages single people out and are cut to this
_DAYS = {"Y": 365.25, "M": 30.4375, "W": 7.0, "D": 1.0}
_PLAIN = re.compile(r"[\w .,+/()\\-]{1,48}", re.ASCII)


@dataclass(frozen=True)
class Header:
    """What the index keeps of a file.

    Attributes:
        problem: Why the file holds no slice (``not_dicom``, ``unreadable``, ``no_image``,
            ``no_series``), or None.
        sop: SOPInstanceUID.
        series: SeriesInstanceUID.
        values: JSON-able facts; see :func:`_values`.
    """

    problem: str | None = None
    sop: str = ""
    series: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def read_headers(root: bytes, paths: Sequence[bytes]) -> list[Header]:
    """Headers of files below a folder; never raises for a file that is damaged."""
    return [read_header(Path(os.fsdecode(os.path.join(root, path)))) for path in paths]


def read_header(path: Path) -> Header:
    """Header of one file; ``problem`` says what is wrong with it."""
    import pydicom

    try:
        with path.open("rb") as file:
            if file.read(132)[128:] != b"DICM":
                return Header("not_dicom")
            file.seek(0)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset = pydicom.dcmread(
                    file,
                    stop_before_pixels=True,
                    specific_tags=[*PRIVATE_TAGS, *PUBLIC_TAGS, _NESTED],
                )
                return _header(dataset)
    except Exception:  # pydicom raises many kinds for damaged files; the file is listed as broken
        return Header("unreadable")


def _header(dataset: Dataset) -> Header:
    if dataset.get("Rows") is None or dataset.get("Columns") is None:
        kind = dataset.file_meta.get("MediaStorageSOPClassUID")
        name = getattr(kind, "name", "")
        is_image = not name or name == kind or name.endswith("Image Storage")
        return Header("unreadable" if is_image else "no_image")  # an image's header was cut off
    sop, series = _text(dataset, "SOPInstanceUID"), _text(dataset, "SeriesInstanceUID")
    if not sop or not series:
        return Header("no_series")
    return Header(None, sop, series, _values(dataset))


def _values(dataset: Dataset) -> dict[str, Any]:
    """Facts under short names; empty ones are left out."""
    shared = _shared(dataset)
    when = _acquired(dataset)
    found = {
        "patient": _text(dataset, "PatientID"),
        "study": _text(dataset, "StudyInstanceUID"),
        "time": None if when is None else when.isoformat(),
        "age": _age(dataset, when),
        "sex": _text(dataset, "PatientSex").upper()[:1],
        "modality": _text(dataset, "Modality"),
        "image_type": [str(v).strip().upper() for v in values_of(dataset.get("ImageType"))],
        "description": _text(dataset, "SeriesDescription"),
        "manufacturer": _text(dataset, "Manufacturer"),
        "model": _text(dataset, "ManufacturerModelName"),
        "kernel": _text(dataset, "ConvolutionKernel") or _text(shared, "ConvolutionKernel"),
        "center": _number(dataset, "WindowCenter") or _number(shared, "WindowCenter"),
        "width": _number(dataset, "WindowWidth") or _number(shared, "WindowWidth"),
        "thickness": _number(dataset, "SliceThickness"),
        "frames": int(_number(dataset, "NumberOfFrames") or 1),
    }
    return {key: value for key, value in found.items() if value not in (None, "", [])}


def plain(text: str | None) -> str | None:
    """Text of a device tag if it is short and of plain characters, else None."""
    text = (text or "").strip()
    return text if _PLAIN.fullmatch(text) else None


def capped_age(years: float | None) -> float | None:
    """Age with one decimal below two years and none above, 90 for everyone older than 89."""
    if years is None or not math.isfinite(years) or not 0 <= years < 150:
        return None
    return round(years, 1) if years < 2 else min(float(math.floor(years + 1e-6)), _OLDEST)


def _acquired(dataset: Dataset) -> datetime | None:
    """When the image was acquired, or the first time the header has."""
    whole = _text(dataset, "AcquisitionDateTime")
    if len(whole) >= 14 and (when := _moment(whole[:8], whole[8:14])) is not None:
        return when
    for name in ("Acquisition", "Series", "Content", "Study"):
        when = _moment(_text(dataset, f"{name}Date"), _text(dataset, f"{name}Time"))
        if when is not None:
            return when
    return None


def _moment(date: str, time: str) -> datetime | None:
    """A DICOM date and time of day, or None if either is missing or no such moment exists."""
    digits = re.sub(r"[^\d]", "", time.split(".")[0])[:6]
    if len(digits) < 4:
        return None
    try:
        return datetime.strptime(re.sub(r"[^\d]", "", date) + digits.ljust(6, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None


def _age(dataset: Dataset, when: datetime | None) -> float | None:
    """Years, from PatientAge, or else from the birth date."""
    text = _text(dataset, "PatientAge").upper()
    if re.fullmatch(r"\d{1,3}[YMWD]", text):
        return int(text[:-1]) * _DAYS[text[-1]] / _DAYS["Y"]
    try:
        born = datetime.strptime(_text(dataset, "PatientBirthDate"), "%Y%m%d")
    except ValueError:
        return None
    if when is None or when < born:
        return None
    full = when.year - born.year - ((when.month, when.day) < (born.month, born.day))
    return float(full) if full >= 2 else (when - born).days / _DAYS["Y"]


def _shared(dataset: Dataset) -> Dataset:
    """Kernel and window of an enhanced multi-frame object, as if they were at the top."""
    from pydicom import Dataset

    found = Dataset()
    for group in values_of(dataset.get(_NESTED)):
        for element in group:
            for inner in element.value if element.VR == "SQ" else []:
                for name in ("ConvolutionKernel", "WindowCenter", "WindowWidth"):
                    if name in inner:
                        setattr(found, name, inner.get(name))
    return found


def _text(dataset: Dataset, keyword: str) -> str:
    values = [str(v).replace("\0", "").strip() for v in values_of(dataset.get(keyword))]
    return "\\".join(v for v in values if v)


def _number(dataset: Dataset, keyword: str) -> float | None:
    """First value of a numeric tag."""
    values = values_of(dataset.get(keyword))
    try:
        number = float(values[0])
    except (IndexError, TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
