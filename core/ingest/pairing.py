"""Each scan with the same patient's report that is nearest in time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from crossdl.ingest.reports import Report
from crossdl.ingest.series import Scan

PAIRING_REASONS = ("no_report", "too_far")
"""Why a scan has no report: its patient has none, or the nearest one is too far away."""


@dataclass(frozen=True)
class Pair:
    """A scan and its report.

    Attributes:
        scan: The scan.
        report: Index of its report.
        hours: Report minus scan.
    """

    scan: Scan
    report: int
    hours: float


def pair(
    scans: Iterable[Scan], reports: Sequence[Report], max_hours: float
) -> tuple[list[Pair], dict[str, str]]:
    """Pairs scans with reports.

    Of two reports equally far away the one after the scan is taken, as reports follow exams; of
    several at one moment the first by content, so that the table's order does not matter.

    Args:
        scans: Scans with a patient and a time.
        reports: Reports with a patient and a time.
        max_hours: Largest distance.

    Returns:
        The pairs, and UID → reason of the scans without report.
    """
    by_patient = _by_patient(reports)
    pairs: list[Pair] = []
    alone: dict[str, str] = {}
    for scan in scans:
        times, order = by_patient.get(scan.patient, ([], []))
        if not order or scan.time is None:
            alone[scan.uid] = "no_report"
            continue
        moment = scan.time
        at = bisect_left(times, moment)
        before = [bisect_left(times, times[at - 1])] if at else []
        near = [*before, *([at] if at < len(times) else [])]
        best = min(near, key=lambda k: (abs(_hours(moment, times[k])), times[k] < moment))
        hours = _hours(moment, times[best])
        if abs(hours) > max_hours:
            alone[scan.uid] = "too_far"
        else:
            pairs.append(Pair(scan, order[best], hours))
    return pairs, alone


def _by_patient(reports: Sequence[Report]) -> Mapping[str, tuple[list[datetime], list[int]]]:
    """Patient → times in order, and the index of the report at each."""
    grouped: dict[str, list[tuple[datetime, str, int]]] = {}
    for index, report in enumerate(reports):
        if report.time is not None:
            grouped.setdefault(report.patient, []).append((report.time, report.content, index))
    found = {}
    for patient, entries in grouped.items():
        entries.sort()
        found[patient] = ([time for time, _, _ in entries], [index for _, _, index in entries])
    return found


def _hours(scan: datetime, report: datetime) -> float:
    return (report - scan).total_seconds() / 3600


def choose(pairs: Sequence[Pair], how: str) -> set[str]:
    """UIDs of the scans that stay, of several in one study with one report.

    Args:
        pairs: All pairs.
        how: ``"all"``, ``"thickest"`` or ``"most_slices"``.
    """
    if how == "all":
        return {p.scan.uid for p in pairs}
    groups: dict[tuple[str, int], list[Pair]] = {}
    for p in pairs:
        groups.setdefault((p.scan.study, p.report), []).append(p)

    def rank(p: Pair) -> tuple[float, float, str]:
        size = (p.scan.thickness, float(p.scan.slices))
        first, second = size if how == "thickest" else size[::-1]
        return (-first, -second, p.scan.uid)

    return {min(group, key=rank).scan.uid for group in groups.values()}
