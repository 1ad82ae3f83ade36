"""A whole run, small: the same seed gives the same bytes, a killed run ends the same.

Only what is killed or must not share anything is a process of its own; the rest runs in this one,
which has imported already what takes longest.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossdl.cli import app

REGISTRY = """
plugin_paths = ["plugins"]

[compositions.tiny]
extends = "scratch"
segmenter = { kind = "slabs" }
analyzer = { volume_shape = [16, 32, 32], levels = 3, base_filters = 2, epochs = 3 }
evaluators = ["region_auroc", "scan_auroc", "discretizer_f1", "report_auroc"]

[compositions.tiny.cohort]
patients = { train = 6, valid = 2, test = 6 }
matrix = 64
field_of_view_mm = [230.0, 243.0]
model_mm = 3.0
"""

SLABS = '''
"""Cuts the volume into slabs: a segmenter without registration."""

from typing import Literal

import numpy as np

from crossdl.config import ComponentConfig
from crossdl.errors import RegistrationError
from crossdl.interfaces import RegionSegmenter
from crossdl.types import Quality, RegionMap


class SlabsConfig(ComponentConfig):
    """Settings of Slabs."""

    kind: Literal["slabs"] = "slabs"


class Slabs(RegionSegmenter[SlabsConfig]):
    """Slab i of the slices is region i."""

    def register(self, volume):
        """Refuses one scan, so that a run has something to report."""
        if volume.name == "p0002":
            raise RegistrationError(f"{volume.name}: refused by the test")
        depth = volume.array.shape[0]
        index = np.arange(depth) * self.anatomy.n_regions // depth
        labels = np.broadcast_to((index + 1)[:, None, None], volume.array.shape)
        return RegionMap(labels.astype(np.uint8), volume.grid, Quality({"final_metric": {}}))
'''


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, cache_with_heads: Callable[[Path], Path]
) -> Path:
    folder = tmp_path_factory.mktemp("project")
    cache_with_heads(folder / "cache")
    (folder / "registry.toml").write_text(REGISTRY, encoding="utf-8")
    target = folder / "plugins" / "segmenters" / "slabs.py"
    target.parent.mkdir(parents=True)
    target.write_text(SLABS, encoding="utf-8")
    return folder


def arguments(out: str, *more: str, verb: str = "run") -> list[str]:
    return [verb, "tiny", "--registry", "registry.toml", "--out", out, *more]


def environment(project: Path) -> Mapping[str, str]:
    return {"CROSSDL_CACHE": str(project / "cache"), "COLUMNS": "120"}


def start(project: Path, *given: str) -> subprocess.Popen[str]:
    """The command in a process."""
    return subprocess.Popen(
        [sys.executable, "-m", "crossdl", *arguments(*given)],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**os.environ, **environment(project)},
    )


def finish(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 0, output
    return output


def here(project: Path, *given: str, verb: str = "run") -> str:
    """The command in this process; returns what it printed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        done = CliRunner(env=environment(project)).invoke(app, arguments(*given, verb=verb))
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def plain_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty pictures, where the test is not about them: drawing is what a small run does most."""
    from matplotlib.figure import Figure

    from crossdl.results import pictures

    draw = pictures.save_picture

    def empty(_: Figure, folder: Path, name: str) -> None:
        draw(Figure(figsize=(1, 1)), folder, name)

    monkeypatch.setattr(pictures, "save_picture", empty)


@pytest.fixture(scope="module")
def finished(project: Path) -> tuple[Path, str]:
    return project / "first", here(project, "first")


def result_bytes(run: Path) -> dict[str, bytes]:
    names = ["metrics.json", "predictions.jsonl", "model/model.safetensors", "failures.json"]
    return {name: (run / name).read_bytes() for name in names}


def test_a_run_leaves_everything_it_promises(finished: tuple[Path, str]) -> None:
    run, output = finished
    for name in ("config.json", "provenance.json", "run.log", "metrics.json", "predictions.jsonl",
                 "failures.json", "summary.html", "model/model.json", "figures/example_1.png",
                 "figures/training.svg", "summary.md", "tables/flow.csv"):  # fmt: skip
        assert (run / name).stat().st_size > 0, name
    assert "Summary: first/summary.html" in output
    assert "Region, micro" in output
    config = json.loads((run / "config.json").read_text("utf-8"))
    assert config["seed"] == 0
    assert config["analyzer"]["volume_shape"] == [16, 32, 32]
    assert len((run / "predictions.jsonl").read_text("utf-8").splitlines()) == 6
    page = (run / "summary.html").read_text("utf-8")
    assert ">Training</h2>" in page
    origin = json.loads((run / "provenance.json").read_text("utf-8"))
    stages = [entry["stage"] for entry in origin["stages"]]
    assert stages.index("Register") < stages.index("Train") < stages.index("Evaluate")
    assert origin["data"]["scans"] == 14
    assert not [p for p in run.rglob("*") if "tmp" in p.name]


def test_a_failed_scan_is_reported_and_the_others_go_on(finished: tuple[Path, str]) -> None:
    run, output = finished
    [failure] = json.loads((run / "failures.json").read_text("utf-8"))
    assert failure == {
        "scan_id": "p0002", "stage": "register", "reason": "p0002: refused by the test",
    }  # fmt: skip
    assert "p0002 (register): p0002: refused by the test" in output


def test_reports_are_measured_beside_scans(finished: tuple[Path, str]) -> None:
    run = finished[0]
    text = (run / "predictions.jsonl").read_text("utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert all({"report_scores", "sentences"} <= set(line) for line in lines)
    n = sum(len(line["sentences"]["truth"]) for line in lines)
    metrics = json.loads((run / "metrics.json").read_text("utf-8"))
    f1, exact = (metrics["discretizer_f1"][name] for name in ("f1/micro", "exact_match"))
    assert exact["n"] == n > 6
    assert f1["value"] > 0.8  # the rules were written for such sentences
    against = metrics["report_auroc"]
    assert against["report_vs_text/micro"]["n"] == against["report_vs_gold/micro"]["n"] > 6
    assert against["report_vs_text/micro"]["value"] > 0.8
    for name in ("discretizer_f1_labels", "report_auroc_gold_cells", "report_auroc_text_roc"):
        assert (run / "figures" / f"{name}.png").stat().st_size > 0, name


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(finished: tuple[Path, str], project: Path) -> None:
    finish(start(project, "second"))
    assert result_bytes(project / "second") == result_bytes(finished[0])


@pytest.mark.usefixtures("plain_pictures")
def test_a_killed_run_continues_to_the_same_bytes(
    finished: tuple[Path, str], project: Path
) -> None:
    process = start(project, "killed")
    checkpoint = project / "killed" / "training"
    deadline = time.monotonic() + 200
    while not list(checkpoint.glob("*.safetensors")) and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (project / "killed" / "metrics.json").exists()
    here(project, "killed")
    assert result_bytes(project / "killed") == result_bytes(finished[0])


@pytest.mark.usefixtures("plain_pictures")
def test_a_finished_run_is_only_reported_again(finished: tuple[Path, str], project: Path) -> None:
    before = result_bytes(finished[0])
    output = here(project, "first")
    assert "Train" not in output
    assert result_bytes(finished[0]) == before


def test_another_configuration_does_not_overwrite_a_run(
    finished: tuple[Path, str], project: Path
) -> None:
    process = start(project, "first", "--seed", "7")
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "another configuration" in output


@pytest.mark.usefixtures("plain_pictures")
def test_evaluating_the_trained_model_gives_the_runs_own_figures(
    finished: tuple[Path, str], project: Path
) -> None:
    run = finished[0]
    output = here(project, "again", "--model", "first/model", verb="evaluate")
    assert "Train" not in output and "Register" not in output
    for name in ("metrics.json", "predictions.jsonl"):
        assert (project / "again" / name).read_bytes() == (run / name).read_bytes()
    config = json.loads((project / "again" / "config.json").read_text("utf-8"))
    assert set(config["analyzer"]) == {"model"}
    page = (project / "again" / "summary.html").read_text("utf-8")
    assert ">Training</h2>" not in page


@pytest.mark.slow
def test_static_regions_and_a_single_region(project: Path) -> None:
    output = here(
        project,
        "static",
        "--set",
        "analyzer.inference_regions=static",
        "--set",
        'analyzer.trained_regions=["left_frontal_lobe"]',
    )
    assert output.count("Register") == 2
    lines = (project / "static" / "predictions.jsonl").read_text("utf-8").splitlines()
    assert len(lines) == 6
    for line in lines:
        first, *others = json.loads(line)["region_scores"]
        assert all(0 <= score <= 1 for score in first)
        assert all(score is None for row in others for score in row)
    text = (project / "static" / "metrics.json").read_text("utf-8")
    assert "NaN" not in text
    metrics = json.loads(text)["region_auroc"]
    assert metrics["region/any/left_frontal_lobe"]["n"] == 6
    assert metrics["region/any/right_frontal_lobe"]["n"] == 0
    assert metrics["region/any/right_frontal_lobe"]["value"] is None
