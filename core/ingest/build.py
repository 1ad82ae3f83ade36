"""Builds a cohort: files → series → pairs → labels → volumes → tables.

Every stage is either remembered in the private index or cheap, so a build that was killed goes on
where it was, and one to which files were added reads only these.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crossdl import __version__
from crossdl.anatomy import Anatomy
from crossdl.errors import ConfigError
from crossdl.ingest.database import Database
from crossdl.ingest.folder import opened
from crossdl.ingest.headers import capped_age, plain
from crossdl.ingest.index import check_folder, index_files
from crossdl.ingest.pseudonyms import Pseudonyms, load_pseudonyms
from crossdl.ingest.publish import Published, State, publish
from crossdl.ingest.reports import check_table
from crossdl.ingest.rules import Rules, load_rules
from crossdl.ingest.selection import Selection, select
from crossdl.ingest.series import slices_of
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
from crossdl.reports import merge
from crossdl.types import SentenceLabels


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

    Returns:
        What the cohort now is; scans that failed are among its drops.

    Raises:
        ConfigError: The rules are wrong, or ``out`` holds something else.
        InputError: The folder or the table cannot be read.
    """
    rules, text = load_rules(rules_file)
    anatomy = rules.load_anatomy()
    check_folder(dicom)
    check_table(reports, rules)
    count = workers or os.cpu_count() or 1
    with opened(out, create=True) as database:
        _check_same_split(database, rules, out)
        names = load_pseudonyms(out / "private" / "salt", salt)
        index_files(dicom, database, skip=out, workers=count)
        chosen = select(database, reports, rules, anatomy, names)
        jobs = _Jobs(dicom.resolve(), out.resolve(), rules, anatomy, database)
        outcomes = make_volumes(
            [jobs.of(name, chosen) for name in sorted(chosen.flow.scans)],
            database,
            names,
            removed={scan for scan, _, _ in database.exclusions()},
            workers=count,
            timeout_s=timeout_s,
        )
        failed = {n: (o.problem, o.detail) for n, o in outcomes.items() if o.problem}
        chosen.flow.drop_pairs("volume", failed, VOLUME_REASONS, chosen.report_of)
        patients = {chosen.pairs[name].scan.patient for name in chosen.flow.scans}
        split = divide(patients, rules.split, database.splits())
        state = _state(chosen, outcomes, split, rules, anatomy, names, text)
        sources = out / "private" / "sources.parquet"
        write_sources(sources, jobs.sources(chosen), dicom.resolve())
        database.save(split, state.packed())
        return publish(out, database)


def _check_same_split(database: Database, rules: Rules, out: Path) -> None:
    known = database.state().get("split")
    if known is not None and known != rules.split.model_dump_json().encode():
        raise ConfigError(
            f"split: {out} was divided with other values of [split], and patients must not move; "
            "restore them, or give another --out"
        )


class _Jobs:
    """Which files each scan is made of."""

    def __init__(
        self, root: Path, out: Path, rules: Rules, anatomy: Anatomy, database: Database
    ) -> None:
        self._root, self._out, self._rules = root, out, rules
        self._anatomy, self._database = anatomy, database

    def of(self, name: str, chosen: Selection) -> tuple[Job, str]:
        """The job of a scan and its signature."""
        scan = chosen.pairs[name].scan
        files = slices_of(self._database.files_of(scan.uid), self._rules)
        paths = tuple(str(self._root / os.fsdecode(path)) for _, path, _, _ in files)
        target = str(self._out / volume_path(name))
        holes = self._rules.series.allow_missing_slices
        identifiers = (scan.uid, scan.study, scan.patient)
        job = Job(name, paths, self._rules.anatomy, target, identifiers, holes)
        return job, signature(files, self._anatomy, allow_missing_slices=holes)

    def sources(self, chosen: Selection) -> Iterator[dict[str, str]]:
        """Rows of the private table that leads back to files and patients."""
        for name in sorted(chosen.flow.scans):
            scan = chosen.pairs[name].scan
            for _, path, _, _ in slices_of(self._database.files_of(scan.uid), self._rules):
                row = {"scan": name, "series": scan.uid, "patient": scan.patient}
                yield {**row, "path": os.fsdecode(path)}


def _state(
    chosen: Selection,
    outcomes: Mapping[str, Outcome],
    split: Mapping[str, str],
    rules: Rules,
    anatomy: Anatomy,
    names: Pseudonyms,
    text: str,
) -> State:
    scans, reports = sorted(chosen.flow.scans), sorted(chosen.flow.reports)
    return State(
        facts={
            "anatomy": anatomy.model_dump(mode="json"),
            "discretizer": rules.discretizer.model_dump(mode="json"),
            "split": rules.split.model_dump(mode="json"),
            "rules_digest": hashlib.sha256(text.encode()).hexdigest(),
            "crossdl": __version__,
        },
        split=rules.split.model_dump_json(),
        counts=chosen.counts,
        rules=text,
        scans=[_scan_row(n, chosen, outcomes[n], split, rules, names) for n in scans],
        reports=[_report_row(n, chosen, rules, names) for n in reports],
        labels={n: _cells(chosen.labels[chosen.report_of[n]], anatomy) for n in scans},
        rows=chosen.flow.rows,
        drops=chosen.flow.drops,
        left_out=[
            column
            for column in ("findings", "impression")
            if not getattr(rules.privacy, f"keep_{column}")
        ],
    )


def _scan_row(
    name: str,
    chosen: Selection,
    outcome: Outcome,
    split: Mapping[str, str],
    rules: Rules,
    names: Pseudonyms,
) -> dict[str, Any]:
    pair, report = chosen.pairs[name], chosen.report_of[name]
    scan, said = pair.scan, chosen.reports[report]
    sex = scan.sex or said.sex
    return {
        "scan": name,
        "patient": names.patient(scan.patient),
        "report": report,
        "split": split[scan.patient],
        "hours_apart": round(pair.hours, 3),
        "age_years": capped_age(scan.age if scan.age is not None else said.age),
        "sex": sex if sex in ("F", "M", "O") else None,
        "manufacturer": plain(scan.manufacturer),
        "model": plain(scan.model),
        "kernel": plain(scan.kernel),
        "description": rules.series.public(scan.description),
        "volume": volume_path(name),
        **outcome.facts,
    }


def _report_row(name: str, chosen: Selection, rules: Rules, names: Pseudonyms) -> dict[str, Any]:
    report = chosen.reports[name]
    row: dict[str, Any] = {
        "report": name,
        "patient": names.patient(report.patient),
        "sentences": len(chosen.labels[name].sentences),
    }
    if rules.privacy.keep_findings:
        row["findings"] = report.findings
    if rules.privacy.keep_impression:
        row["impression"] = report.impression
    return row


def _cells(labels: SentenceLabels, anatomy: Anatomy) -> list[tuple[str, str, float]]:
    """Region, type and probability of the cells that a report says are abnormal (E1)."""
    values = merge(labels, anatomy).values
    return [
        (anatomy.label_names[row], anatomy.type_names[column], float(values[row, column]))
        for row, column in zip(*values.nonzero(), strict=True)
    ]
