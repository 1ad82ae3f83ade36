"""The flow that a planned hospital must give, from the plan alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from .plan import Patient, Report, Series

SERIES = ("modality", "image_type", "description", "no_patient", "no_time")
REPORTS = (
    "require_exam_class", "require_exam_sub_class", "exclude_parameters", "no_time", "no_findings",
    "duplicate",
)  # fmt: skip
PAIRS = (
    ("quality", "few_slices"), ("quality", "bone_kernel"), ("quality", "bone_window"),
    ("text", "ischaemia_with_hypodensity"), ("volume", "unreadable"),
)  # fmt: skip
Row = tuple[str, str, int, int, int, int, int]
"""Step, reason, dropped scans and reports, left scans, patients and reports."""


@dataclass
class Expected:
    """What must come out.

    Attributes:
        rows: The flow.
        kept: SeriesInstanceUID → the series, of all that are kept.
        series: SeriesInstanceUID → step and reason of the dropped ones.
        reports: How many reports are dropped at each step and reason.
        patient_of: SeriesInstanceUID → PatientID.
    """

    rows: list[Row] = field(default_factory=list)
    kept: dict[str, Series] = field(default_factory=dict)
    series: dict[str, tuple[str, str]] = field(default_factory=dict)
    reports: Counter[tuple[str, str]] = field(default_factory=Counter)
    patient_of: dict[str, str] = field(default_factory=dict)


def expected(patients: Sequence[Patient]) -> Expected:
    """Follows every planted series and report through the steps of the flow."""
    found = Expected()
    left = {s.uid: s for p in patients for s in p.series}
    told = [r for p in patients for r in p.reports]
    for p in patients:
        found.patient_of |= {s.uid: "" if "nameless" in s.quirks else p.id for s in p.series}
    pictures = [f"{p.id} picture" for p in patients if "screenshot" in p.litter]
    owner = {f"{p.id} picture": p.id for p in patients} | found.patient_of

    def row(step: str, reason: str, scans: int, reports: int) -> None:
        everyone = {owner[uid] for uid in (*left, *pictures)}
        found.rows.append(
            (step, reason, scans, reports, len(left) + len(pictures), len(everyone), len(told))
        )

    def drop(step: str, reason: str, gone: list[Series]) -> None:
        for series in gone:
            del left[series.uid]
            found.series[series.uid] = (step, reason)

    def forget(step: str, reason: str, gone: list[Report]) -> None:
        found.reports[step, reason] += len(gone)
        for report in gone:
            told.remove(report)

    row("collected", "", 0, 0)
    for reason in SERIES:
        gone = [s for s in left.values() if reason in s.faults]
        drop("series", reason, gone)
        other = len(pictures) if reason == "modality" else 0
        if reason == "modality":
            pictures.clear()
        if gone or other:
            row("series", reason, len(gone) + other, 0)
    for reason in REPORTS:
        bad = [r for r in told if reason in r.faults]
        forget("reports", reason, bad)
        if bad:
            row("reports", reason, 0, len(bad))
    for reason in ("no_report", "too_far"):
        gone = [s for s in left.values() if s.alone == reason]
        drop("pairing", reason, gone)
        if gone:
            row("pairing", reason, len(gone), 0)
    paired = {id(s.report) for s in left.values()}
    bad = [r for r in told if id(r) not in paired]
    forget("pairing", "not_paired", bad)
    if bad:
        row("pairing", "not_paired", 0, len(bad))
    for step, reason in PAIRS:
        gone = [s for s in left.values() if reason in s.faults]
        drop(step, reason, gone)
        paired = {id(s.report) for s in left.values()}
        bad = [r for r in told if id(r) not in paired]
        forget(step, reason, bad)
        if gone:
            row(step, reason, len(gone), len(bad))
    row("kept", "", 0, 0)
    found.kept = left
    return found
