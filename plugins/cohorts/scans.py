"""Scans without reports: one scan, or every NIfTI file of a folder."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.errors import InputError
from crossdl.interfaces import CohortSource
from crossdl.types import ScanRecord, Volume


class ScansConfig(ComponentConfig):
    """Where the scans are."""

    kind: Literal["scans"] = "scans"
    folder: Path = Field(
        description="folder of .nii or .nii.gz scans, or one scan: such a file, or the folder of a "
        "DICOM series"
    )
    allow_missing_slices: bool = Field(
        False, description="interpolate over missing slices of a DICOM series"
    )


class Scans(CohortSource[ScansConfig]):
    """Scans without reports: one scan, or every NIfTI file of a folder."""

    def records(self) -> Sequence[ScanRecord]:
        """One test scan per file, by name, each of a patient of its own.

        Raises:
            InputError: There is nothing, or two files have the same name but for their endings.
        """
        return tuple(ScanRecord(name, name, "test") for name in self._paths)

    def volume(self, record: ScanRecord) -> Volume:
        """Reads one scan.

        Raises:
            InputError: It cannot be used.
        """
        from crossdl.io.volumes import read_volume

        return read_volume(
            self._paths[record.scan_id],
            self.anatomy.modality,
            allow_missing_slices=self.config.allow_missing_slices,
        )

    def fingerprint(self, record: ScanRecord) -> str:
        """SHA-256 of the file, or of the files of the series.

        Raises:
            InputError: The series has no file.
        """
        from crossdl.files import sha256
        from crossdl.io.dicom_files import files_of

        path = self._paths[record.scan_id]
        if path.is_file():
            return sha256(path)
        digests = sorted(sha256(source.path) for source in files_of(path).sources)
        text = f"{self.config.allow_missing_slices} {' '.join(digests)}"
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def _paths(self) -> Mapping[str, Path]:
        """File or folder of every scan."""
        from crossdl.io.nifti import nifti_files, scan_name

        folder = self.config.folder
        if not folder.exists():
            raise InputError(f"{folder}: does not exist; give a scan or a folder of scans")
        paths = nifti_files(folder) or [folder]
        names = [scan_name(path.resolve()) or "scan" for path in paths]
        name, count = Counter(names).most_common(1)[0]
        if count > 1:
            raise InputError(f"{folder}: {count} files are called {name!r}; rename or move one")
        return dict(zip(names, paths, strict=True))
