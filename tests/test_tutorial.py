"""The tutorial, done as a reader does it: its files are written, its commands are run."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).resolve().parent.parent / "docs" / "tutorial" / "README.md"
METRICS = {"region/micro", "scan/any"}


def blocks() -> dict[str, str]:
    text = TUTORIAL.read_text("utf-8")
    return dict(re.findall(r"<!-- tested: (\S+) -->\n```\w+\n(.*?)```", text, re.S))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tutorial's files and commands."""
    folder = tmp_path_factory.mktemp("lesson")
    for name, text in blocks().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def run(project: Path, script: str, seconds: float) -> str:
    """The commands of a block; ``crossdl`` and ``pytest`` are those of this environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.run(
        ["sh", "-e", script], cwd=project, capture_output=True, encoding="utf-8", timeout=seconds,
        env={**os.environ, "PATH": path, "COLUMNS": "120"}, check=False,
    )  # fmt: skip
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def test_the_pooling_keeps_the_contract(project: Path) -> None:
    assert re.search(r"\b18 passed", run(project, "check.sh", 300))


def test_every_file_that_is_shown_is_used() -> None:
    named = re.findall(r"^As `([^`]+)`|, as `([^`]+)`", TUTORIAL.read_text("utf-8"), re.M)
    others = {"check.sh", "study.sh", "more.toml"}
    assert {a or b for a, b in named} | others == set(blocks())


def test_the_second_study_is_valid_too(project: Path) -> None:
    found = blocks()
    (project / "both.toml").write_text(found["registry.toml"] + found["more.toml"], "utf-8")
    (project / "both.sh").write_text("crossdl check both.toml", "utf-8")
    assert "ok: 1 composition, 2 studies (6 cells)" in run(project, "both.sh", 300)


def test_pictures_and_pages_that_are_linked_exist() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TUTORIAL.read_text("utf-8"))
    assert links
    for link in links:
        assert (TUTORIAL.parent / link).exists(), link


@pytest.mark.slow
def test_the_study_ends_with_a_report(project: Path) -> None:
    output = run(project, "study.sh", 1800)
    study = project / "studies" / "volume"
    assert "ok: 1 composition, 1 study (3 cells)" in output
    assert json.loads((study / "failures.json").read_text("utf-8")) == []
    assert "volume_odds" in (study / "summary.html").read_text("utf-8")
    assert (study / "figures" / "forest.png").stat().st_size > 0
    with (study / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] in METRICS]
    assert {row["analyzer.pooling"] for row in rows} == {"damil", "max", "volume_odds"}
    assert len(rows) == 3 * len(METRICS)
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows)
    assert len({row["value"] for row in rows if row["metric"] == "region/micro"}) == 3
    with (study / "comparisons.csv").open(encoding="utf-8", newline="") as file:
        compared = [row for row in csv.DictReader(file) if row["metric"] == "region/micro"]
    assert {row["analyzer.pooling"] for row in compared} == {"max", "volume_odds"}
    assert all(row["low"] and row["high"] and row["p_holm"] for row in compared)
