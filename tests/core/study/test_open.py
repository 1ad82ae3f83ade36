"""A study's folder belongs to one study, which may grow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crossdl.errors import ConfigError, InputError
from crossdl.study.files import Axis, Cell, StudyFile, read_study
from crossdl.study.member import open_folder

CELLS = (Cell("a_seed0", ("a",), 0, "1"), Cell("b_seed0", ("b",), 0, "2"))
STUDY = StudyFile(
    "s", "", None, (Axis("x", "X", ("a", "b")),), (0,), (), 2, 0.95, CELLS, {}
)  # fmt: skip


def test_cells_may_be_added(tmp_path: Path) -> None:
    open_folder(tmp_path / "s", STUDY)
    more = replace(STUDY, seeds=(0, 1), cells=(*CELLS, Cell("a_seed1", ("a",), 1, "3")))
    open_folder(tmp_path / "s", more)
    found = read_study(tmp_path / "s")
    assert replace(found, versions={}) == more and "torch" in found.versions


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"cells": (replace(CELLS[0], digest="9"), CELLS[1])}, "cells a_seed0 differ"),
        ({"name": "t"}, "another study"),
        ({"scale": "tiny"}, "another study"),
        ({"threads": 1}, "was begun with --threads 2"),
    ],
)
def test_another_study_is_refused(
    tmp_path: Path, changed: dict[str, object], expected: str
) -> None:
    open_folder(tmp_path / "s", STUDY)
    with pytest.raises(ConfigError, match=expected):
        open_folder(tmp_path / "s", replace(STUDY, **changed))  # type: ignore[arg-type]
    assert read_study(tmp_path / "s").cells == CELLS


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not a study"):
        open_folder(tmp_path, STUDY)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', '{"format": 1}', "[]"])
def test_a_damaged_study_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "study.json").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"study\.json"):
        read_study(tmp_path)
