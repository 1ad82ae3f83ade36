"""A tiny hospital with secrets planted wherever a file has room for one."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from crossdl.ingest.build import build_cohort
from crossdl.ingest.publish import Published

CLEAR = "脑实质内未见明显异常密度影。"
BLEED = "左侧额叶见团块状高密度影。秘密文字。"
BOTH = "双侧半卵圆中心见缺血灶。右侧颞叶见片状低密度影。"
HEADER = ("PATIENT_ID", "EXAM_TIME", "EXAM_CLASS", "EXAM_SUB_CLASS", "EXAM_PARA", "FINDINGS", "SEX")
REPORTS = (
    ("SECRETID-A", "2019-03-04 10:30:00", "CT", "头颈", "头颅平扫", BLEED, "男"),
    ("SECRETID-A", "2019-03-04 10:30:00", "CT", "头颈", "头颅平扫", BLEED, "男"),  # twice
    ("SECRETID-A", "2019-03-04 10:10:00", "CT", "头颈", "鼻窦平扫", CLEAR, "男"),
    ("SECRETID-B", "2019-03-05 08:00", "CT", "头颈", "头颅平扫", BOTH, "女"),
    ("SECRETID-C", "2019-03-06 12:00:00", "CT", "头颈", "头颅平扫", CLEAR, "女"),
    ("SECRETID-D", "2019/03/09 12:00", "CT", "头颈", "头颅平扫", CLEAR, "女"),
    ("SECRETID-E", "2019-03-08 11:00:00", "CT", "头颈", "头颅平扫", CLEAR, "女"),
    ("SECRETID-F", "2019-03-08 11:00:00", "MR", "头颈", "头颅平扫", CLEAR, "女"),
)
SECRETS = (
    "SECRET", "Muster", "19310203", "1931-02-03", "20190304", "2019-03-0", "2019/03", "秘密",
    "见团块状", "1.2.826.0", "Geheim", "Ordner", "Strasse",
)  # fmt: skip
FLOW = (
    ("collected", "", 0, 0, 9, 5, 8),
    ("series", "modality", 1, 0, 8, 5, 8),
    ("series", "image_type", 1, 0, 7, 5, 8),
    ("series", "description", 1, 0, 6, 5, 8),
    ("reports", "require_exam_class", 0, 1, 6, 5, 7),
    ("reports", "exclude_parameters", 0, 1, 6, 5, 6),
    ("reports", "duplicate", 0, 1, 6, 5, 5),
    ("pairing", "too_far", 1, 0, 5, 4, 5),
    ("pairing", "not_paired", 0, 1, 5, 4, 4),
    ("quality", "few_slices", 1, 1, 4, 3, 3),
    ("quality", "bone_kernel", 1, 0, 3, 3, 3),
    ("text", "ischaemia_with_hypodensity", 1, 1, 2, 2, 2),
    ("kept", "", 0, 0, 2, 2, 2),
)
"""What must become of it."""


def head(world: np.ndarray) -> np.ndarray:
    """A ball of brain in air."""
    return np.where(np.linalg.norm(world / [70, 85, 70], axis=-1) < 1, 35.0, -1000.0)


def write_dump(root: Path, writer: ModuleType, reverse: bool = False) -> None:
    """Series of the patients A to E, scattered over folders, with copies and broken files."""
    positions = np.array([[-80.0, -100.0, 10.0 * k - 70] for k in range(14)])

    def scan(patient: str, number: int, day: int, place: str, count: int = 14, **tags: Any) -> None:
        def identify(k: int, data: Any) -> None:
            series = f"1.2.826.0.1.{ord(patient)}.{number}"
            data.SeriesInstanceUID, data.StudyInstanceUID = series, f"1.2.826.0.2.{ord(patient)}"
            data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = f"{series}.{k + 1}"
            data.PatientID, data.PatientName = f"SECRETID-{patient}", "Muster^Secret"
            data.PatientBirthDate, data.PatientSex = "19310203", "F"
            data.StudyDate = data.AcquisitionDate = f"201903{day:02d}"
            data.AcquisitionTime, data.StudyTime = "100000.123", "095000"
            data.AccessionNumber, data.PatientAddress = "SECRETACC", "Strasse 1"
            data.InstitutionName, data.StationName = "Secret Hospital", "SECRETSTATION"
            data.PatientComments = data.ImageComments = "Geheim"
            data.Manufacturer, data.ManufacturerModelName = "SIEMENS", "Sensation 16"

        writer.write_series(
            root / place,
            positions[:count],
            shape=(24, 20),
            pixel=(8.0, 8.0),
            field=head,
            change=identify,
            order=list(range(count))[::-1] if reverse else None,
            **{"SeriesDescription": "HEAD 5mm", "ConvolutionKernel": "H31s", **tags},
        )

    scan("A", 1, 4, "Ordner SECRET/a")
    scan("A", 2, 4, "Ordner SECRET/b", ConvolutionKernel="H60s")
    scan("A", 3, 4, "Ordner SECRET/c", SeriesDescription="SECRET Muster thin")
    scan("A", 4, 4, "scout", count=2, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    scan("B", 1, 5, "x/y/z")
    scan("B", 2, 5, "x/y/mr", Modality="MR")
    scan("C", 1, 6, "c", count=8)
    scan("D", 1, 6, "d")
    scan("E", 1, 8, "e")
    copy = sorted((root / "e").iterdir())[3].read_bytes()
    (root / "d" / "copy of Muster.dcm").write_bytes(copy)
    (root / "d" / "cut off").write_bytes(copy[:400])
    (root / "d" / "letter.txt").write_text("Dear Secret Muster", encoding="utf-8")


def write_reports(path: Path, encoding: str = "gb18030") -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([HEADER, *REPORTS])


@pytest.fixture(scope="session")
def hospital(tmp_path_factory: pytest.TempPathFactory, dicom_writer: ModuleType) -> SimpleNamespace:
    """Its ``dicom``, ``reports``, ``salt``, ``flow``, ``secrets`` and ``build(out)``."""
    root = tmp_path_factory.mktemp("hospital")
    write_dump(root / "dicom", dicom_writer)
    write_reports(root / "reports.csv")
    (root / "salt").write_text("0123456789abcdef", encoding="ascii")

    def build(out: Path, **options: Any) -> Published:
        places: dict[str, Path] = {"dicom": root / "dicom", "reports": root / "reports.csv"}
        places |= {key: options.pop(key) for key in ("dicom", "reports") if key in options}
        options = {"rules_file": None, "salt": root / "salt", "workers": 1, **options}
        return build_cohort(places["dicom"], places["reports"], out=out, **options)

    return SimpleNamespace(
        root=root,
        dicom=root / "dicom",
        reports=root / "reports.csv",
        salt=root / "salt",
        build=build,
        flow=FLOW,
        secrets=SECRETS,
        write_dump=lambda to, **how: write_dump(to, dicom_writer, **how),
        write_reports=write_reports,
    )


@pytest.fixture(scope="session")
def built(hospital: SimpleNamespace) -> SimpleNamespace:
    """The hospital's cohort: ``out`` and what building it returned; not to be changed."""
    out = hospital.root / "cohort"
    return SimpleNamespace(out=out, published=hospital.build(out))


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Every file of a cohort outside its private folder."""

    def read(out: Path) -> dict[str, bytes]:
        files = (p for p in sorted(out.rglob("*")) if p.is_file())
        found = {p.relative_to(out).as_posix(): p.read_bytes() for p in files}
        return {name: data for name, data in found.items() if not name.startswith("private/")}

    return read
