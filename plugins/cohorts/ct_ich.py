"""PhysioNet's CT-ICH: head CTs after trauma with haemorrhage labels of every slice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from crossdl.errors import InputError
from crossdl.interfaces import CohortSource
from crossdl.plugins.cohorts._reads import (
    EXTRAPARENCHYMAL,
    HAEMORRHAGES,
    ReadsConfig,
    any_of,
    truth_of,
)
from crossdl.plugins.cohorts._tables import column, flags, read_table
from crossdl.types import BoolArray, Float64Array, ScanRecord, Volume

if TYPE_CHECKING:
    import pandas as pd

TABLES = ("hemorrhage_diagnosis_raw_ct.csv", "hemorrhage_diagnosis.csv")
"""Table of slices: of release 1.3.1, of release 1.0.0."""
DEMOGRAPHICS = ("Patient_demographics.csv", "patient_demographics.csv")
COLUMNS = {
    "IPH": "Intraparenchymal",
    "IVH": "Intraventricular",
    "SAH": "Subarachnoid",
    "EDH": "Epidural",
    "SDH": "Subdural",
}
FRACTURE = "Fracture_Yes_No"


class CtIchConfig(ReadsConfig):
    """Where the data set is, and how its labels are understood."""

    kind: Literal["ct_ich"] = "ct_ich"


class CtIch(CohortSource[CtIchConfig]):
    """PhysioNet's CT-ICH: head CTs after trauma with haemorrhage labels of every slice.

    Reads releases 1.0.0 and 1.3.1 (Hssayeni et al., Data 2020, doi 10.3390/data5010014): scans as
    ``ct_scans/NNN.nii`` or ``.nii.gz``, masks as ``masks/NNN``, labels in a table of slices.
    """

    def records(self) -> Sequence[ScanRecord]:
        """One record per patient, by number; ``reads`` are 1 where any slice has the finding.

        ``reads`` has ICH, IPH, IVH, SAH, EDH, SDH, EPH (any of the last four) and Fracture.

        Raises:
            InputError: The folder or its table is missing or malformed.
        """
        splits = self.config.draw(list(self._slices))
        return tuple(
            ScanRecord(
                scan_id=name,
                patient_id=name,
                split=splits[name],
                truth=truth_of(self._reads[name], self.config.types, self.anatomy),
                reads=self._reads[name],
            )
            for name in self._slices
        )

    def volume(self, record: ScanRecord) -> Volume:
        """Reads one scan.

        Raises:
            InputError: It is missing or no usable NIfTI file.
        """
        from crossdl.io.volumes import read_volume

        return read_volume(self._scan(record), self.anatomy.modality)

    def fingerprint(self, record: ScanRecord) -> str:
        """SHA-256 of the file.

        Raises:
            InputError: The scan is missing.
        """
        with self._scan(record).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def voxel_truth(self, record: ScanRecord) -> BoolArray | None:
        """Haemorrhage masks by type, where the drawn mask is complete and its types are known.

        The masks say haemorrhage without its type. A mask is complete if exactly the slices that
        the table calls haemorrhagic are drawn on; its types are known if on each of these slices
        all haemorrhages are of one abnormality type. Types that nobody drew have empty masks.

        Returns:
            ``(M, D, H, W)``, or None.

        Raises:
            InputError: The mask is damaged or on another grid than the scan.
        """
        from crossdl.io.volumes import read_labels

        path = self._file("masks", record.scan_id)
        if path is None:
            return None
        labels, grid = read_labels(path)
        volume = self.volume(record)
        if not grid.same_as(volume.grid):
            raise InputError(f"{path}: is not on the grid of its scan; download it again")
        kinds = self._types_of_slices(record.scan_id, len(labels))
        if kinds is None:
            return None
        drawn = labels > 0
        bleeding = [bool(found) for found in kinds]
        if bleeding != drawn.any(axis=(1, 2)).tolist() or any(len(found) > 1 for found in kinds):
            return None
        masks = np.zeros((self.anatomy.n_types, *drawn.shape), dtype=np.bool_)
        for d, found in enumerate(kinds):
            for kind in found:
                masks[self.anatomy.type_names.index(kind), d] = drawn[d]
        return masks

    def _types_of_slices(self, name: str, depth: int) -> list[set[str]] | None:
        """Abnormality types on each slice; None where the table does not have every slice."""
        numbers, values = self._slices[name]
        if sorted(numbers) != list(range(1, depth + 1)) or np.isnan(values).any():
            return None
        found: list[set[str]] = [set() for _ in numbers]
        for number, row in zip(numbers, values, strict=True):
            positive = [kind for kind, value in zip(HAEMORRHAGES, row, strict=True) if value]
            if any(kind not in self.config.types for kind in positive):
                return None
            found[number - 1] = {self.config.types[kind] for kind in positive}
        return found

    def _scan(self, record: ScanRecord) -> Path:
        path = self._file("ct_scans", record.scan_id)
        if path is None:
            raise InputError(
                f"{self.config.folder / 'ct_scans'}: has no {record.scan_id}.nii or "
                f"{record.scan_id}.nii.gz; download it again"
            )
        return path

    def _file(self, folder: str, name: str) -> Path | None:
        from crossdl.io.nifti import ENDINGS

        paths = [self.config.folder / folder / f"{name}{ending}" for ending in ENDINGS]
        return next((path for path in paths if path.is_file()), None)

    @cached_property
    def _table(self) -> tuple[Path, pd.DataFrame]:
        """Rows of slices that have a patient; release 1.3.1 has some without."""
        if not self.config.folder.is_dir():
            raise InputError(f"{self.config.folder}: no such folder; correct the cohort's folder")
        for name in TABLES:
            path = self.config.folder / name
            if path.is_file():
                table = read_table(path)
                return path, table[[bool(cell) for cell in column(path, table, "PatientNumber")]]
        raise InputError(
            f"{self.config.folder}: has neither {' nor '.join(TABLES)}; give the folder that holds "
            "the table and ct_scans"
        )

    @cached_property
    def _slices(self) -> Mapping[str, tuple[list[int], Float64Array]]:
        """By patient the slice numbers (1-based) and ``(slices, 5)`` haemorrhages."""
        path, table = self._table
        patients = [_number(path, n) for n in column(path, table, "PatientNumber")]
        numbers = [_number(path, n) for n in column(path, table, "SliceNumber")]
        values = np.array([flags(path, table, COLUMNS[name]) for name in HAEMORRHAGES]).T
        return {
            f"{patient:03d}": (
                [n for n, p in zip(numbers, patients, strict=True) if p == patient],
                values[np.array(patients) == patient],
            )
            for patient in sorted(set(patients))
        }

    @cached_property
    def _reads(self) -> Mapping[str, Mapping[str, float]]:
        """Labels of every scan: those of its slices together."""
        fractures = self._fractures
        found = {}
        for name, (_, values) in self._slices.items():
            reads = {kind: any_of(values[:, k]) for k, kind in enumerate(HAEMORRHAGES)}
            found[name] = {
                "ICH": any_of(reads[kind] for kind in HAEMORRHAGES),
                **reads,
                "EPH": any_of(reads[kind] for kind in EXTRAPARENCHYMAL),
                "Fracture": fractures.get(name, np.nan),
            }
        return found

    @cached_property
    def _fractures(self) -> Mapping[str, float]:
        """By patient, from the table of slices or the one of patients."""
        path, table = self._table
        name, patient = FRACTURE, "PatientNumber"
        if name not in table.columns:
            paths = [self.config.folder / file for file in DEMOGRAPHICS]
            existing = [file for file in paths if file.is_file()]
            if not existing:
                return {}
            path, patient = existing[0], "Patient Number"
            table = read_table(path)
            table = table[[cell.isdecimal() for cell in column(path, table, patient)]]
            name = next((c for c in table.columns if c.lower().startswith("fracture")), FRACTURE)
        found: dict[str, float] = {}
        for who, value in zip(column(path, table, patient), flags(path, table, name), strict=True):
            key = f"{_number(path, who):03d}"
            found[key] = float(np.fmax(found.get(key, np.nan), value))
        return found


def _number(path: Path, cell: str) -> int:
    """A whole number; some releases write 49 as 49.0."""
    try:
        value = float(cell)
    except ValueError:
        value = np.nan
    if not value.is_integer() or value < 0:
        raise InputError(
            f"{path}: {cell!r} is no patient or slice number; download the table again"
        )
    return int(value)
