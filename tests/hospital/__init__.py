"""A generated hospital: a DICOM dump and a report table, and what must become of every item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from .cases import CASES
from .dump import Counts, write_images
from .plan import Patient, Report, Series
from .stock import Head, heads, sketches
from .tables import COLUMNS, write_tables

__all__ = [
    "COLUMNS",
    "Counts",
    "Head",
    "Hospital",
    "Patient",
    "Report",
    "Series",
    "heads",
    "plan",
    "sketches",
]

SURNAMES, GIVEN = "王李张刘陈杨赵黄周吴徐孙㐂", "伟芳娜敏静丽强磊军洋勇艳杰涛明超秀英华𠮷"


@dataclass(eq=False)
class Hospital:
    """A dump on disk and its plan.

    Attributes:
        folder: With the DICOM files.
        workbook: Reports as .xlsx.
        text: The same reports as csv in GB18030.
        patients: Everything planted.
        counts: Files written.
    """

    folder: Path
    workbook: Path
    text: Path
    patients: list[Patient]
    counts: Counts

    @classmethod
    def write(cls, folder: Path, patients: Sequence[Patient], stock: Sequence[Head]) -> Hospital:
        """Writes ``folder/dicom`` and the two report tables."""
        (folder / "dicom").mkdir(parents=True)
        counts = write_images(folder / "dicom", patients, stock)
        return cls(folder / "dicom", *write_tables(folder, patients), list(patients), counts)

    def admit(self, patients: Sequence[Patient], stock: Sequence[Head]) -> None:
        """Adds patients; the files that are there stay as they are."""
        more = write_images(self.folder, patients, stock)
        self.counts = Counts(
            *(a + b for a, b in zip(astuple(self.counts), astuple(more), strict=True))
        )
        self.patients += patients
        write_tables(self.folder.parent, self.patients)


def plan(count: int, stock: Sequence[Head], seed: int = 0, first: int = 0) -> list[Patient]:
    """Plans patients ``first`` to ``first + count - 1``.

    A patient depends on the seed and their own number alone, so more can be added later. The
    first patients go through all cases once.
    """
    return [_patient(number, stock, seed) for number in range(first, first + count)]


def _patient(number: int, stock: Sequence[Head], seed: int) -> Patient:
    rng = np.random.default_rng(np.random.SeedSequence([seed, number]))
    weights = np.array([weight for _, weight in CASES], dtype=float)
    drawn = int(rng.choice(len(CASES), p=weights / weights.sum()))
    case = CASES[number if number < len(CASES) else drawn][0]
    born = 1925 if number == 0 else int(rng.integers(1930, 2015))
    name = "".join(rng.choice(list(letters)) for letters in (SURNAMES, GIVEN, GIVEN))
    start = datetime(2019, 1, 1) + timedelta(minutes=int(rng.integers(2 * 365 * 1440)))
    patient = Patient(
        number=number,
        id=f"{4000000 + 37 * number:08d}",  # leading zeros, which spreadsheets like to lose
        name=name,
        birth=f"{born}{int(rng.integers(1, 13)):02d}{int(rng.integers(1, 29)):02d}",
        sex=str(rng.choice(["M", "F"])),
        case=case.__name__,
        rng=rng,
        findings=[head.findings for head in stock],
        start=start,
    )
    case(patient)
    return patient
