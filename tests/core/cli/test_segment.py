"""``crossdl segment``: one scan and many, files and their contents, crashes and interrupts."""

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
from crossdl.cli import app
from crossdl.cli.segment import segment, volumes_table, write_segmentation
from crossdl.errors import ConfigError, InputError, RegistrationError
from crossdl.io.volumes import read_labels, read_volume, write_volume
from crossdl.testing.heads import synthetic_head
from crossdl.types import Quality, RegionMap

ANATOMY = load_anatomy("head_ct")
PLUGINS = Path(__file__).parent.parent / "worker_fakes" / "plugins"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A registry whose segmenter is the fake one."""
    path = tmp_path / "registry.toml"
    path.write_text(
        f"""
plugin_paths = ['{PLUGINS}']
[compositions.fake]
cohort = {{ kind = "moods", names = ["a", "fails", "b", "dies", "c"] }}
discretizer = "lexicon"
segmenter = {{ kind = "moody", log = '{tmp_path / "log"}' }}
analyzer = "unet"
evaluators = [{{ kind = "scan_auroc" }}]
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    head = synthetic_head()
    path = tmp_path / "scan.nii.gz"
    write_volume(path, np.rint(head.array).astype(np.int16), head.grid)
    return path


def test_labels_come_back_on_the_scan(
    tmp_path: Path, registry: Path, scan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, ct = tmp_path / "result" / "regions.nii.gz", tmp_path / "result" / "ct.nii.gz"
    segment(out, scan, "fake", registry, ct=ct, workers=1)
    source = read_volume(scan)
    labels, grid = read_labels(out)
    assert grid.same_as(source.grid)
    np.testing.assert_array_equal(labels, source.array > 11)
    again = read_volume(ct)
    np.testing.assert_array_equal(again.array, source.array)
    assert again.grid.same_as(source.grid)
    report = json.loads((out.parent / "quality.json").read_text(encoding="utf-8"))
    assert report["final_metric"] == {"all": -1.0}
    assert (report["ok"], report["flags"]) == (False, ["look"])
    assert report["region_label_values"] == {n: i + 1 for i, n in enumerate(ANATOMY.region_names)}
    assert report["settings"]["segmenter"]["kind"] == "moody"
    assert report["versions"]["crossdl"]
    printed = capsys.readouterr()
    assert "note: look" in printed.err
    assert ANATOMY.regions[0].title in printed.out
    assert sorted(p.name for p in out.parent.iterdir()) == [
        "ct.nii.gz", "quality.json", "regions.nii.gz"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["regions", "regions.png", "regions.nii.gz.txt"])
def test_other_endings_are_refused_before_any_work(
    tmp_path: Path, registry: Path, name: str
) -> None:
    with pytest.raises(InputError, match=r"must end in \.nii or \.nii\.gz"):
        segment(tmp_path / name, tmp_path / "absent.nii.gz", "fake", registry)


def test_a_crash_of_the_tool_is_one_sentence(tmp_path: Path, registry: Path, scan: Path) -> None:
    bad = scan.rename(tmp_path / "dies.nii.gz")
    with pytest.raises(RegistrationError, match=r"dies\.nii\.gz: the worker process died") as error:
        segment(tmp_path / "out" / "regions.nii.gz", bad, "fake", registry)
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def run(registry: Path, out: Path, *more: object) -> tuple[int, str]:
    """``crossdl segment`` with the fake composition: exit code and what it prints."""
    command = ["segment", *more, "--out", out, "--composition", "fake", "--registry", registry]
    done = CliRunner().invoke(app, [*map(str, command), "--workers", "1"])
    assert done.exit_code in (0, 1), done.output
    return done.exit_code, done.stdout


def test_a_cohort_goes_on_after_failures_and_does_only_the_rest(
    tmp_path: Path, registry: Path
) -> None:
    out = tmp_path / "out"
    code, said = run(registry, out)
    assert code == 1 and "failed: dies: the worker process died (exit code 7)" in said
    assert said.split("\n")[1].split()[:4] == ["5", "3", "3", "2"]
    assert sorted(p.name for p in (out / "regions").iterdir()) == [f"{n}.nii.gz" for n in "abc"]
    labels, grid = read_labels(out / "regions" / "b.nii.gz")
    assert labels.shape == grid.shape == (2, 3, 4) and labels.sum() == 12
    assert [row["scan"] for row in rows(out / "failed.csv")] == ["dies", "fails"]
    table = rows(out / "quality.csv")
    assert [row["flags"] for row in table] == ["look", "look", "look", "", ""]
    report = json.loads((out / "segmentation.json").read_text(encoding="utf-8"))
    assert report["region_label_values"] == ANATOMY.label_values
    assert sorted(report["scans"]) == ["a", "b", "c"]

    files = {p: p.stat().st_mtime_ns for p in (out / "regions").iterdir()}
    (out / "regions" / "b.nii.gz").unlink()
    code, _ = run(registry, out)
    log = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
    assert code == 1 and sorted(log) == ["a", "b", "c", "dies", "dies", "fails", "fails"]
    again = {p: p.stat().st_mtime_ns for p in (out / "regions").iterdir()}
    assert again.keys() == files.keys()
    assert [p.name for p in files if files[p] != again[p]] == ["b.nii.gz"]


def test_a_folder_of_scans(tmp_path: Path, registry: Path, scan: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    shutil.copy(scan, folder / "one.nii.gz")
    shutil.copy(scan, folder / "two.nii.gz")
    (folder / "broken.nii.gz").write_bytes(b"no image")
    code, _ = run(registry, tmp_path / "out", folder)
    assert code == 1 and [row["scan"] for row in rows(tmp_path / "out/failed.csv")] == ["broken"]
    (folder / "broken.nii.gz").unlink()
    code, _ = run(registry, tmp_path / "out", folder)
    assert code == 0 and rows(tmp_path / "out/failed.csv") == []
    assert sorted(p.name for p in (tmp_path / "out/regions").iterdir()) == [
        "one.nii.gz", "two.nii.gz"
    ]  # fmt: skip


def test_many_scans_need_a_folder(tmp_path: Path, registry: Path, scan: Path) -> None:
    with pytest.raises(ConfigError, match="several scans need a folder"):
        segment(tmp_path / "regions.nii.gz", None, "fake", registry)
    with pytest.raises(ConfigError, match="--ct"):
        segment(tmp_path / "out", scan.parent, "fake", registry, ct=tmp_path / "ct.nii.gz")


@pytest.mark.skipif(os.name != "posix", reason="needs signals of POSIX")
def test_an_interrupt_leaves_only_complete_files(tmp_path: Path, registry: Path) -> None:
    text = registry.read_text(encoding="utf-8")
    registry.write_text(text.replace('"fails", "b", "dies"', '"hangs"'), encoding="utf-8")
    out = tmp_path / "out"
    command = ["-m", "crossdl", "segment", "--out", str(out), "--composition", "fake"]
    process = subprocess.Popen(
        [sys.executable, *command, "--registry", str(registry), "--workers", "1"],
        start_new_session=True, stderr=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    log, first = tmp_path / "log", out / "regions" / "a.nii.gz"
    deadline = time.monotonic() + 60
    while not (first.is_file() and "hangs" in log.read_text()):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C in a terminal does
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130 and "the same command continues" in said
    assert "Traceback" not in said
    found = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert found == ["regions/a.nii.gz", "segmentation.json"]
    assert set(json.loads((out / "segmentation.json").read_text())["scans"]) <= {"a"}


def test_an_interrupted_rewrite_leaves_no_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = synthetic_head()
    regions = RegionMap(np.zeros(head.grid.shape, np.uint8), head.grid, Quality({"a": 1}))
    out = tmp_path / "regions.nii.gz"
    report = write_segmentation(out, head, regions, ANATOMY, {})
    assert report == tmp_path / "quality.json"
    assert report.is_file()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crossdl.io.volumes.write_volume", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_segmentation(out, head, regions, ANATOMY, {})
    assert not report.exists()


def test_table_has_a_row_per_region() -> None:
    head = synthetic_head()
    regions = RegionMap(np.ones(head.grid.shape, np.uint8), head.grid)
    table = volumes_table(regions, ANATOMY)
    assert table.row_count == ANATOMY.n_regions
    assert next(iter(table.columns[2].cells)) == f"{160 * 216 * 192 / 1000:.1f}"
