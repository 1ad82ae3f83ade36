"""Which scans a command is about: a built cohort, loose files, or what a composition names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.errors import InputError
from crossdl.interfaces import CohortSource
from crossdl.types import ScanRecord

if TYPE_CHECKING:
    from crossdl.anatomy import Anatomy
    from crossdl.catalog import Catalog
    from crossdl.config import ComponentConfig
    from crossdl.registry import Composition


@dataclass(frozen=True)
class Target:
    """The scans.

    Attributes:
        config: Of the cohort.
        source: The cohort.
        records: Its scans.
        name: What titles call it.
    """

    config: ComponentConfig
    source: CohortSource[Any]
    records: Sequence[ScanRecord]
    name: str


def is_built(path: Path) -> bool:
    """Whether ``crossdl cohort build`` made this folder, finished or not."""
    return (path / "cohort.json").is_file() or (path / "private").is_dir()


def is_one_scan(path: Path) -> bool:
    """Whether a path is a scan rather than a cohort or a folder of scans."""
    from crossdl.io.nifti import nifti_files

    return not is_built(path) and not nifti_files(path)


def find_cohort(
    path: Path | None,
    composition: Composition,
    anatomy: Anatomy,
    catalog: Catalog,
    *,
    allow_missing_slices: bool = False,
) -> Target:
    """Finds the scans.

    Args:
        path: A built cohort, a folder of NIfTI scans or one scan; None for the composition's
            cohort.
        composition: Names a cohort.
        anatomy: Of the composition.
        catalog: Where the cohort's kind comes from.
        allow_missing_slices: Interpolate over missing slices of a single DICOM series.

    Raises:
        InputError: There is no scan, or the cohort cannot be read.
    """
    if path is None:
        config = composition.cohort
    elif is_built(path):
        config = catalog.parse("cohort", {"kind": "dicom", "folder": str(path)})
    else:
        fields = {"folder": str(path), "allow_missing_slices": allow_missing_slices}
        config = catalog.parse("cohort", {"kind": "scans", **fields})
    source: CohortSource[Any] = catalog.create("cohort", config, anatomy)
    records = source.records()
    place = path or getattr(config, "folder", None)
    name = config.kind if place is None else Path(place).resolve().name
    if not records:
        raise InputError(f"{name}: the cohort has no scan")
    return Target(config, source, records, name)
