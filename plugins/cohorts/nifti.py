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
from crossdl.hints import did_you_mean
from crossdl.interfaces import CohortSource
from crossdl.types import SPLITS, ScanRecord, Split, Volume

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("scan_column", "patient_column", "split_column", "findings_column")


class NiftiConfig(ComponentConfig):
    """Where the scans are, and what the columns of their table are called."""

    kind: Literal["nifti"] = "nifti"
    folder: Path = Field(description="folder of the .nii or .nii.gz scans")
    table: Path | None = Field(
        None, description=".csv (UTF-8) or .xlsx, a row per scan; default: reports.csv in folder"
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

        Raises:
            InputError: The table is missing, unreadable, empty, names scans that are not there or
                twice, or puts one patient into two splits.
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
        records = tuple(
            ScanRecord(scan_id=scan, patient_id=patient, split=split, findings=text or None)
            for scan, patient, split, text in zip(names, patients, splits, findings, strict=True)
        )
        return records, dict(zip(names, paths, strict=True))

    def _read_table(self) -> pd.DataFrame:
        """All cells as stripped text."""
        import pandas as pd

        path = self._table_path
        if not path.is_file():
            raise InputError(
                f"{path}: no such table; it needs a row per scan with a column "
                f"{self.config.scan_column!r}"
            )
        try:
            if path.suffix.lower() == ".xlsx":
                table = pd.read_excel(path, dtype=str, keep_default_na=False)
            else:
                table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path}: is not UTF-8 text (perhaps GB18030); save it as CSV UTF-8 or .xlsx"
            ) from error
        except Exception as error:  # pandas and openpyxl raise many kinds
            raise InputError(
                f"{path}: cannot be read as a table: {str(error).splitlines()[0]}; save it as "
                "CSV UTF-8 or .xlsx"
            ) from error
        if table.empty:
            raise InputError(f"{path}: has no rows; it needs one per scan")
        table.columns = [str(name).strip() for name in table.columns]
        return table.map(lambda cell: str(cell).strip())

    def _column(self, table: pd.DataFrame, field: str, *, empty: bool = False) -> list[str]:
        """Cells of the column that a field names; none if it is optional and not there."""
        name = getattr(self.config, field)
        if name not in table.columns:
            if field != "scan_column" and field not in self.config.model_fields_set:
                return []
            raise InputError(
                f"{self._table_path}: has no column {name!r} ({field})"
                f"{did_you_mean(name, table.columns)}; its columns are {', '.join(table.columns)}"
            )
        cells: list[str] = table[name].tolist()
        if not empty and "" in cells:
            raise InputError(
                f"{self._table_path}: row {cells.index('') + 2} has no {name}; fill it in"
            )
        return cells

    def _splits(self, table: pd.DataFrame, patients: Sequence[str]) -> list[Split]:
        """The split of every row, the same for all scans of a patient."""
        given = self._column(table, "split_column")
        if not given:
            drawn = self._draw(sorted(set(patients)))
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

    def _draw(self, patients: Sequence[str]) -> dict[str, Split]:
        """Draws validation and test patients; there is one of each as soon as there are three."""
        order = np.random.default_rng(self.config.split_seed).permutation(len(patients))
        fewest = 1 if len(patients) >= len(SPLITS) else 0
        n_valid = max(fewest, round(self.config.valid_fraction * len(patients)))
        n_test = max(fewest, round(self.config.test_fraction * len(patients)))
        drawn: dict[str, Split] = {}
        for place, index in enumerate(order):
            drawn[patients[index]] = (
                "valid" if place < n_valid else "test" if place < n_valid + n_test else "train"
            )
        return drawn
