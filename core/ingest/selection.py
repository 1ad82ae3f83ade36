"""Applies the rules: series and reports → pairs with labels, everything dropped by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.ingest.database import Database
from crossdl.ingest.exclusions import Ischaemia
from crossdl.ingest.flow import Flow
from crossdl.ingest.pairing import PAIRING_REASONS, Pair, choose, pair
from crossdl.ingest.pseudonyms import Pseudonyms
from crossdl.ingest.reports import REPORT_REASONS, Report, read_reports
from crossdl.ingest.rules import Rules
from crossdl.ingest.series import SERIES_REASONS, Scan, all_series
from crossdl.progress import track
from crossdl.reports import label_reports, merge
from crossdl.types import SentenceLabels

QUALITY_REASONS = ("few_slices", "bone_kernel", "bone_window")
"""Why a pair's scan is unfit, in the order of checking."""
_CHUNK = 256  # reports labelled at a time


@dataclass(frozen=True)
class Selection:
    """What the rules leave.

    Attributes:
        flow: The flow so far; ``flow.scans`` and ``flow.reports`` are what is left.
        counts: Files, series and reports that were collected.
        pairs: Scan → its pair, also of pairs dropped since.
        report_of: Scan → its report, of the same pairs.
        reports: Report → its row.
        labels: Report → labels of its sentences, at least of those left.
    """

    flow: Flow
    counts: dict[str, int]
    pairs: Mapping[str, Pair]
    report_of: Mapping[str, str]
    reports: Mapping[str, Report]
    labels: Mapping[str, SentenceLabels]


def select(
    database: Database, table: Path, rules: Rules, anatomy: Anatomy, names: Pseudonyms
) -> Selection:
    """Selects series and reports, pairs and labels them, and drops what the rules exclude.

    Args:
        database: The complete index of the files.
        table: Table of reports.
        rules: The rules.
        anatomy: The anatomy that the rules name.
        names: Makes pseudonyms.

    Raises:
        InputError: The table cannot be read or is empty.
    """
    scans = {names.scan(scan.uid): scan for scan in all_series(database, rules)}
    reports = _reports(table, rules, names)
    flow = Flow({name: names.patient(s.patient) for name, s in scans.items()}, set(reports))
    counts = {
        "files": database.count_files(),
        "series": len(scans),
        "reports_collected": len(reports),
    }
    flow.drop("files", "file", _bad_files(database, scans.values(), names), ())
    refused = {name: (s.reason, None) for name, s in scans.items() if s.reason}
    flow.drop("series", "series", refused, SERIES_REASONS)
    refused = {name: (r.reason, None) for name, r in reports.items() if r.reason}
    flow.drop("reports", "report", refused, REPORT_REASONS)
    pairs, report_of = _pair(flow, scans, reports, rules, names)
    flow.drop_pairs("quality", _unfit(pairs, rules), QUALITY_REASONS, report_of)
    labels = _label(flow, reports, rules, anatomy)
    flow.drop_pairs(
        "text", _ambiguous(flow, reports, labels, report_of, rules, anatomy), (), report_of
    )
    left = {name: p for name, p in pairs.items() if name in flow.scans}
    stay = choose(list(left.values()), rules.series.choose)
    others = {name: ("other_series", None) for name, p in left.items() if p.scan.uid not in stay}
    flow.drop_pairs("choice", others, (), report_of)
    return Selection(flow, counts, pairs, report_of, reports, labels)


def _reports(table: Path, rules: Rules, names: Pseudonyms) -> dict[str, Report]:
    """Reports by pseudonym; equal rows are numbered."""
    found: dict[str, Report] = {}
    repeats: Counter[str] = Counter()
    for report in track(read_reports(table, rules), "reading reports"):
        found[names.report(report.content, str(repeats[report.content]))] = report
        repeats[report.content] += 1
    if not found:
        raise InputError(f"{table.name}: has no rows")
    return found


def _bad_files(
    database: Database, scans: Iterable[Scan], names: Pseudonyms
) -> dict[str, tuple[str, str | None]]:
    """Files that hold no slice, and copies of ones that do."""
    found: dict[str, tuple[str, str | None]] = {
        names.file(path): (problem, None) for path, problem in database.problems()
    }
    for scan in scans:
        found |= {names.file(path): ("duplicate", None) for path in scan.copies}
    return found


def _pair(
    flow: Flow,
    scans: Mapping[str, Scan],
    reports: Mapping[str, Report],
    rules: Rules,
    names: Pseudonyms,
) -> tuple[dict[str, Pair], dict[str, str]]:
    """Pairs by scan, and scan → report."""
    order = sorted(flow.reports)
    pairs, alone = pair(
        [scans[name] for name in sorted(flow.scans)],
        [reports[name] for name in order],
        rules.pairing.max_hours,
    )
    by_name = {names.scan(p.scan.uid): p for p in pairs}
    report_of = {name: order[p.report] for name, p in by_name.items()}
    unpaired = {names.scan(uid): (reason, None) for uid, reason in alone.items()}
    flow.drop("pairing", "series", unpaired, PAIRING_REASONS)
    unused = flow.reports - set(report_of.values())
    flow.drop("pairing", "report", dict.fromkeys(unused, ("not_paired", None)), ())
    return by_name, report_of


def _unfit(pairs: Mapping[str, Pair], rules: Rules) -> dict[str, tuple[str, str | None]]:
    dropped: dict[str, tuple[str, str | None]] = {}
    for name, p in pairs.items():
        if p.scan.slices < rules.series.min_slices:
            dropped[name] = ("few_slices", f"{p.scan.slices} slices")
        elif p.scan.bone is not None:
            dropped[name] = (p.scan.bone, None)
    return dropped


def _label(
    flow: Flow, reports: Mapping[str, Report], rules: Rules, anatomy: Anatomy
) -> dict[str, SentenceLabels]:
    """Labels of the sentences of the reports that are left."""
    from crossdl.catalog import default_catalog

    discretizer = default_catalog().create("discretizer", rules.discretizer, anatomy)
    names = sorted(flow.reports)
    labels: dict[str, SentenceLabels] = {}
    for start in track(range(0, len(names), _CHUNK), f"labelling, {_CHUNK} reports a step"):
        chunk = names[start : start + _CHUNK]
        found = label_reports(discretizer, [reports[n].findings for n in chunk])
        labels |= {n: f for n, f in zip(chunk, found, strict=True) if f is not None}
    return labels


def _ambiguous(
    flow: Flow,
    reports: Mapping[str, Report],
    labels: Mapping[str, SentenceLabels],
    report_of: Mapping[str, str],
    rules: Rules,
    anatomy: Anatomy,
) -> dict[str, tuple[str, str | None]]:
    """Scans whose report has ischaemia beside another hypodensity."""
    check = Ischaemia(rules.exclusions, anatomy)
    both = {
        name
        for name in flow.reports
        if check.with_hypodensity(labels[name].sentences, merge(labels[name], anatomy))
    }
    return {
        scan: ("ischaemia_with_hypodensity", None) for scan in flow.scans if report_of[scan] in both
    }
