"""Exclusions decided after a cohort was built, such as scans whose registration failed."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from crossdl.errors import InputError
from crossdl.ingest.folder import opened
from crossdl.ingest.publish import Published, State, publish
from crossdl.ingest.verdicts import STEP

_STEP = re.compile(r"[a-z][a-z0-9_]{0,39}")
_BUILT_IN = (
    "collected", "series", "reports", "pairing", "quality", "text", "choice", "volume", STEP,
)  # fmt: skip


def exclude_scans(cohort: Path, table: Path, step: str) -> Published:
    """Drops scans and writes the cohort's tables and flow anew; later builds keep it so.

    Args:
        cohort: A built cohort.
        table: csv with the columns ``scan`` and ``reason``; each different reason becomes a row
            of the flow.
        step: Name of the step in the flow.

    Raises:
        InputError: The table is malformed or names a scan that the cohort does not have, or the
            step's name is taken; nothing is changed then.
    """
    if not _STEP.fullmatch(step) or step in (*_BUILT_IN, "files", "kept"):
        raise InputError(
            f"--step {step!r}: give a name of small letters, digits and _ that is not one of "
            f"{', '.join(_BUILT_IN)}"
        )
    rows = _read(table)
    with opened(cohort, create=False) as database:
        state = State.unpacked(database.state())
        if state is None:
            raise InputError(f"{cohort}: is not finished; run crossdl cohort build again")
        known = {row["scan"] for row in state.scans}
        unknown = [scan for scan, _ in rows if scan not in known]
        if unknown:
            raise InputError(
                f"{table.name}: {len(unknown)} scan(s) are not in the cohort, such as "
                f"{unknown[0]!r}; give names of scans.parquet"
            )
        database.exclude((scan, step, reason) for scan, reason in rows)
        return publish(cohort, database)


def _read(table: Path) -> list[tuple[str, str]]:
    if not table.is_file():
        raise InputError(f"{table}: no such file; give a csv with the columns scan, reason")
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = [
                ((row.get("scan") or "").strip(), " ".join((row.get("reason") or "").split()))
                for row in reader
            ]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table.name}: is no csv in UTF-8") from error
    for number, (scan, reason) in enumerate(rows, start=2):
        if not scan or not reason or len(reason) > 80:
            raise InputError(
                f"{table.name}: row {number} needs a scan and a reason of at most 80 characters, "
                "in columns called scan and reason"
            )
    if not rows:
        raise InputError(f"{table.name}: has no rows")
    return rows
