"""Builds a cohort: files → series → pairs → labels → volumes → tables.

Every stage is either remembered in the private index or cheap, so a build that was killed goes on
where it was, and one to which files were added reads only these.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crossdl import __version__
from crossdl.anatomy import Anatomy
from crossdl.errors import ConfigError, InputError
from crossdl.ingest.database import Database
from crossdl.ingest.exclusions import Ischaemia
from crossdl.ingest.flow import Flow
from crossdl.ingest.headers import capped_age, plain
from crossdl.ingest.index import index_files
from crossdl.ingest.pairing import PAIRING_REASONS, Pair, choose, pair
from crossdl.ingest.pseudonyms import Pseudonyms, load_pseudonyms
from crossdl.ingest.publish import Published, State, publish
from crossdl.ingest.reports import REPORT_REASONS, Report, read_reports
from crossdl.ingest.rules import Rules, load_rules
from crossdl.ingest.series import SERIES_REASONS, Scan, all_series, slices_of
from crossdl.ingest.sources import write_sources
from crossdl.ingest.split import divide
from crossdl.ingest.volumes import (
    VOLUME_REASONS,
    Job,
    Outcome,
    make_volumes,
    signature,
    volume_path,
)
from crossdl.progress import track
from crossdl.reports import label_reports, merge
from crossdl.types import SentenceLabels

_CHUNK = 256  # reports labelled at a time
QUALITY_REASONS = ("few_slices", "bone_kernel", "bone_window")


def build_cohort(
    dicom: Path,
    reports: Path,
    rules_file: Path | None,
    out: Path,
    *,
    salt: Path | None = None,
    workers: int | None = None,
    timeout_s: float = 600.0,
) -> Published:
    """Builds a cohort, or brings it up to date.

    Args:
        dicom: Folder of DICOM files in any layout.
        reports: Table of reports.
        rules_file: Rules, or None for the shipped ones.
        out: The cohort's folder.
        salt: File whose content salts the pseudonyms; None makes one at first.
        workers: Processes; None for one per core.
        timeout_s: Seconds after which the preparation of a scan is given up.

    Raises:
        ConfigError: The rules are wrong, or ``out`` holds something else.
        InputError: The folder or the table cannot be read.
    """
    rules, text = load_rules(rules_file)
    count = workers or os.cpu_count() or 1
    with opened(out, create=True) as database:
        _check_same_split(database, rules, out)
        pseudonyms = load_pseudonyms(out / "private" / "salt", salt)
        index_files(dicom, database, skip=out, workers=count)
        build = _Build(dicom, out, rules, database, pseudonyms)
        state, patients = build.run(reports, text, count, timeout_s)
        write_sources(out / "private" / "sources.parquet", build.sources(), build.root)
        database.save(patients, state.packed())
        return publish(out, database)


@contextmanager
def opened(out: Path, *, create: bool) -> Iterator[Database]:
    """Opens the index of a cohort; no other process can work on it meanwhile.

    Args:
        out: The cohort's folder.
        create: Whether to make it if it is not there.

    Raises:
        ConfigError: The folder holds something else.
        InputError: There is no cohort, or another process works on it.
    """
    from filelock import FileLock, Timeout

    private = out / "private"
    if not private.is_dir():
        if not create:
            raise InputError(f"{out}: is no cohort; build it with crossdl cohort build")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(f"{out}: holds other files; give a new folder as --out")
        private.mkdir(parents=True, mode=0o700)
    private.chmod(0o700)
    try:
        with FileLock(private / "lock", timeout=0):
            database = Database(private / "index.sqlite")
            try:
                yield database
            finally:
                database.close()
    except Timeout as error:
        raise InputError(
            f"{out}: another process is working on this cohort; wait for it"
        ) from error


def _check_same_split(database: Database, rules: Rules, out: Path) -> None:
    state = State.unpacked(database.state())
    if state is not None and state.facts["split"] != rules.split.model_dump(mode="json"):
        raise ConfigError(
            f"split: {out} was divided with other values of [split], and patients must not move; "
            "restore them, or give another --out"
        )


class _Build:
    """One pass over index and reports."""

    def __init__(
        self, root: Path, out: Path, rules: Rules, database: Database, pseudonyms: Pseudonyms
    ) -> None:
        self.root, self.out, self.rules = root.resolve(), out.resolve(), rules
        self.database, self.names = database, pseudonyms
        self.anatomy: Anatomy = rules.load_anatomy()
        self.kept: list[tuple[str, Scan, list[str]]] = []

    def run(
        self, table: Path, text: str, workers: int, timeout_s: float
    ) -> tuple[State, dict[str, str]]:
        """Selects, pairs, labels and prepares; returns the state and the split by PatientID."""
        scans = {self.names.scan(s.uid): s for s in all_series(self.database, self.rules.series)}
        reports = self._reports(table)
        flow = Flow(
            {name: self.names.patient(scan.patient) for name, scan in scans.items()}, set(reports)
        )
        counts = {
            "files": self.database.count_files(),
            "series": len(scans),
            "reports_collected": len(reports),
        }
        self._drop_files(flow, scans)
        refused = {name: (s.reason, None) for name, s in scans.items() if s.reason}
        flow.drop("series", "series", refused, SERIES_REASONS)
        refused = {name: (r.reason, None) for name, r in reports.items() if r.reason}
        flow.drop("reports", "report", refused, REPORT_REASONS)
        pairs, report_of = self._pair(flow, scans, reports)
        self._drop_by_quality(flow, pairs, report_of)
        labels = self._label(flow, reports)
        self._drop_by_text(flow, reports, labels, report_of)
        left = [p for name, p in pairs.items() if name in flow.scans]
        stay = choose(left, self.rules.series.choose)
        others = {
            name: ("other_series", None)
            for name, p in pairs.items()
            if name in flow.scans and p.scan.uid not in stay
        }
        flow.drop_pairs("choice", others, (), report_of)
        outcomes = self._volumes(flow, pairs, workers, timeout_s)
        failed = {n: (o.problem, o.detail) for n, o in outcomes.items() if o.problem}
        flow.drop_pairs("volume", failed, VOLUME_REASONS, report_of)
        left_names = sorted(flow.scans)
        self.kept = [entry for entry in self.kept if entry[0] in flow.scans]
        split = divide(
            {pairs[name].scan.patient for name in left_names},
            self.rules.split,
            self.database.splits(),
        )
        state = State(
            facts={
                "anatomy": self.anatomy.model_dump(mode="json"),
                "discretizer": self.rules.discretizer.model_dump(mode="json"),
                "split": self.rules.split.model_dump(mode="json"),
                "rules_digest": hashlib.sha256(text.encode()).hexdigest(),
                "crossdl": __version__,
            },
            counts=counts,
            rules=text,
            scans=[
                self._scan_row(name, pairs[name], report_of[name], reports, split, outcomes[name])
                for name in left_names
            ],
            reports=[
                self._report_row(name, reports[name], labels[name]) for name in sorted(flow.reports)
            ],
            labels={name: self._cells(labels[report_of[name]]) for name in left_names},
            rows=flow.rows,
            drops=flow.drops,
            left_out=[
                column
                for column in ("findings", "impression")
                if not getattr(self.rules.privacy, f"keep_{column}")
            ],
        )
        return state, split

    def sources(self) -> Iterator[dict[str, Any]]:
        """Rows of the private table that leads back to files and patients."""
        for name, scan, paths in self.kept:
            for path in paths:
                yield {"scan": name, "series": scan.uid, "patient": scan.patient, "path": path}

    def _reports(self, table: Path) -> dict[str, Report]:
        """Reports by pseudonym; equal rows are numbered."""
        found: dict[str, Report] = {}
        repeats: Counter[str] = Counter()
        for report in track(read_reports(table, self.rules.reports), "reading reports", None):
            found[self.names.report(report.content, str(repeats[report.content]))] = report
            repeats[report.content] += 1
        if not found:
            raise InputError(f"{table.name}: has no rows")
        return found

    def _drop_files(self, flow: Flow, scans: dict[str, Scan]) -> None:
        dropped = {self.names.file(p): (why, None) for p, why in self.database.problems()}
        for scan in scans.values():
            dropped |= {self.names.file(path): ("duplicate", None) for path in scan.copies}
        flow.drop("files", "file", dropped, ())

    def _pair(
        self, flow: Flow, scans: dict[str, Scan], reports: dict[str, Report]
    ) -> tuple[dict[str, Pair], dict[str, str]]:
        """Pairs by scan, and scan → report."""
        order = sorted(flow.reports)
        pairs, alone = pair(
            [scans[name] for name in sorted(flow.scans)],
            [reports[name] for name in order],
            self.rules.pairing.max_hours,
        )
        by_name = {self.names.scan(p.scan.uid): p for p in pairs}
        report_of = {name: order[p.report] for name, p in by_name.items()}
        unpaired = {self.names.scan(uid): (reason, None) for uid, reason in alone.items()}
        flow.drop("pairing", "series", unpaired, PAIRING_REASONS)
        unused = flow.reports - set(report_of.values())
        flow.drop("pairing", "report", dict.fromkeys(unused, ("not_paired", None)), ())
        return by_name, report_of

    def _drop_by_quality(
        self, flow: Flow, pairs: dict[str, Pair], report_of: dict[str, str]
    ) -> None:
        dropped: dict[str, tuple[str, str | None]] = {}
        for name, p in pairs.items():
            if p.scan.slices < self.rules.series.min_slices:
                dropped[name] = ("few_slices", f"{p.scan.slices} slices")
            elif p.scan.bone is not None:
                dropped[name] = (p.scan.bone, None)
        flow.drop_pairs("quality", dropped, QUALITY_REASONS, report_of)

    def _label(self, flow: Flow, reports: dict[str, Report]) -> dict[str, SentenceLabels]:
        """Sentence labels of the reports that are left."""
        from crossdl.catalog import default_catalog

        discretizer = default_catalog().create("discretizer", self.rules.discretizer, self.anatomy)
        names = sorted(flow.reports)
        labels: dict[str, SentenceLabels] = {}
        for start in track(range(0, len(names), _CHUNK), f"labelling, {_CHUNK} reports a step"):
            chunk = names[start : start + _CHUNK]
            found = label_reports(discretizer, [reports[n].findings for n in chunk], self.anatomy)
            labels |= {n: f for n, f in zip(chunk, found, strict=True) if f is not None}
        return labels

    def _drop_by_text(
        self,
        flow: Flow,
        reports: dict[str, Report],
        labels: dict[str, SentenceLabels],
        report_of: dict[str, str],
    ) -> None:
        check = Ischaemia(self.rules.exclusions, self.anatomy)
        both = {
            name
            for name in flow.reports
            if check.with_hypodensity(reports[name].findings, merge(labels[name], self.anatomy))
        }
        dropped = {
            scan: ("ischaemia_with_hypodensity", None)
            for scan in flow.scans
            if report_of[scan] in both
        }
        flow.drop_pairs("text", dropped, (), report_of)

    def _volumes(
        self, flow: Flow, pairs: dict[str, Pair], workers: int, timeout_s: float
    ) -> dict[str, Outcome]:
        jobs = []
        for name in sorted(flow.scans):
            scan = pairs[name].scan
            files = slices_of(self.database.files_of(scan.uid), self.rules.series)
            relative = [os.fsdecode(path) for _, path, _, _ in files]
            self.kept.append((name, scan, relative))
            paths = tuple(str(self.root / path) for path in relative)
            job = Job(name, paths, self.rules.anatomy, str(self.out / volume_path(name)))
            jobs.append((job, signature(files, self.anatomy), scan))
        failures: list[str] = []

        def failed(name: str, outcome: Outcome) -> None:
            failures.append(f"{name}: {outcome.problem} ({outcome.detail})")

        removed = {scan for scan, _, _ in self.database.exclusions()}
        return make_volumes(
            jobs,
            self.database,
            self.names,
            removed=removed,
            workers=workers,
            timeout_s=timeout_s,
            on_failure=failed,
        )

    def _scan_row(
        self,
        name: str,
        p: Pair,
        report: str,
        reports: dict[str, Report],
        split: dict[str, str],
        outcome: Outcome,
    ) -> dict[str, Any]:
        scan, said = p.scan, reports[report]
        sex = scan.sex or said.sex
        return {
            "scan": name,
            "patient": self.names.patient(scan.patient),
            "report": report,
            "split": split[scan.patient],
            "hours_apart": round(p.hours, 3),
            "age_years": capped_age(scan.age if scan.age is not None else said.age),
            "sex": sex if sex in ("F", "M", "O") else None,
            "manufacturer": plain(scan.manufacturer),
            "model": plain(scan.model),
            "kernel": plain(scan.kernel),
            "description": self.rules.series.public(scan.description),
            "volume": volume_path(name),
            **outcome.facts,
        }

    def _report_row(self, name: str, report: Report, labels: SentenceLabels) -> dict[str, Any]:
        row: dict[str, Any] = {
            "report": name,
            "patient": self.names.patient(report.patient),
            "sentences": len(labels.sentences),
        }
        if self.rules.privacy.keep_findings:
            row["findings"] = report.findings
        if self.rules.privacy.keep_impression:
            row["impression"] = report.impression
        return row

    def _cells(self, labels: SentenceLabels) -> list[tuple[str, str, float]]:
        values = merge(labels, self.anatomy).values
        regions: Sequence[str] = self.anatomy.label_names
        return [
            (regions[row], self.anatomy.type_names[column], float(values[row, column]))
            for row, column in zip(*values.nonzero(), strict=True)
        ]
