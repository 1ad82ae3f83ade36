"""Writes small look-alikes of the folders that cohorts read: CT-ICH, CQ500, a built cohort."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from crossdl.anatomy import load_anatomy
from crossdl.ingest.rules import default_rules
from crossdl.ingest.sources import write_sources
from crossdl.io.volumes import write_volume
from crossdl.types import Grid


def _dicom_writer() -> ModuleType:
    path = Path(__file__).with_name("dicom_writer.py")
    spec = importlib.util.spec_from_file_location("dicom_writer", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ICH_HEAD = "PatientNumber,SliceNumber,Intraventricular,Intraparenchymal,Subarachnoid,Epidural,Subdural,No_Hemorrhage,Fracture_Yes_No"  # noqa: E501
ICH_SHAPE = (4, 12, 10)
ICH_SLICES: dict[int, list[tuple[int, int, int, int, int, int]]] = {
    # IVH, IPH, SAH, EDH, SDH, fracture of each slice
    49: [(0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 1), (0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0)],
    50: [(0, 0, 0, 0, 0, 0), (1, 0, 1, 0, 0, 0), (0, 1, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0)],
    51: [(0, 0, 0, 0, 0, 0), (0, 1, 1, 0, 0, 0), (0, 0, 0, 0, 0, 0), (0, 0, 0, 0, 0, 0)],
    52: [(0, 0, 0, 0, 0, 0), (0, 0, 0, 1, 0, 0), (0, 0, 0, 1, 0, 0), (0, 0, 0, 0, 0, 0)],
}


def write_ct_ich(folder: Path, *, raw: bool = False) -> Path:
    """Four patients as in release 1.0.0, or 1.3.1 if ``raw``.

    050's mask is complete and its types are known; 051's slice has two types; 052's mask lacks a
    slice; 049 has no haemorrhage and no mask.
    """
    ending = ".nii" if raw else ".nii.gz"
    rng = np.random.default_rng(3)
    grid = Grid(ICH_SHAPE, np.diag([0.7, 0.7, 5.0, 1.0]))
    rows, drawn = [ICH_HEAD], {50: (1, 2), 51: (1,), 52: (1,)}
    for number, slices in ICH_SLICES.items():
        array = rng.normal(30, 300, ICH_SHAPE).astype(np.float32)
        write_volume(folder / "ct_scans" / f"{number:03d}{ending}", array, grid)
        if number in drawn:
            mask = np.zeros(ICH_SHAPE, np.uint8)
            for k in drawn[number]:
                mask[k, 2 : 4 + k, 3:6] = 1
            write_volume(folder / "masks" / f"{number:03d}{ending}", mask, grid)
        for k, (*types, fracture) in enumerate(slices, start=1):
            rows.append(",".join(map(str, (number, k, *types, int(not any(types)), fracture))))
    if raw:
        rows = [row.rpartition(",")[0] for row in rows] + ["," * 7]
        people = "Patient Number,Age,Gender,Hemorrhage type,,,,,Fracture (yes 1/no 0),Note\n"
        people += ",,,Intraventricular,Intraparenchymal,Subarachnoid,Epidural,Subdural,,\n"
        people += "49,30,Male,,,,,,1,\n50,40,Female,1,1,1,,,0,\n51,50,Male,,1,1,,,,\n"
        (folder / "Patient_demographics.csv").write_text(people, encoding="utf-8")
    name = "hemorrhage_diagnosis_raw_ct.csv" if raw else "hemorrhage_diagnosis.csv"
    (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8-sig")
    return folder


CQ_KINDS = (
    "ICH IPH IVH SDH EDH SAH BleedLocation-Left BleedLocation-Right ChronicBleed Fracture "
    "CalvarialFracture OtherFracture MassEffect MidlineShift"
).split()


def cq500_reads(rows: dict[str, list[set[str]]]) -> str:
    """``reads.csv`` of which kinds each of three readers marks."""
    head = ["name", "Category", *(f"R{r}:{k}" for r in (1, 2, 3) for k in CQ_KINDS)]
    lines = [",".join(head)]
    for name, readers in rows.items():
        cells = [str(int(k in reader)) for reader in readers for k in CQ_KINDS]
        lines.append(",".join([name, "B1", *cells]))
    return "\n".join(lines) + "\n"


CQ_READS: dict[str, list[set[str]]] = {
    "CQ500-CT-0": [{"ICH", "SDH", "BleedLocation-Left"}] * 2 + [{"ICH", "SAH"}],
    "CQ500-CT-10": [{"ICH", "IPH", "BleedLocation-Left", "BleedLocation-Right"}, set(), set()],
    "CQ500-CT-2": [{"ICH", "IPH", "IVH", "BleedLocation-Right"}] * 3,
}


def write_cq500(folder: Path) -> Path:
    """Three patients; each has a thick and a thin plain series and some that must not be used."""
    writer = _dicom_writer()
    (folder / "reads.csv").write_text(cq500_reads(CQ_READS), encoding="utf-8")
    for number in (0, 2, 10):
        study = folder / f"CQ500CT{number} CQ500CT{number}" / "Unknown Study"

        aside = np.array([0.25 * number, 0, number])  # patients differ

        def series(
            name: str, count: int, gap: float, study: Path = study, aside: Any = aside, **tags: Any
        ) -> None:
            given = {"SeriesDescription": name.removeprefix("CT "), **tags}
            writer.write_series(
                study / name, writer.even(count, gap) + aside, shape=(8, 6), **given
            )

        series("CT Plain", 18, 6.0)
        series("CT PLAIN THIN", 27, 4.0)
        series("CT POST CONTRAST", 12, 10.0)
        series("CT Plain BONE", 12, 10.0, ConvolutionKernel="BONE")
        series("CT Plain-2", 12, 10.0, ConvolutionKernel="H70s")
        series("CT Plain-3", 12, 8.0)  # only a part of the head
        series("CT scout", 2, 5.0, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    return folder


SCANS = 6
"""Scans of :func:`write_built`, of five patients."""


def write_built(folder: Path, *, findings: bool = False) -> Path:
    """A built cohort with its DICOM files in ``folder/dicom`` and the cohort in ``folder/cohort``.

    Returns:
        The cohort's folder.
    """
    writer, anatomy, rng = _dicom_writer(), load_anatomy("head_ct"), np.random.default_rng(11)
    cohort = folder / "cohort"
    (cohort / "private").mkdir(parents=True)
    splits = ["train", "train", "train", "valid", "test", "test"]
    rows, labels, sources, reports = [], [], [], []
    for k in range(SCANS):
        scan, patient, report = (f"{letter}{k:016x}" for letter in "spr")
        if k == 1:
            patient = "p" + "0" * 16  # the first patient again
        paths = writer.write_series(folder / "dicom" / f"{k}", writer.even(12 + k), shape=(8, 6))
        sources += [
            {"scan": scan, "series": "1.2", "patient": "A", "path": f"{k}/{path.name}"}
            for path in paths
        ]
        volume = f"volumes/{scan[-2:]}/{scan}.npy"
        (cohort / volume).parent.mkdir(parents=True, exist_ok=True)
        np.save(cohort / volume, np.full(anatomy.volume_shape, 10 * k, np.uint8))
        grid = np.diag([0.9, 1.1, 1.9, 1.0])
        grid[:3, 3] = (-70, -80, k)
        rows.append(
            {
                "scan": scan, "patient": patient, "report": report, "split": splits[k],
                "hours_apart": 0.5 * k, "age_years": None if k == 5 else 30.0 + 7 * k,
                "sex": [None, "M", "F", "F", "M", "O"][k], "manufacturer": "Acme",
                "model": [None, "One", "One", "Two", "One", "Two"][k], "kernel": "H31s",
                "description": None, "spacing_mm": 0.45 + 0.01 * k, "thickness_mm": 4.0 + k % 2,
                "slices": 12 + k, "tilt_degrees": 0.0, "shape": [12 + k, 8, 6], "volume": volume,
                "affine": grid.ravel().tolist(), "source_digest": f"{k:064x}", "warnings": [],
            }
        )  # fmt: skip
        text = f"Scan {k}."
        reports.append({"report": report, "patient": patient, "sentences": 1, "findings": text})
        for region in (*anatomy.region_names, "other", "unclear"):
            for j, kind in enumerate(anatomy.type_names):
                possible = region in ("other", "unclear") or bool(
                    anatomy.possible[anatomy.region_names.index(region), j]
                )
                if possible and rng.random() < 0.2:
                    chance = float(rng.uniform(0.05, 1))
                    cell = {"scan": scan, "region": region, "type": kind, "probability": chance}
                    labels.append(cell)
    table = pd.DataFrame(reports)
    frames = {
        "scans.parquet": pd.DataFrame(rows),
        "labels.parquet": pd.DataFrame(labels),
        "reports.parquet": table if findings else table.drop(columns="findings"),
    }
    for name, frame in frames.items():
        frame.to_parquet(cohort / name, index=False)
    (cohort / "rules.toml").write_text(default_rules(), encoding="utf-8")
    write_sources(cohort / "private" / "sources.parquet", sources, folder / "dicom")
    facts = {"format": 1, "anatomy": anatomy.model_dump(mode="json")}
    (cohort / "cohort.json").write_text(json.dumps(facts), encoding="utf-8")
    flow = [
        "step,reason,dropped_scans,dropped_reports,left_scans,left_patients,left_reports",
        "collected,,0,0,12,10,14",
        "volume,unreadable,4,0,8,7,14",
        'pairing,"no report within 24 h, 没有报告",2,8,6,5,6',
        "kept,,0,0,6,5,6",
    ]
    (cohort / "flow.csv").write_text("\n".join(flow) + "\n", encoding="utf-8")
    return cohort
