"""``crossdl predict`` on many scans, on models that need regions, and on what cannot work."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from crossdl.anatomy import load_anatomy
from crossdl.cli import app, main
from crossdl.io.volumes import read_labels, write_ct
from crossdl.models import shipped_model
from crossdl.prediction_batch import write_scores
from crossdl.prediction_files import scores
from crossdl.testing.heads import synthetic_head, with_values
from crossdl.types import Grid, Prediction, Quality

ANATOMY = load_anatomy("head_ct")
PLUGINS = Path(__file__).parent.parent / "worker_fakes" / "plugins"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry whose segmenter calls everything that is not air the first region."""
    monkeypatch.setenv("CROSSDL_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "registry.toml"
    path.write_text(
        f"""
plugin_paths = ['{PLUGINS}']
[compositions.fake]
cohort = {{ kind = "scans", folder = '{tmp_path / "scans"}' }}
discretizer = "lexicon"
segmenter = {{ kind = "moody", log = '{tmp_path / "log"}', least = -500.0 }}
analyzer = "unet"
evaluators = [{{ kind = "scan_auroc" }}]
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Two heads, an empty table, and a file that is no image."""
    folder = tmp_path / "scans"
    head = synthetic_head()
    write_ct(folder / "b.nii.gz", head)
    blood = head.array.copy()
    blood[10:22, 20:40, 40:50] = 75.0
    write_ct(folder / "a.nii.gz", with_values(head, blood))
    table = np.full_like(head.array, -1000.0)
    table[:, -2] = 300.0
    write_ct(folder / "table.nii.gz", with_values(head, table))
    (folder / "broken.nii.gz").write_bytes(b"no image")
    return folder


def predict(*arguments: object) -> tuple[int, str]:
    """Exit code and what is printed."""
    done = CliRunner().invoke(app, ["predict", *map(str, arguments), "--workers", "1"])
    assert done.exit_code in (0, 1), done.output
    return done.exit_code, done.stdout


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_of_scans(tmp_path: Path, scans: Path) -> None:
    out = tmp_path / "out"
    code, said = predict(scans, "--out", out, "--worklist")
    assert code == 1
    failed = {row["scan"]: row["reason"] for row in rows(out / "failed.csv")}
    assert sorted(failed) == ["broken", "table"]
    assert "no head found" in failed["table"] and "not a NIfTI file" in failed["broken"]
    table = rows(out / "scores.csv")
    order = [float(row["abnormality_score"]) for row in table]
    assert len(table) == 2 and order == sorted(order, reverse=True)
    flagged = sum(row["ok"] == "False" for row in table)
    assert said.split("\n")[1].split()[:4] == ["4", "2", str(flagged), "2"]
    for row in table:
        found = json.loads((out / "scans" / row["scan"] / "prediction.json").read_text("utf-8"))
        assert found["scan"] == row["scan"]
        for region, cells in found["regions"].items():
            for kind, value in cells.items():
                possible = ANATOMY.possible[
                    ANATOMY.region_names.index(region), ANATOMY.type_names.index(kind)
                ]
                assert row[f"{region}.{kind}"] == (str(value) if possible else "")
        images = sorted(p.name for p in (out / "scans" / row["scan"]).glob("*.nii.gz"))
        assert len(images) == 2 + ANATOMY.n_types
        assert read_labels(out / "scans" / row["scan"] / "regions.nii.gz")[0].any()
    assert json.loads((out / "predictions.json").read_text("utf-8"))["versions"]["crossdl"]

    # again: only what has changed
    for name in ("table", "broken"):
        (scans / f"{name}.nii.gz").unlink()
    write_ct(scans / "b.nii.gz", synthetic_head(seed=1))
    written = {p: p.stat().st_mtime_ns for p in out.rglob("prediction.json")}
    code, _ = predict(scans, "--out", out, "--no-maps")
    assert code == 0 and rows(out / "failed.csv") == []
    changed = [p.parent.name for p in written if p.stat().st_mtime_ns != written[p]]
    assert changed == ["b"]
    assert [row["scan"] for row in rows(out / "scores.csv")] == ["a", "b"]


def test_a_cohort_and_a_model_that_needs_regions(
    tmp_path: Path, registry: Path, scans: Path
) -> None:
    for name in ("table", "broken"):
        (scans / f"{name}.nii.gz").unlink()
    model, out = static_model(tmp_path / "model"), tmp_path / "out"
    options = ("--model", model, "--composition", "fake", "--registry", registry)
    code, _ = predict("--out", out, "--no-maps", *options)
    assert code == 0 and [p.name for p in (out / "scans" / "a").iterdir()] == ["prediction.json"]
    for row in rows(out / "scores.csv"):
        check_static(json.loads((out / "scans" / row["scan"] / "prediction.json").read_text()))
    log = (tmp_path / "log").read_text().splitlines()
    assert sorted(line.split()[0] for line in log) == ["a", "b"]
    one = tmp_path / "one"
    code, _ = predict(scans / "a.nii.gz", "--out", one, "--flip", "--no-maps", *options)
    assert code == 0
    check_static(json.loads((one / "prediction.json").read_text("utf-8")), flip=True)


def static_model(folder: Path) -> Path:
    """The demonstrator, on regions of the atlas."""
    shutil.copytree(shipped_model(), folder)
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    described["config"]["inference_regions"] = "static"
    (folder / "model.json").write_text(json.dumps(described), encoding="utf-8")
    return folder


def check_static(found: dict[str, dict[str, dict[str, float]]], flip: bool = False) -> None:
    """The whole head is the first region, and its mirror region in the mirror image."""
    first, *others = ANATOMY.region_names
    mirror = ANATOMY.regions[0].mirror
    for kind, score in found["scan_scores"].items():
        assert found["regions"][first][kind] <= score + 1e-6
    assert max(found["regions"][first].values()) > 0.02
    for name in others:
        assert max(found["regions"][name].values()) < 1e-3, name
    assert "look" in found["quality"]["flags"]
    assert not flip or found["regions"][mirror] == dict.fromkeys(ANATOMY.type_names, 0.0)


def test_scores_of_untrained_regions_are_empty(tmp_path: Path) -> None:
    values = np.full((ANATOMY.n_regions, ANATOMY.n_types), 0.5, np.float32)
    values[0] = np.nan
    maps = np.zeros((ANATOMY.n_regions, 1, 1, 2), np.float32)
    one = Prediction(
        maps, maps[: ANATOMY.n_types], Grid((1, 1, 2), np.eye(4)), values, values[1],
        Quality({}, ("a", "b; c")),
    )  # fmt: skip
    found = scores(one, ANATOMY)
    json.dumps(found, allow_nan=False)
    assert set(found["regions"][ANATOMY.region_names[0]].values()) == {None}
    write_scores(tmp_path / "scores.csv", {"x": found}, ANATOMY)
    (row,) = rows(tmp_path / "scores.csv")
    assert row["left_frontal_lobe.intra_hyper"] == "" and row["brain_stem.intra_hyper"] == "0.5"
    assert (row["ok"], row["flags"]) == ("False", "a; b; c")


def fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *given: object):
    """The one sentence with which the command ends."""
    monkeypatch.setattr(sys, "argv", ["crossdl", "predict", *map(str, given)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: ")
    return last


def test_bad_requests_are_one_sentence(
    tmp_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one, file, empty = scans / "a.nii.gz", tmp_path / "file", tmp_path / "empty"
    file.touch()
    empty.mkdir()
    for given, expected in (
        ((empty, "--out", tmp_path / "x"), "empty: has no DICOM file"),
        ((tmp_path / "absent", "--out", tmp_path / "x"), "absent: does not exist"),
        ((scans / "table.nii.gz", "--out", tmp_path / "x"), "table: no head found"),
        ((one, "--out", file / "x"), "Not a directory"),
        ((scans, "--out", file / "x"), "Not a directory"),
        ((one, "--out", tmp_path / "x", "--worklist"), "--worklist: is for several scans"),
        ((scans, "--out", tmp_path / "x", "--model", empty), "empty: no model.json"),
    ):
        assert expected in fails(monkeypatch, capsys, *given)
    assert not (tmp_path / "x").exists()


def test_a_full_disk_leaves_no_prediction(
    tmp_path: Path, scans: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "regions.nii.gz")

    out = tmp_path / "out"
    assert predict(scans / "a.nii.gz", "--out", out, "--no-maps")[0] == 0
    monkeypatch.setattr("crossdl.io.volumes.write_volume", full)
    said = fails(monkeypatch, capsys, scans / "a.nii.gz", "--out", out)
    assert said == "error: regions.nii.gz: No space left on device"
    assert not (out / "prediction.json").exists()


@pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")
def test_an_interrupt_leaves_complete_predictions(tmp_path: Path, scans: Path) -> None:
    for number in range(40):
        shutil.copy(scans / "b.nii.gz", scans / f"c{number:02d}.nii.gz")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "crossdl", "predict", str(scans), "--out", str(out)]
    process = subprocess.Popen(
        [*command, "--workers", "1", "--no-maps"],
        start_new_session=True, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    deadline = time.monotonic() + 90
    while not list(out.glob("scans/c*/prediction.json")):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and "the same command continues" in said
    assert "Traceback" not in said
    files = [p for p in out.rglob("*") if p.is_file()]
    assert {p.name for p in files} == {"predictions.json", "prediction.json"}
    for path in files:
        json.loads(path.read_text(encoding="utf-8"))
