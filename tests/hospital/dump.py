"""Lays the files of a planned hospital out in messy folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .images import files_of, object_of
from .plan import Patient, Series
from .stock import Head

OFFICE = {
    "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
    "说明.txt": "导出于旧系统\n".encode("gb18030"),
    "backup.zip": b"PK\x05\x06" + bytes(18),
    "autorun.inf": b"[autorun]\r\n",
    ".DS_Store": b"\x00\x00\x00\x01Bud1",
}
"""Files that are no DICOM and do not claim to be."""


@dataclass(eq=False)
class Counts:
    """What was written.

    Attributes:
        slices: Files that hold a slice, copies included.
        copies: Files that repeat another.
        pictures: Captured screens, each a series of its own.
        objects: Other DICOM files that are no image.
        cut: DICOM files that end within their header.
        others: Files that are no DICOM, whatever their name says.
    """

    slices: int = 0
    copies: int = 0
    pictures: int = 0
    objects: int = 0
    cut: int = 0
    others: int = 0


def write_images(folder: Path, patients: Sequence[Patient], heads: Sequence[Head]) -> Counts:
    """Writes all files of the patients below a folder."""
    counts = Counts()
    for patient in patients:
        if patient.series:
            _patient(folder, patient, heads, counts)
    return counts


def _patient(folder: Path, patient: Patient, heads: Sequence[Head], counts: Counts) -> None:
    style = patient.number % len(STYLES)
    for series in patient.series:
        places = STYLES[style](patient, series)
        for content, place in zip(
            files_of(patient, series, heads[series.stock]), places, strict=False
        ):
            _write(folder / place, content)
            counts.slices += 1
            if "doubled" in series.quirks:
                _write(folder / "二次导出" / place, content)
                counts.slices += 1
                counts.copies += 1
    _litter(folder, patient, next(STYLES[style](patient, patient.series[0])).parent, counts)


def _litter(folder: Path, patient: Patient, place: Path, counts: Counts) -> None:
    when, number = patient.start, f"{patient.number:04d}"
    rng = np.random.default_rng(patient.number)
    if "dose" in patient.litter:
        _write(folder / place / f"{number}SR", object_of(patient, "dose", when))
        counts.objects += 1
    if "screenshot" in patient.litter:
        _write(folder / place / f"{number}SC", object_of(patient, "screenshot", when))
        counts.pictures += 1
    if patient.number % 10 == 0:
        _write(folder / number / "DICOMDIR", object_of(patient, "directory", when))
        counts.objects += 1
    if "broken" in patient.litter:
        _write(folder / place / f"{number}-a.dcm", b"")
        _write(folder / place / f"{number}-b.dcm", rng.bytes(3000))
        _write(folder / place / f"{number}-c.dcm", _half_a_header(patient))
        counts.others += 2
        counts.cut += 1
    if "office" in patient.litter:
        for name, content in OFFICE.items():
            _write(folder / number / "export" / name, content)
            counts.others += 1


def _half_a_header(patient: Patient) -> bytes:
    """A file that begins as DICOM and ends within its tags."""
    whole = object_of(patient, "screenshot", patient.start)
    return whole[: whole.index(b"\x10\x00\x10\x00PN") + 12]


def _nested(patient: Patient, series: Series) -> Iterator[Path]:
    """As a PACS stores it: no endings."""
    base = Path(f"DICOM/PA{patient.number:06d}/ST{series.study[-4:]}/SE{series.number:06d}")
    return (base / f"IM{k:06d}" for k in range(999))


def _flat(patient: Patient, series: Series) -> Iterator[Path]:
    """All series of a patient in one folder."""
    base = Path(f"{patient.number:04d}")
    return (base / f"{series.number * 1000 + k:05d}.dcm" for k in range(999))


def _scattered(patient: Patient, series: Series) -> Iterator[Path]:
    """The slices of one series over three disks."""
    return (
        Path(f"disk{k % 3}/{patient.start:%Y-%m}/{patient.number:04d}_{series.number}_{k}.DCM")
        for k in range(999)
    )


def _chinese(patient: Patient, series: Series) -> Iterator[Path]:
    """Folders with the patient's name."""
    base = Path(f"导出/{patient.name} {patient.id}/序列 {series.number}")
    return (base / f"图像{k}.dcm" for k in range(999))


def _shared(patient: Patient, series: Series) -> Iterator[Path]:
    """Several patients in one folder, names by UID."""
    return (Path(f"batch{patient.number // 25}/{series.uid}.{k}") for k in range(999))


STYLES = (_nested, _flat, _scattered, _chinese, _shared)


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
