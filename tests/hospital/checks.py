"""Compares a built cohort with the plan of its hospital, item by item."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path
from typing import Any

from . import Hospital
from .builds import contents
from .expected import Expected, expected


def check(hospital: Hospital, out: Path) -> Expected:
    """Asserts that flow, pairs, labels, drops, files and volumes are exactly as planned.

    Returns:
        What was expected.
    """
    plan = expected(hospital.patients)
    assert flow(out) == plan.rows
    _check_scans(hospital, out, plan)
    _check_labels(out, plan)
    _check_dropped(hospital, out, plan)
    _check_private(hospital, out)
    return plan


def flow(out: Path) -> list[tuple[Any, ...]]:
    """Rows of ``flow.csv`` without its header."""
    with (out / "flow.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [(step, reason, *map(int, counts)) for step, reason, *counts in rows]


def table(out: Path, name: str) -> list[dict[str, Any]]:
    """Rows of a parquet table."""
    import pyarrow.parquet as pq

    return list(pq.read_table(out / f"{name}.parquet").to_pylist())


def _check_scans(hospital: Hospital, out: Path, plan: Expected) -> None:
    names = _names(out)
    rows = table(out, "scans")
    by_scan = {row["scan"]: row for row in rows}
    assert len(by_scan) == len(rows), "a scan is there twice"
    assert by_scan.keys() == {names.scan(uid) for uid in plan.kept}
    stored = {path for path in contents(out) if path.startswith("volumes/")}
    assert stored == {row["volume"] for row in rows}
    patients = {p.id: p for p in hospital.patients}
    used: dict[int, str] = {}
    for uid, series in plan.kept.items():
        row, patient = by_scan[names.scan(uid)], patients[plan.patient_of[uid]]
        assert series.when is not None and series.report is not None
        assert series.report.when is not None
        hours = (series.report.when - series.when).total_seconds() / 3600
        assert abs(row["hours_apart"] - hours) < 0.001
        assert used.setdefault(id(series.report), row["report"]) == row["report"]
        assert row["patient"] == names.patient(patient.id)
        age = series.when.year - int(patient.birth[:4])
        assert abs(row["age_years"] - min(age, 90)) <= 1 and row["age_years"] <= 90
        assert (row["sex"], row["slices"]) == (patient.sex, series.slices)
        assert abs(row["tilt_degrees"]) == (15.0 if "tilted" in series.quirks else 0.0)
        assert row["kernel"] == series.kernel and row["description"] == series.description
    assert len(set(used.values())) == len(used) == len(table(out, "reports"))
    splits = {row["patient"]: row["split"] for row in table(out, "splits")}
    assert all(splits[row["patient"]] == row["split"] for row in rows)
    assert splits.keys() == {row["patient"] for row in rows}


def _check_labels(out: Path, plan: Expected) -> None:
    """Every scan has the labels that the rules' discretizer reads in its own report."""
    from crossdl.anatomy import load_anatomy
    from crossdl.catalog import default_catalog
    from crossdl.ingest.rules import load_rules
    from crossdl.reports import label_reports, merge

    anatomy, names = load_anatomy("head_ct"), _names(out)
    reader = default_catalog().create("discretizer", load_rules(None)[0].discretizer, anatomy)
    texts = sorted({s.report.findings for s in plan.kept.values() if s.report is not None})
    cells: dict[str, set[tuple[str, str]]] = {}
    for text, labels in zip(texts, label_reports(reader, texts), strict=True):
        assert labels is not None
        places = zip(*merge(labels, anatomy).values.nonzero(), strict=True)
        cells[text] = {(anatomy.label_names[i], anatomy.type_names[j]) for i, j in places}
    found: dict[str, set[tuple[str, str]]] = {}
    for row in table(out, "labels"):
        found.setdefault(row["scan"], set()).add((row["region"], row["type"]))
    for uid, series in plan.kept.items():
        assert series.report is not None
        assert found.get(names.scan(uid), set()) == cells[series.report.findings]
    assert len(set().union(*cells.values())) > 1, "too few cells to tell reports apart"


def _check_dropped(hospital: Hospital, out: Path, plan: Expected) -> None:
    names = _names(out)
    rows = table(out, "dropped")
    found = {
        row["id"]: (row["step"], row["reason"]) for row in rows if row["what"] in ("series", "pair")
    }
    wanted = {names.scan(uid): where for uid, where in plan.series.items()}
    pictures = [where for scan, where in found.items() if scan not in wanted]
    assert pictures == [("series", "modality")] * hospital.counts.pictures
    assert {scan: found[scan] for scan in wanted} == wanted
    reports = Counter((row["step"], row["reason"]) for row in rows if row["what"] == "report")
    assert reports == Counter({where: n for where, n in plan.reports.items() if n})
    counts = hospital.counts
    files = Counter(row["reason"] for row in rows if row["what"] == "file")
    assert files == Counter(
        {
            reason: n
            for reason, n in (
                ("duplicate", counts.copies),
                ("no_image", counts.objects),
                ("unreadable", counts.cut),
                ("not_dicom", counts.others),
            )
            if n
        }
    )


def _check_private(hospital: Hospital, out: Path) -> None:
    """No identity in any name, table or text outside ``private/``."""
    parts = ["\n".join(contents(out))]
    for path in sorted(out.glob("*")):
        if path.suffix == ".parquet":
            parts.append(json.dumps(table(out, path.stem), ensure_ascii=False))
        elif path.is_file():
            parts.append(path.read_bytes().decode("utf-8", "replace"))
    leaked = leaks(hospital, "\n".join(parts))
    assert not leaked, f"outside private/: {leaked[:3]}"
    assert (out / "private").stat().st_mode & 0o077 == 0


def leaks(hospital: Hospital, text: str) -> list[str]:
    """What of the patients' identities and reports a text holds."""
    secrets = {"1.2.826.0.1.3680043.10", "市第一人民医院", str(hospital.folder), "图像", "二次导出"}
    for patient in hospital.patients:
        secrets |= {patient.id, patient.name, patient.birth, f"A{patient.number:06d}"}
        secrets |= {r.findings for r in patient.reports if r.findings.strip()}
        for series in patient.series:
            if series.when is not None:
                secrets |= {f"{series.when:%Y%m%d}", f"{series.when:%Y-%m-%d}"}
    return sorted(secret for secret in secrets if secret in text)


def _names(out: Path) -> Any:
    from crossdl.ingest.pseudonyms import Pseudonyms

    return Pseudonyms((out / "private" / "salt").read_bytes())
