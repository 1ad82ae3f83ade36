"""From the quality of registrations to scans left out, as the cohort's README shows it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from crossdl.cli import app

README = Path(__file__).parents[3] / "core" / "ingest" / "cohort_readme.md"
REGISTRY = """
plugin_paths = [{plugins}]

[compositions.mine]
extends = "crossdl"
segmenter = {{ kind = "moody", log = {log} }}
"""


def crossdl(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_readme_example(
    built: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSDL_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    cohort, log = tmp_path / "COHORT", tmp_path / "log"
    shutil.copytree(built.out, cohort)
    plugins = Path(__file__).parents[1] / "worker_fakes" / "plugins"
    text = REGISTRY.format(plugins=json.dumps(str(plugins)), log=json.dumps(str(log)))
    (tmp_path / "registry.toml").write_text(text, encoding="utf-8")
    command = ("cohort", "quality", cohort, "--out", "quality.csv", "--workers", 1)
    command += ("--composition", "mine", "--registry", "registry.toml")
    assert "2 scans, 2 with flags or failures" in crossdl(*command)
    found = rows(tmp_path / "quality.csv")
    assert list(found[0]) == ["scan", "final_metric.all", "flags", "failure"]
    assert [(row["final_metric.all"], row["flags"]) for row in found] == [("-1.0", "look")] * 2
    crossdl(*command)
    assert len(log.read_text(encoding="utf-8").splitlines()) == 2  # the second time from the cache

    worse = (tmp_path / "quality.csv").read_text(encoding="utf-8")
    worse = worse.replace(".all", ".bspline").replace("-1.0", "-0.7", 1)
    (tmp_path / "quality.csv").write_text(worse, encoding="utf-8")
    lines = README.read_text(encoding="utf-8").splitlines()
    (code,) = [line for line in lines if line.startswith('    python -c "')]
    exec(code.strip().removeprefix('python -c "').removesuffix('"'), {})
    said = crossdl("cohort", "exclude", cohort, "drops.csv", "--step", "registration")
    assert "Metric above -0.8, artefacts" in said and "1 scans of 1 patients" in said
    steps = [(row["step"], row["reason"]) for row in rows(cohort / "flow.csv")]
    assert ("registration", "metric above -0.8, artefacts") in steps
