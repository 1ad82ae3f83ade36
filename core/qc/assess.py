"""How well every scan of a cohort was registered: measures, flags, failures, verdicts."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.files import replacing
from crossdl.region_files import read_quality

if TYPE_CHECKING:
    from crossdl.ingest.verdicts import Verdict
    from crossdl.segmentation import CohortRegions


@dataclass(frozen=True)
class Assessed:
    """One scan.

    Attributes:
        scan: Its name.
        folder: Where its region map is, or None.
        failure: Why it has no region map, or "".
        flags: Sentences about what is doubtful.
        values: The segmenter's measures.
        verdict: "keep" or "drop" of a person who looked at this very region map, or "".
        note: What that person wrote.
    """

    scan: str
    folder: Path | None
    failure: str
    flags: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    verdict: str = ""
    note: str = ""

    @property
    def score(self) -> float | None:
        """The segmenter's own score, 0 (unusable) to 1, or None where it gives none."""
        value = self.values.get("score")
        return float(value) if isinstance(value, int | float) else None

    @property
    def flagged(self) -> bool:
        """Whether a person should look: it failed or is doubtful, and nobody said keep."""
        return bool(self.failure or self.flags) and self.verdict != "keep"

    @property
    def regions(self) -> str:
        """Changes whenever the region map does; "" without one."""
        return self.folder.name if self.folder else ""


def assess(found: CohortRegions, verdicts: Mapping[str, Verdict]) -> list[Assessed]:
    """What became of the scans, the worst first: failed, flagged by score, others by score.

    Args:
        found: Region maps and failures.
        verdicts: Scan → verdict. One that was given of other regions does not count.
    """
    made = [Assessed(scan, None, reason) for scan, reason in found.failures.items()]
    for scan, folder in found.folders.items():
        quality = read_quality(folder)
        made.append(Assessed(scan, folder, "", quality.flags, quality.values))
    return sorted((_judged(one, verdicts.get(one.scan)) for one in made), key=_badness)


def _judged(one: Assessed, verdict: Verdict | None) -> Assessed:
    if verdict is None or verdict.regions not in ("", one.regions):
        return one
    return replace(one, verdict=verdict.verdict, note=verdict.note)


def _badness(one: Assessed) -> tuple[bool, bool, float, str]:
    score = one.score
    return not one.failure, not one.flagged, 1.0 if score is None else score, one.scan


def write_quality(path: Path, scans: Sequence[Assessed]) -> None:
    """Writes a row per scan, by name.

    Columns: ``scan``, ``score`` if there is one, then one per number of the quality (those in
    groups as ``group.name``), ``flags``, ``failure`` and ``verdict``.
    """
    rows: list[dict[str, Any]] = [
        {
            "scan": one.scan,
            **({} if one.score is None else {"score": one.score}),
            **dict(_numbers(one.values)),
            "flags": "; ".join(one.flags),
            "failure": one.failure,
            "verdict": one.verdict,
        }
        for one in sorted(scans, key=lambda one: one.scan)
    ]
    last = ("flags", "failure", "verdict")
    names = dict.fromkeys(key for row in rows for key in row)
    columns = ["scan", *(key for key in names if key != "scan" and key not in last), *last]
    _write(path, columns, rows)


def write_failed(path: Path, scans: Sequence[Assessed]) -> None:
    """Writes ``scan`` and ``reason`` of every scan that has no region map; perhaps no row."""
    failed = sorted((one.scan, one.failure) for one in scans if one.failure)
    _write(path, ["scan", "reason"], [{"scan": s, "reason": r} for s, r in failed])


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with replacing(path) as working, working.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _numbers(values: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{group}{name}.")
        elif isinstance(value, int | float):
            yield f"{group}{name}", value
