"""Verdicts of a person who looked at registrations, and what they do to a built cohort."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from crossdl.errors import InputError
from crossdl.hints import did_you_mean, suggest
from crossdl.ingest.folder import opened
from crossdl.ingest.publish import Published, State, publish
from crossdl.ingest.verdicts import Decision, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS = ("scan", "verdict", "note", "regions")
"""Of a file of verdicts; the last two may be missing."""
LONGEST_NOTE = 80
"""Characters of a note: it becomes a row of the cohort's flow."""


def read_verdicts(path: Path) -> list[Verdict]:
    """Reads ``verdicts.csv`` as the gallery saves it.

    Args:
        path: csv with the columns ``scan`` and ``verdict`` (keep or drop), and perhaps ``note``
            and ``regions`` (which region map was looked at).

    Raises:
        InputError: It is missing, not csv, lacks a column, has no row, or a row is wrong.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; save the verdicts in the gallery of `crossdl qc`")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            names = reader.fieldnames or ()
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is no csv in UTF-8") from error
    for column in COLUMNS[:2]:
        if column not in names:
            raise InputError(f"{path}: has no column {column!r}; it needs scan and verdict")
    if not rows:
        raise InputError(f"{path}: has no verdict")
    found: dict[str, Verdict] = {}
    for number, row in enumerate(rows, start=2):
        scan, decision, note, regions = (
            " ".join((row.get(column) or "").split()) for column in COLUMNS
        )
        where = f"{path}: row {number}"
        if not scan:
            raise InputError(f"{where} has no scan")
        if scan in found:
            raise InputError(f"{where} gives scan {scan!r} a second verdict; keep one")
        if decision not in get_args(Decision):
            raise InputError(
                f"{where}: {decision!r} is no verdict{suggest(decision, get_args(Decision))}"
            )
        if len(note) > LONGEST_NOTE:
            raise InputError(f"{where}: the note is longer than {LONGEST_NOTE} characters")
        found[scan] = Verdict(scan, "keep" if decision == "keep" else "drop", note, regions)
    return list(found.values())


def apply_verdicts(cohort: Path, table: Path) -> Published:
    """Drops and restores scans of a built cohort; all or nothing, and again with the same result.

    A dropped scan leaves the cohort's tables, so that no composition trains or tests on it; a
    kept one counts as not flagged, and comes back if an earlier verdict dropped it. Scans without
    a verdict stay as they are. Later builds keep all of this.

    Args:
        cohort: Folder that ``crossdl cohort build`` wrote.
        table: See :func:`read_verdicts`.

    Raises:
        InputError: As :func:`read_verdicts`; the folder is no finished cohort; or a scan is not
            in it. Nothing is changed then.
    """
    verdicts = read_verdicts(table)
    with opened(cohort, create=False) as database:
        state = State.unpacked(database.state())
        if state is None:
            raise InputError(f"{cohort}: is not finished; run `crossdl cohort build` again")
        known = {row["scan"]: None for row in state.scans}
        unknown = [one.scan for one in verdicts if one.scan not in known]
        if unknown:
            raise InputError(
                f"{table}: {len(unknown)} scan(s) are not in {cohort}, such as {unknown[0]!r}"
                f"{did_you_mean(unknown[0], known)}"
            )
        database.judge(verdicts)
        return publish(cohort, database)


def stored_verdicts(cohort: Path) -> Mapping[str, Verdict]:
    """Scan → the last verdict; none where the cohort keeps none, such as a copy to be shared."""
    if not (cohort / "private" / "index.sqlite").is_file():
        return {}
    with opened(cohort, create=False) as database:
        return {one.scan: one for one in database.verdicts()}
