"""CQ500: head CTs with haemorrhage labels by three radiologists."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from crossdl.errors import InputError
from crossdl.interfaces import CohortSource
from crossdl.lexicon import Patterns, any_of
from crossdl.plugins.cohorts import _reads
from crossdl.plugins.cohorts._cq500_series import FoundSeries, SeriesChoice, find_series
from crossdl.plugins.cohorts._reads import EXTRAPARENCHYMAL, ReadsConfig, truth_of
from crossdl.plugins.cohorts._tables import column, flags, read_table
from crossdl.types import ScanRecord, Volume

TABLE = "reads.csv"
SIDES = {"BleedLocation-Left": "left", "BleedLocation-Right": "right"}
"""Reads that say the side, and what they are called here: as the sides of the anatomy."""
_NAME = re.compile(r"^CQ500[-_ ]?CT[-_ ]?(\d+)(?!\d)", re.IGNORECASE)
_LEVELS = ("*", "*/*")
_NEEDED = ("ICH", *_reads.HAEMORRHAGES, *SIDES)


class Cq500Config(ReadsConfig):
    """Where the data set is, how its labels are understood, and which series is read."""

    kind: Literal["cq500"] = "cq500"
    series: Literal["thick", "thin"] = Field(
        "thick", description="of a patient's usable series the one with the thickest or thinnest"
    )
    excluded: Patterns = Field(
        (
            r"\bbone", r"\bpost\b", r"\bcect\b", r"\b(?:oral|iv)\b", r"\bangio", r"\bcta\b",
            r"(?<!pre )(?<!pre-)(?<!non )(?<!non-)\bcontrast",
            r"(?:^|/ ?)(?:ct )?c\+?(?: thin)?(?:-\d+)?$",
            r"\bhrct\b", r"hi ?res", r"\b(?:chest|thorax|neck|spine|sinus(?:es)?)\b", r"orbit",
            r"\b(?:scout|topogram|surview)\b", r"\b(?:sag|cor)(?:ittal|onal)?\b",
        ),
        description="patterns of series that are no plain head CT",
    )  # fmt: skip
    plain: Patterns = Field(
        (r"\bplain\b", r"\bpre[ -]", r"\bnon[ -]", r"\bncct\b"),
        description="patterns of plain series; where a patient has any, others are not used",
    )
    min_slices: int = Field(10, ge=2, description="fewer are no volume")
    min_coverage_mm: float = Field(
        100.0, ge=0, description="a series that covers less is part of a head"
    )


class Cq500(CohortSource[Cq500Config]):
    """CQ500 of Qure.ai: head CTs with haemorrhage labels by three radiologists.

    Reads ``reads.csv`` and a folder per patient as they are downloaded (Chilamkurthy et al.,
    Lancet 2018, doi 10.1016/S0140-6736(18)31645-3). A label is what most readers say.
    """

    def records(self) -> Sequence[ScanRecord]:
        """One record per row of ``reads.csv``.

        ``reads`` has the majority of every column, NaN at a tie: ICH, IPH, IVH, SDH, EDH, SAH,
        left and right (where the bleeding is), and so on; and EPH, which is any of IVH, SAH, EDH
        and SDH. Whether a patient's series are usable is found out when a scan is read.

        Raises:
            InputError: The folder or its table is missing or malformed.
        """
        splits = self.config.draw(list(self._reads))
        return tuple(
            ScanRecord(
                scan_id=name,
                patient_id=name,
                split=splits[name],
                truth=truth_of(
                    reads, self.config.types, self.anatomy, {s: reads[s] for s in SIDES.values()}
                ),
                reads=reads,
            )
            for name, reads in self._reads.items()
        )

    def volume(self, record: ScanRecord) -> Volume:
        """Reads the patient's plain series with the thickest or thinnest slices.

        Raises:
            InputError: The patient has no folder or no usable series, or it cannot be read.
        """
        from crossdl.io.dicom import read_series_files

        paths = self._series(record.scan_id).paths
        return read_series_files(paths, self.anatomy.modality, name=record.scan_id)

    def fingerprint(self, record: ScanRecord) -> str:
        """SHA-256 of the files of the series.

        Raises:
            InputError: The patient has no folder or no usable series.
        """
        digest = hashlib.sha256()
        for path in self._series(record.scan_id).paths:
            digest.update(path.read_bytes())
        return digest.hexdigest()

    @cached_property
    def _chosen(self) -> dict[str, FoundSeries]:
        """Series that were already chosen."""
        return {}

    def _series(self, name: str) -> FoundSeries:
        if name not in self._chosen:
            self._chosen[name] = self._choose(name)
        return self._chosen[name]

    def _choose(self, name: str) -> FoundSeries:
        folder = self._folders.get(_patient(name))
        if folder is None:
            raise InputError(
                f"{name}: has no folder such as 'CQ500CT{_patient(name)} CQ500CT{_patient(name)}' "
                f"in {self.config.folder}; download it"
            )
        found = find_series(folder)
        rules = self._rules
        chosen = rules.choose(found)
        if chosen is None:
            reasons = "; ".join(f"{s.name!r}: {rules.objection(s)}" for s in found)
            raise InputError(
                f"{name}: none of its {len(found)} series is usable ({reasons or 'no DICOM'}); "
                "leave it out, or change excluded, min_slices or min_coverage_mm"
            )
        return chosen

    @cached_property
    def _rules(self) -> SeriesChoice:
        from crossdl.ingest.rules import load_rules

        return SeriesChoice(
            modality=self.anatomy.modality,
            excluded=any_of(self.config.excluded),
            plain=any_of(self.config.plain),
            bone=any_of(load_rules(None)[0].series.bone_kernels),
            min_slices=self.config.min_slices,
            min_coverage=self.config.min_coverage_mm,
            thin=self.config.series == "thin",
        )

    @cached_property
    def _folders(self) -> Mapping[str, Path]:
        """Folder of every patient by number, in the data set's folder or one below."""
        paths = [p for level in _LEVELS for p in self.config.folder.glob(level) if p.is_dir()]
        found: dict[str, Path] = {}
        for path in sorted(paths, key=lambda p: (len(p.parts), p.name)):
            match = _NAME.match(path.name)
            if match:
                found.setdefault(str(int(match[1])), path)
        return found

    @cached_property
    def _reads(self) -> Mapping[str, Mapping[str, float]]:
        """Majority of the readers by scan."""
        path = self.config.folder / TABLE
        if not path.is_file():
            raise InputError(
                f"{path}: not found; give the folder that holds {TABLE} and the patients' folders"
            )
        table = read_table(path)
        names = column(path, table, "name")
        for row, name in enumerate(names, start=2):
            if not _NAME.match(name) or names.index(name) != row - 2:
                raise InputError(
                    f"{path}: row {row} has the name {name!r}; each must be there once, such as "
                    "CQ500-CT-12"
                )
        parts = [str(c).partition(":") for c in table.columns]
        readers = sorted({first for first, colon, _ in parts if colon})
        kinds = dict.fromkeys([*_NEEDED, *(last for _, colon, last in parts if colon)])
        votes = {
            kind: np.array([flags(path, table, f"{r}:{kind}") for r in readers or ["R1"]])
            for kind in kinds
        }
        majority = {SIDES.get(kind, kind): _majority(cells) for kind, cells in votes.items()}
        found = {}
        for k, name in enumerate(names):
            reads = {kind: float(values[k]) for kind, values in majority.items()}
            reads["EPH"] = _reads.any_of(reads[kind] for kind in EXTRAPARENCHYMAL)
            found[name] = reads
        return found


def _patient(name: str) -> str:
    match = _NAME.match(name)
    return str(int(match[1])) if match else name


def _majority(votes: np.ndarray) -> np.ndarray:
    """What most of the readers that say anything say, NaN at a tie: ``(readers, n)`` → ``(n,)``."""
    balance = np.nansum(np.where(np.isnan(votes), np.nan, 2 * votes - 1), axis=0)
    return np.where(balance > 0, 1.0, np.where(balance < 0, 0.0, np.nan))
