"""What a generated hospital holds, and what each thing must become.

A case plants scans and reports and says at once which of them belong together and what is wrong
with each. Nothing here reads files or applies rules, so it is an independent expectation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

UID = "1.2.826.0.1.3680043.10.1594"


@dataclass(eq=False)
class Report:
    """One row of the report table.

    Attributes:
        patient: PatientID.
        when: Time of the exam, or None where the table does not say a readable one.
        written: How the table writes it: a strftime format, "cell" for a date cell, or, where
            ``when`` is None, the text itself.
        group: Class of the exam.
        subgroup: Subclass of the exam.
        item: The exam's parameters.
        findings: Chinese text.
        faults: Reasons of the flow that apply to it; empty for a sound report.
    """

    patient: str
    when: datetime | None
    findings: str
    written: str = "%Y-%m-%d %H:%M:%S"
    group: str = "CT"
    subgroup: str = "头颈"
    item: str = "头颅平扫"
    faults: frozenset[str] = frozenset()


@dataclass(eq=False)
class Series:
    """One DICOM series.

    Attributes:
        uid: SeriesInstanceUID.
        study: StudyInstanceUID.
        when: When it was acquired, or None where no tag says so.
        stock: Which phantom it shows.
        faults: Reasons of the flow that apply to it; empty for a sound scan.
        report: The report that it must be paired with.
        alone: Why no report belongs to it: "no_report" or "too_far", or empty.
        quirks: What is odd about its files, though it can be read.
    """

    uid: str
    study: str
    number: int
    when: datetime | None
    stock: int
    description: str
    kernel: str
    modality: str = "CT"
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "AXIAL")
    slices: int = 12
    faults: frozenset[str] = frozenset()
    report: Report | None = None
    alone: str = ""
    quirks: frozenset[str] = frozenset()


@dataclass(eq=False)
class Patient:
    """A patient with all that the hospital has of them.

    Attributes:
        number: 0-based.
        id: PatientID.
        name: Chinese name.
        birth: YYYYMMDD.
        sex: "M" or "F".
        case: What it stands for.
    """

    number: int
    id: str
    name: str
    birth: str
    sex: str
    case: str
    rng: np.random.Generator
    findings: Sequence[str]
    start: datetime
    series: list[Series] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    litter: set[str] = field(default_factory=set)

    def scan(
        self,
        hours: float = 0.0,
        description: str = "",
        kernel: str = "H31s",
        *,
        report: Report | None = None,
        faults: Sequence[str] = (),
        alone: str = "",
        quirks: Sequence[str] = (),
        untimed: bool = False,
        **more: object,
    ) -> Series:
        """Adds a series that was acquired some hours after the patient's first."""
        if not description:
            description = str(self.rng.choice(["HeadSeq 4.8 H31s", "HEAD 5mm"]))
        when = self.start + timedelta(minutes=round(hours * 60))
        number = len(self.series)
        found = Series(
            uid=f"{UID}.{self.number + 1}.2.{number + 1}",
            study=f"{UID}.{self.number + 1}.1.{when:%Y%m%d%H}",
            number=number + 1,
            when=None if untimed else when,
            stock=(self.number + number) % len(self.findings),
            description=description,
            kernel=kernel,
            slices=more.pop("slices", 12),  # type: ignore[arg-type]
            report=report,
            faults=frozenset(faults),
            alone=alone,
            quirks=frozenset(quirks),
            **more,  # type: ignore[arg-type]
        )
        self.series.append(found)
        return found

    def tell(
        self,
        hours: float,
        *,
        findings: str = "",
        faults: Sequence[str] = (),
        unreadable_time: str | None = None,
        **more: str,
    ) -> Report:
        """Adds a report of an exam some hours after the patient's first scan.

        The minute differs between the reports of one patient.
        """
        when = self.start + timedelta(minutes=round(hours * 60) + len(self.reports))
        text = findings or self.findings[(self.number + len(self.reports)) % len(self.findings)]
        report = Report(
            self.id,
            when if unreadable_time is None else None,
            text,
            faults=frozenset(faults),
            **{"written": self._way_of_writing(), **more},
        )
        if unreadable_time is not None:
            report.written = unreadable_time
        self.reports.append(report)
        return report

    def _way_of_writing(self) -> str:
        return str(self.rng.choice(TIME_FORMATS))


TIME_FORMATS = (
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M",
    "%Y%m%d%H%M%S",
    "%Y年%m月%d日 %H:%M",
    "cell",
)
"""The ways in which the table writes times."""
