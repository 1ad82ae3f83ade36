"""Scans as NIfTI files in a folder, with a table of their reports."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.errors import InputError
from crossdl.interfaces import CohortSource
from crossdl.plugins.cohorts._labels import read_labels_table
from crossdl.plugins.cohorts._tables import AUTO, column, draw_splits, read_table
from crossdl.types import SPLITS, FloatArray, ScanRecord, Split, Volume

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("scan_column", "patient_column", "split_column", "findings_column")


class NiftiConfig(ComponentConfig):
    """Where the scans are, and what the columns of their table are called."""

    kind: Literal["nifti"] = "nifti"
    folder: Path = Field(description="folder of the .nii or .nii.gz scans")
    table: Path | None = Field(
        None, description=".csv or .xlsx, a row per scan; default: reports.csv in folder"
    )
    labels: Path | None = Field(
        None,
        description=".csv or .xlsx of abnormal cells: scan,region,type[,value] or a column "
        "region/type per cell; default: labels.csv in folder, if it is there",
    )
    encoding: str = Field(
        AUTO, description="of .csv tables: auto (UTF-8, else GB18030), utf-8 or gb18030"
    )
    scan_column: str = Field("scan", description="column of the scan's file name")
    patient_column: str = Field(
        "patient", description="column of the patient; without it every scan is its own patient"
    )
    split_column: str = Field(
        "split",
        description="column with train, valid or test; without it patients are drawn by split_seed",
    )
    findings_column: str = Field("findings", description="column of the report's Findings text")
    valid_fraction: float = Field(
        0.15, gt=0, lt=0.5, description="part of the patients drawn for validation"
    )
    test_fraction: float = Field(
        0.15, gt=0, lt=0.5, description="part of the patients drawn for testing"
    )
    split_seed: int = Field(0, ge=0, description="seed of the drawing of patients")


class Nifti(CohortSource[NiftiConfig]):
    """Scans as NIfTI files in a folder, with a table of their reports."""

    def records(self) -> Sequence[ScanRecord]:
        """One record per row, in the order of the table.

        Labels, where there is a table of them, are both ``truth`` and ``labels``; what nobody
        assessed is NaN in the one and 0 in the other. ``labels`` serve scans without findings.

        Raises:
            InputError: A table is missing, unreadable, empty, names scans that are not there or
                twice, names no region or type, or puts one patient into two splits.
        """
        return self._scans[0]

    def volume(self, record: ScanRecord) -> Volume:
        """Reads one scan.

        Raises:
            InputError: It is not a usable NIfTI file.
        """
        from crossdl.io.volumes import read_volume

        return read_volume(self._scans[1][record.scan_id], self.anatomy.modality)

    def fingerprint(self, record: ScanRecord) -> str:
        """SHA-256 of the file."""
        with self._scans[1][record.scan_id].open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def _table_path(self) -> Path:
        return self.config.table or self.config.folder / "reports.csv"

    @cached_property
    def _scans(self) -> tuple[tuple[ScanRecord, ...], Mapping[str, Path]]:
        """Records, and the file of every scan_id."""
        from crossdl.io.nifti import scan_name

        if not self.config.folder.is_dir():
            raise InputError(f"{self.config.folder}: no such folder; correct the cohort's folder")
        table = self._read_table()
        paths = [self.config.folder / name for name in self._column(table, "scan_column")]
        lost = [path.name for path in paths if not path.is_file()]
        if lost:
            raise InputError(
                f"{self._table_path}: {len(lost)} of {len(paths)} scans are not in "
                f"{self.config.folder}, such as {lost[0]!r}; column {self.config.scan_column!r} "
                "must hold file names with their ending"
            )
        names = [scan_name(path) for path in paths]
        name, count = Counter(names).most_common(1)[0]
        if count > 1:
            raise InputError(
                f"{self._table_path}: {count} rows are of scan {name!r}; keep one row per scan"
            )
        patients = self._column(table, "patient_column") or names
        findings = self._column(table, "findings_column", empty=True) or [""] * len(names)
        splits = self._splits(table, patients)
        truth = self._truth({path.name: name for path, name in zip(paths, names, strict=True)})
        records = tuple(
            ScanRecord(
                scan_id=scan,
                patient_id=patient,
                split=split,
                findings=text or None,
                truth=truth.get(scan),
                labels=np.nan_to_num(truth[scan], nan=0.0) if scan in truth else None,
            )
            for scan, patient, split, text in zip(names, patients, splits, findings, strict=True)
        )
        return records, dict(zip(names, paths, strict=True))

    def _truth(self, scans: Mapping[str, str]) -> Mapping[str, FloatArray]:
        """Labels by scan_id, none without a table; ``scans`` has the scan_id by file name."""
        path = self.config.labels or self.config.folder / "labels.csv"
        if not path.is_file():
            if self.config.labels is None:
                return {}
            raise InputError(f"{path}: no such table; correct the cohort's labels")
        known = {**{scan: scan for scan in scans.values()}, **scans}
        return read_labels_table(path, known, self.anatomy, self.config.encoding)

    def _read_table(self) -> pd.DataFrame:
        path = self._table_path
        if not path.is_file():
            raise InputError(
                f"{path}: no such table; it needs a row per scan with a column "
                f"{self.config.scan_column!r}"
            )
        return read_table(path, self.config.encoding)

    def _column(self, table: pd.DataFrame, field: str, *, empty: bool = False) -> list[str]:
        """Cells of the column that a field names; none if it is optional and not there."""
        name = getattr(self.config, field)
        optional = field != "scan_column" and field not in self.config.model_fields_set
        if optional and name not in table.columns:
            return []
        cells = column(self._table_path, table, name, field)
        if not empty and "" in cells:
            raise InputError(
                f"{self._table_path}: row {cells.index('') + 2} has no {name}; fill it in"
            )
        return cells

    def _splits(self, table: pd.DataFrame, patients: Sequence[str]) -> list[Split]:
        """The split of every row, the same for all scans of a patient."""
        given = self._column(table, "split_column")
        if not given:
            drawn = draw_splits(
                patients,
                valid_fraction=self.config.valid_fraction,
                test_fraction=self.config.test_fraction,
                seed=self.config.split_seed,
            )
            return [drawn[patient] for patient in patients]
        seen: dict[str, str] = {}
        for row, (patient, split) in enumerate(zip(patients, given, strict=True), start=2):
            if split not in SPLITS:
                raise InputError(
                    f"{self._table_path}: row {row} has {self.config.split_column} {split!r}; it "
                    f"must be {', '.join(SPLITS[:-1])} or {SPLITS[-1]}"
                )
            if seen.setdefault(patient, split) != split:
                raise InputError(
                    f"{self._table_path}: patient {patient!r} is in both {seen[patient]} and "
                    f"{split} (row {row}); all scans of a patient belong into one split"
                )
        return [cast(Split, split) for split in given]
