"""The private index of a cohort: one SQLite file that a killed build can always go on with."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crossdl.errors import InputError
from crossdl.ingest.headers import Header
from crossdl.ingest.verdicts import REASON, STEP, Verdict

_FORMAT = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS files(
  path BLOB PRIMARY KEY, size INTEGER, mtime INTEGER, seen INTEGER, problem TEXT, sop TEXT,
  series TEXT, facts TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_series ON files(series, sop, size DESC, path);
CREATE TABLE IF NOT EXISTS volumes(scan TEXT PRIMARY KEY, signature TEXT, facts TEXT);
CREATE TABLE IF NOT EXISTS splits(patient TEXT PRIMARY KEY, split TEXT);
CREATE TABLE IF NOT EXISTS exclusions(scan TEXT PRIMARY KEY, step TEXT, reason TEXT);
CREATE TABLE IF NOT EXISTS verdicts(
  scan TEXT PRIMARY KEY, verdict TEXT, note TEXT, regions TEXT);
CREATE TABLE IF NOT EXISTS state(name TEXT PRIMARY KEY, data BLOB);
"""


class Database:
    """Files, finished volumes, splits, exclusions and the last complete state of a cohort."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file.

        Raises:
            InputError: It is of another version.
            sqlite3.Error: It is damaged.
        """
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _FORMAT):
            self._db.close()
            raise InputError(f"{path}: is of another version of crossdl; build into a new --out")
        self._db.executescript(_SCHEMA)
        self._db.execute(f"PRAGMA user_version={_FORMAT}")

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    # --- files ---

    def sweep(self) -> int:
        """Number of a new walk; files that it does not see are gone."""
        last = self._db.execute("SELECT max(seen) FROM files").fetchone()[0]
        return int(last or 0) + 1

    def known(self, batch: Sequence[tuple[bytes, int, int]], sweep: int) -> list[bool]:
        """Whether files (path, size, mtime in ns) are indexed as they are; those become seen.

        Files that could not be read count as new: the reason may have been temporary.
        """
        with self._transaction():
            return [
                self._db.execute(
                    "UPDATE files SET seen=? WHERE path=? AND size=? AND mtime=? "
                    "AND problem IS NOT 'unreadable'",
                    (sweep, *entry),
                ).rowcount
                > 0
                for entry in batch
            ]

    def add_files(self, batch: Iterable[tuple[tuple[bytes, int, int], Header]], sweep: int) -> None:
        """Stores headers of files (path, size, mtime)."""
        rows = [
            (*entry, sweep, h.problem, h.sop, h.series, json.dumps(h.values, sort_keys=True))
            for entry, h in batch
        ]
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO files VALUES(?,?,?,?,?,?,?,?)", rows)

    def forget_unseen(self, sweep: int) -> None:
        """Removes files that a complete walk did not see."""
        with self._transaction():
            self._db.execute("DELETE FROM files WHERE seen<>?", (sweep,))

    def problems(self) -> Iterator[tuple[bytes, str]]:
        """Path and problem of files that hold no slice, by path."""
        yield from self._db.execute(
            "SELECT path, problem FROM files WHERE problem IS NOT NULL ORDER BY path"
        )

    def slices(self) -> Iterator[tuple[str, str, bytes, int, int, dict[str, Any]]]:
        """Series, SOP, path, size, mtime and facts of all images, a series after the other.

        Of files with the same SOPInstanceUID the largest comes first, as copies that were cut
        off are smaller.
        """
        for *row, facts in self._db.execute(
            "SELECT series, sop, path, size, mtime, facts FROM files WHERE problem IS NULL "
            "ORDER BY series, sop, size DESC, path"
        ):
            yield (*row, json.loads(facts))

    def files_of(self, series: str) -> list[tuple[str, bytes, int, int, dict[str, Any]]]:
        """SOP, path, size, mtime and facts of one series, in the order of :meth:`slices`."""
        return [
            (*row, json.loads(facts))
            for *row, facts in self._db.execute(
                "SELECT sop, path, size, mtime, facts FROM files WHERE problem IS NULL AND "
                "series=? ORDER BY sop, size DESC, path",
                (series,),
            )
        ]

    def count_files(self) -> int:
        """Number of indexed files."""
        return int(self._db.execute("SELECT count(*) FROM files").fetchone()[0])

    # --- volumes ---

    def volume(self, scan: str, signature: str) -> dict[str, Any] | None:
        """Facts of a scan whose volume was made with this signature, or None."""
        row = self._db.execute(
            "SELECT facts FROM volumes WHERE scan=? AND signature=?", (scan, signature)
        ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def add_volume(self, scan: str, signature: str, facts: Mapping[str, Any]) -> None:
        """Stores that the volume of a scan is made."""
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO volumes VALUES(?,?,?)",
                (scan, signature, json.dumps(facts, sort_keys=True)),
            )

    # --- splits, exclusions, state ---

    def splits(self) -> dict[str, str]:
        """PatientID → split, of everyone who was ever in one."""
        return dict(self._db.execute("SELECT patient, split FROM splits ORDER BY patient"))

    def exclusions(self) -> list[tuple[str, str, str]]:
        """Scan, step and reason of later exclusions, by step, reason and scan."""
        query = "SELECT scan, step, reason FROM exclusions ORDER BY step, reason, scan"
        return list(self._db.execute(query))

    def exclude(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Adds later exclusions (scan, step, reason); the first one of a scan stays."""
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO exclusions VALUES(?,?,?)", list(rows))

    def verdicts(self) -> list[Verdict]:
        """The last verdict of every scan that a person looked at, by scan."""
        query = "SELECT scan, verdict, note, regions FROM verdicts ORDER BY scan"
        return [Verdict(*row) for row in self._db.execute(query)]

    def judge(self, verdicts: Sequence[Verdict]) -> None:
        """Stores verdicts, and excludes what they drop; what earlier ones dropped may come back.

        Scans that another step excluded stay excluded.
        """
        scans = [(one.scan,) for one in verdicts]
        dropped = [
            (one.scan, STEP, one.note or REASON) for one in verdicts if one.verdict == "drop"
        ]
        rows = [(one.scan, one.verdict, one.note, one.regions) for one in verdicts]
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO verdicts VALUES(?,?,?,?)", rows)
            self._db.executemany(f"DELETE FROM exclusions WHERE scan=? AND step='{STEP}'", scans)
            self._db.executemany("INSERT OR IGNORE INTO exclusions VALUES(?,?,?)", dropped)

    def save(self, splits: Mapping[str, str], state: Mapping[str, bytes]) -> None:
        """Replaces the state, and adds splits, in one step."""
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO splits VALUES(?,?)", splits.items())
            self._db.execute("DELETE FROM state")
            self._db.executemany("INSERT INTO state VALUES(?,?)", state.items())

    def state(self) -> dict[str, bytes]:
        """The last state; empty before the first complete build."""
        return dict(self._db.execute("SELECT name, data FROM state"))

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    """All or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *rest: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
