"""A cohort that ``crossdl cohort build`` made of DICOM files and a table of reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from crossdl.anatomy import Anatomy
from crossdl.config import ComponentConfig
from crossdl.errors import InputError
from crossdl.ingest.built import built_anatomy, label_matrices, read_cohort_table
from crossdl.ingest.sources import read_sources
from crossdl.interfaces import CohortSource
from crossdl.types import SPLITS, Grid, ScanRecord, Volume

if TYPE_CHECKING:
    import pandas as pd

    from crossdl.preprocessing import Preprocessed

SCANS, REPORTS = "scans.parquet", "reports.parquet"
SOURCES = "private/sources.parquet"
FACTS = ("age_years", "sex", "manufacturer", "model", "spacing_mm", "thickness_mm", "slices")
"""Columns of ``scans.parquet`` that say who was scanned, and how."""


class DicomConfig(ComponentConfig):
    """Where the cohort is."""

    kind: Literal["dicom"] = "dicom"
    folder: Path = Field(description="cohort folder that crossdl cohort build wrote")
    dicom: Path | None = Field(
        None, description="folder of the DICOM files; default: where they were at the build"
    )


class Dicom(CohortSource[DicomConfig]):
    """A cohort that `crossdl cohort build` made of DICOM files and a table of reports."""

    def records(self) -> Sequence[ScanRecord]:
        """One record per scan, in the order of ``scans.parquet``.

        ``labels`` are the probabilities of ``labels.parquet``; ``findings`` is text only where
        the cohort was built to keep it; ``facts`` are :data:`FACTS`, and how many sentences the
        report's Findings have.

        Raises:
            InputError: The folder is no finished cohort, is damaged, or was built for another
                anatomy.
        """
        return self._records

    def volume(self, record: ScanRecord) -> Volume:
        """Reads the scan again from the DICOM files it came from.

        Raises:
            InputError: The files are no longer where the cohort was built from, or unreadable.
        """
        from crossdl.io.dicom import read_series_files

        paths = self._sources.get(record.scan_id, [])
        lost = sum(not path.is_file() for path in paths)
        if lost or not paths:
            raise InputError(
                f"{self.config.folder}: scan {record.scan_id}: {lost or 'all'} of its "
                f"{len(paths) or 'source'} DICOM files are gone; put them back, or set the "
                "cohort's field dicom to the folder where they are now"
            )
        return read_series_files(
            paths,
            self.anatomy.modality,
            name=record.scan_id,
            allow_missing_slices=self._allow_missing_slices,
        )

    def fingerprint(self, record: ScanRecord) -> str:
        """The digest of the source files that the build wrote down."""
        return str(self._rows.loc[record.scan_id, "source_digest"])

    def prepared(self, record: ScanRecord) -> Preprocessed:
        """The prepared scan, memory-mapped.

        Raises:
            InputError: Its file is missing, damaged or of another shape.
        """
        from crossdl.preprocessing import Preprocessed

        row = self._rows.loc[record.scan_id]
        path = self.config.folder / str(row["volume"])
        again = "run `crossdl cohort build` again"
        try:
            image = np.load(path, mmap_mode="r", allow_pickle=False)
        except FileNotFoundError as error:
            raise InputError(f"{path}: is missing; {again}") from error
        except (ValueError, EOFError) as error:
            raise InputError(f"{path}: is damaged; remove it and {again}") from error
        shape = self.anatomy.volume_shape
        if image.shape != shape or image.dtype != np.uint8:
            raise InputError(
                f"{path}: is {image.dtype} of shape {image.shape}, not uint8 of {shape}; remove it "
                f"and {again}"
            )
        affine = np.asarray(row["affine"], dtype=np.float64).reshape(4, 4)
        return Preprocessed(image, Grid(shape, affine))

    @cached_property
    def _rows(self) -> pd.DataFrame:
        """``scans.parquet`` by scan."""
        folder = self.config.folder
        _check_anatomy(folder, built_anatomy(folder), self.anatomy)
        columns = ("scan", "patient", "report", "split", "volume", "affine", "source_digest")
        table = read_cohort_table(folder, SCANS, columns)
        if table.empty:
            raise InputError(
                f"{folder}: has no scan; see its flow.csv for what was dropped and why"
            )
        wrong = set(table["split"]) - set(SPLITS)
        if wrong:
            raise InputError(f"{folder / SCANS}: {wrong.pop()!r} is not a split; build it again")
        if not table["scan"].is_unique:
            raise InputError(f"{folder / SCANS}: has a scan twice; build it again")
        return table.set_index("scan")

    @cached_property
    def _records(self) -> tuple[ScanRecord, ...]:
        rows = self._rows
        reports = read_cohort_table(self.config.folder, REPORTS, ("report",)).set_index("report")
        findings, sentences = _known(reports, "findings"), _known(reports, "sentences")
        known = {name: _known(rows, name) for name in FACTS}
        labels = label_matrices(self.config.folder, rows.index, self.anatomy)
        return tuple(
            ScanRecord(
                scan_id=scan,
                patient_id=patient,
                split=split,
                findings=findings.get(report),
                labels=matrix,
                facts={name: values[scan] for name, values in known.items() if scan in values}
                | ({"sentences": sentences[report]} if report in sentences else {}),
            )
            for scan, patient, split, report, matrix in zip(
                rows.index, rows["patient"], rows["split"], rows["report"], labels, strict=True
            )
        )

    @cached_property
    def _allow_missing_slices(self) -> bool:
        """What the cohort was built with."""
        from crossdl.ingest.rules import load_rules

        return load_rules(self.config.folder / "rules.toml")[0].series.allow_missing_slices

    @cached_property
    def _sources(self) -> Mapping[str, list[Path]]:
        """Source files by scan."""
        return read_sources(self.config.folder / SOURCES, self.config.dicom)


def _known(table: pd.DataFrame, column: str) -> Mapping[str, Any]:
    """Values by the table's index, where they are known; none if the table has no such column."""
    if column not in table.columns:
        return {}
    values = table[column].dropna()
    return dict(zip(values.index, values.tolist(), strict=True))


def _check_anatomy(folder: Path, built: Anatomy, used: Anatomy) -> None:
    """What a prepared scan and its labels depend on must be the same."""
    for field in ("label_names", "type_names", "modality", "volume_shape", "window"):
        before, now = getattr(built, field), getattr(used, field)
        if before != now:
            raise InputError(
                f"{folder}: was built for anatomy {built.name!r}, which differs from {used.name!r} "
                f"in {field.replace('_', ' ')} ({_short(before)}, now {_short(now)}); set anatomy "
                "to the one it was built for, or build it again"
            )


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
