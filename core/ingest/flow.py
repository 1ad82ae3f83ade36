"""The flow of a cohort (CONSORT): what was dropped at which step, and what was left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

What = Literal["file", "series", "report", "pair"]
FLOW_COLUMNS = (
    "step", "reason", "dropped_scans", "dropped_reports", "left_scans", "left_patients",
    "left_reports",
)  # fmt: skip


@dataclass(frozen=True)
class Drop:
    """One dropped item.

    Attributes:
        what: File, series (before pairing), report, or pair (after pairing; id is the scan's).
        id: Salted hash.
        step: Step of the flow.
        reason: A word of the step.
        detail: A sentence for a person, or None; holds no identity.
    """

    what: What
    id: str
    step: str
    reason: str
    detail: str | None = None


@dataclass(frozen=True)
class FlowRow:
    """One row of ``flow.csv``: a reason of a step, and what is left after it."""

    step: str
    reason: str
    dropped_scans: int
    dropped_reports: int
    left_scans: int
    left_patients: int
    left_reports: int


@dataclass
class Flow:
    """Counts scans, reports and patients through the steps.

    Attributes:
        scans: Scan → patient of the scans that are left.
        reports: Reports that are left.
        rows: Rows so far; the first one says what was collected.
        drops: Everything dropped so far.
    """

    scans: dict[str, str]
    reports: set[str]
    rows: list[FlowRow] = field(default_factory=list)
    drops: list[Drop] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Writes the first row."""
        if not self.rows:
            self._row("collected", "", 0, 0)

    def drop(
        self,
        step: str,
        what: What,
        dropped: Mapping[str, tuple[str, str | None]],
        order: Sequence[str],
    ) -> None:
        """Drops items, one row per reason that occurs.

        Args:
            step: Name of the step.
            what: What the items are.
            dropped: Id → reason and detail.
            order: Reasons in the order of checking; others follow by the alphabet.
        """
        found = {reason for reason, _ in dropped.values()}
        for reason in [*(r for r in order if r in found), *sorted(found - set(order))]:
            ids = sorted(item for item, (why, _) in dropped.items() if why == reason)
            self.drops += [Drop(what, item, step, reason, dropped[item][1]) for item in ids]
            if what == "report":
                self.reports -= set(ids)
                self._row(step, reason, 0, len(ids))
            elif what != "file":
                for scan in ids:
                    del self.scans[scan]
                self._row(step, reason, len(ids), 0)

    def drop_pairs(
        self,
        step: str,
        dropped: Mapping[str, tuple[str, str | None]],
        order: Sequence[str],
        report_of: Mapping[str, str],
    ) -> None:
        """Drops scans that have a report; reports left without any scan go with them.

        Args:
            step: Name of the step.
            dropped: Scan → reason and detail.
            order: As in :meth:`drop`.
            report_of: Scan → report, of all pairs.
        """
        found = {reason for reason, _ in dropped.values()}
        for reason in [*(r for r in order if r in found), *sorted(found - set(order))]:
            ids = sorted(scan for scan, (why, _) in dropped.items() if why == reason)
            for scan in ids:
                del self.scans[scan]
            kept = {report_of[scan] for scan in self.scans}
            gone = sorted({report_of[scan] for scan in ids} - kept)
            self.reports -= set(gone)
            self.drops += [Drop("pair", scan, step, reason, dropped[scan][1]) for scan in ids]
            self.drops += [Drop("report", report, step, reason) for report in gone]
            self._row(step, reason, len(ids), len(gone))

    def finish(self) -> None:
        """Writes the last row, which says what is kept."""
        self._row("kept", "", 0, 0)

    def _row(self, step: str, reason: str, scans: int, reports: int) -> None:
        patients = len(set(self.scans.values()))
        self.rows.append(
            FlowRow(step, reason, scans, reports, len(self.scans), patients, len(self.reports))
        )
