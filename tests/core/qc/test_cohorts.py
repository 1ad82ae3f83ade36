"""Which scans a command is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.errors import InputError
from crossdl.io.volumes import write_volume
from crossdl.qc.cohorts import Target, find_cohort, is_built, is_one_scan
from crossdl.registry import load_registry
from crossdl.types import Grid


def find(path: Path | None, changes: Mapping[str, Any] | None = None) -> Target:
    book = load_registry()
    composition = book.composition("demo", changes)
    return find_cohort(path, composition, load_anatomy(composition.anatomy), book.catalog)


def test_a_built_cohort(tmp_path: Path, cohort_writer: ModuleType) -> None:
    folder = cohort_writer.write_built(tmp_path)
    assert is_built(folder) and not is_one_scan(folder)
    found = find(folder)
    assert (found.config.kind, found.name) == ("dicom", folder.name)
    assert len(found.records) == 6


def test_an_unfinished_cohort_is_no_folder_of_scans(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    assert not is_one_scan(tmp_path)
    with pytest.raises(InputError, match=r"has no cohort\.json, so it is no finished cohort"):
        find(tmp_path)


def test_a_folder_of_scans_and_one_of_them(tmp_path: Path) -> None:
    grid = Grid((4, 5, 6), np.eye(4))
    for name in ("b.nii.gz", "a.nii"):
        write_volume(tmp_path / name, np.zeros(grid.shape, np.int16), grid)
    assert not is_one_scan(tmp_path) and is_one_scan(tmp_path / "a.nii")
    assert [r.scan_id for r in find(tmp_path).records] == ["a", "b"]
    one = find(tmp_path / "b.nii.gz")
    assert [r.scan_id for r in one.records] == ["b"] and one.config.kind == "scans"


def test_a_series(tmp_path: Path, write_series: Callable[..., list[Path]]) -> None:
    write_series(tmp_path / "series", np.array([[0.0, 0.0, 5.0 * k] for k in range(4)]))
    assert is_one_scan(tmp_path / "series")
    assert [r.scan_id for r in find(tmp_path / "series").records] == ["series"]


def test_the_compositions_own_cohort(tmp_path: Path) -> None:
    grid = Grid((4, 5, 6), np.eye(4))
    write_volume(tmp_path / "one.nii", np.zeros(grid.shape, np.int16), grid)
    cohort = {"kind": "scans", "folder": str(tmp_path)}
    found = find(None, {"cohort": cohort})
    assert found.name == tmp_path.name and [r.scan_id for r in found.records] == ["one"]


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        find(tmp_path / "absent")
