"""Scans without a table: which files count, and what changes a scan's fingerprint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossdl.errors import InputError
from crossdl.interfaces import CohortSource
from crossdl.io.volumes import write_volume
from crossdl.types import Grid

Source = Callable[..., CohortSource]
GRID = Grid((4, 5, 6), np.diag([1.0, 1.0, 5.0, 1.0]))


def write(path: Path, value: int = 40) -> Path:
    array = np.full(GRID.shape, value, np.int16)
    array[0] = -1000
    write_volume(path, array, GRID)
    return path


def test_files_of_a_folder_by_name(tmp_path: Path, source: Source) -> None:
    for name in ("b.nii.gz", "a.nii", ".c.nii"):
        write(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a scan", encoding="utf-8")
    cohort = source("scans", tmp_path)
    assert [r.scan_id for r in cohort.records()] == ["a", "b"]
    assert {r.split for r in cohort.records()} == {"test"}
    assert cohort.volume(cohort.records()[1]).grid.same_as(GRID)


def test_one_file(tmp_path: Path, source: Source) -> None:
    path = write(tmp_path / "one.nii.gz")
    (record,) = source("scans", path).records()
    assert record.scan_id == "one"
    before = source("scans", path).fingerprint(record)
    write(path, 41)
    assert source("scans", path).fingerprint(record) != before


def test_one_series(
    tmp_path: Path, source: Source, write_series: Callable[..., list[Path]]
) -> None:
    paths = write_series(tmp_path / "series", np.array([[0.0, 0.0, 5.0 * k] for k in range(5)]))
    cohort = source("scans", tmp_path / "series")
    (record,) = cohort.records()
    assert record.scan_id == "series" and len(cohort.volume(record).array) == 5
    before = cohort.fingerprint(record)
    allowed = source("scans", tmp_path / "series", allow_missing_slices=True)
    assert allowed.fingerprint(record) != before
    paths[-1].unlink()
    assert source("scans", tmp_path / "series").fingerprint(record) != before


def test_what_is_refused(tmp_path: Path, source: Source) -> None:
    with pytest.raises(InputError, match="does not exist"):
        source("scans", tmp_path / "absent").records()
    write(tmp_path / "a.nii")
    write(tmp_path / "a.nii.gz")
    with pytest.raises(InputError, match="2 files are called 'a'"):
        source("scans", tmp_path).records()
