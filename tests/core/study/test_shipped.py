"""The studies that ship, run as a user runs them at the smallest scale."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from crossdl.registry import load_registry
from crossdl.study.files import read_failures, read_study, read_table

CHEAPEST = "silver_vs_pseudo"
STUDIES = list(load_registry().studies)

pytestmark = pytest.mark.timeout(1800)


def run(names: list[str], folder: Path, cache: Path) -> str:
    """``crossdl study NAMES --scale tiny`` in an empty folder; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "crossdl", "study", *names, "--scale", "tiny", "--jobs", "2"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**os.environ, "CROSSDL_CACHE": str(cache), "COLUMNS": "160"},
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def check(name: str, folder: Path) -> None:
    """Every cell has ended, and every metric that is compared has been measured in each."""
    study = read_study(folder)
    assert study.scale == "tiny" and read_failures(folder) == []
    results = read_table(folder, "results")
    assert {row["slug"] for row in results} == {cell.slug for cell in study.cells}
    asked = load_registry().studies[name].metrics
    assert study.metrics == tuple(asked) and asked
    for cell in study.cells:
        measured = {row["metric"] for row in results if row["slug"] == cell.slug}
        assert [p for p in asked if not any(fnmatchcase(m, p) for m in measured)] == []
    compared = read_table(folder, "comparisons")
    fields = [axis.field for axis in study.axes]
    others = {cell.values for cell in study.cells} - {study.cells[0].values}
    assert {tuple(row[f] for f in fields) for row in compared} == others
    assert {row["scans"] for row in compared} <= {"6"}  # all test scans were predicted
    page = (folder / "summary.html").read_text("utf-8")
    for cell in study.cells:
        assert all(value in page for value in cell.values)


@pytest.fixture(scope="module")
def tiny_cache(
    tmp_path_factory: pytest.TempPathFactory, cache_with_heads: Callable[[Path], Path]
) -> Path:
    """What these studies share, and nothing of other tests."""
    return cache_with_heads(tmp_path_factory.mktemp("shipped") / "cache")


def test_the_cheapest_study(tmp_path: Path, tiny_cache: Path) -> None:
    output = run([CHEAPEST], tmp_path, tiny_cache)
    folder = tmp_path / "studies" / f"{CHEAPEST}-tiny"
    check(CHEAPEST, folder)
    assert f"Summary: {folder / 'summary.html'}" in output
    for cell in read_study(folder).cells:
        assert (folder / "cells" / cell.slug / "model" / "model.safetensors").is_file()


@pytest.mark.slow
def test_all_studies_together(tmp_path: Path, tiny_cache: Path) -> None:
    output = run(STUDIES, tmp_path, tiny_cache)
    for name in STUDIES:
        check(name, tmp_path / "studies" / f"{name}-tiny")
    assert "gradcam: Grad-CAM, seed 0: done as table_s2/a_seed0" in output
