"""Whole studies as a user runs them, on plugins that take seconds."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path

import pytest

from crossdl.study.files import read_failures, read_study, read_table

Start = Callable[..., subprocess.Popen[str]]
Finish = Callable[..., str]


def result_bytes(study: Path) -> dict[str, bytes]:
    """What must not depend on how a study was run."""
    names = ("metrics.json", "predictions.jsonl", "model/model.json", "failures.json")
    cells = sorted((study / "cells").iterdir())
    return {f"{cell.name}/{name}": (cell / name).read_bytes() for cell in cells for name in names}


def gone(group: int) -> bool:
    """Whether no process of a group is left, in a while."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 600
    while not path.exists():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)


def test_a_study_runs_compares_and_is_not_run_again(
    project: Path, start: Start, finish: Finish
) -> None:
    output = finish(start("skills", "--jobs", "2"))
    folder = project / "studies" / "skills"
    study = read_study(folder)
    assert [(c.slug, c.values, c.seed) for c in study.cells] == [
        ("0.2_seed0", ("0.2",), 0), ("0.9_seed0", ("0.9",), 0),
    ]  # fmt: skip
    assert study.threads == 1 and read_failures(folder) == []
    (row,) = read_table(folder, "comparisons")
    assert (row["analyzer.skill"], row["metric"], row["scans"]) == ("0.9", "scan/any", "12")
    metrics = {
        slug: json.loads((folder / "cells" / slug / "metrics.json").read_text("utf-8"))
        for slug in ("0.2_seed0", "0.9_seed0")
    }
    for slug, column in (("0.2_seed0", "reference"), ("0.9_seed0", "value")):
        assert float(row[column]) == pytest.approx(metrics[slug]["scan_auroc"]["scan/any"]["value"])
    difference = float(row["value"]) - float(row["reference"])
    assert float(row["difference"]) == pytest.approx(difference) and difference > 0
    assert float(row["low"]) <= difference <= float(row["high"])
    assert len(read_table(folder, "results")) == 2 * len(metrics["0.2_seed0"]["scan_auroc"])
    assert "Skill" in output and "1.000" in output

    before = result_bytes(folder)
    again = finish(start("skills"))
    assert "done before" in again and "running" not in again
    assert result_bytes(folder) == before

    other = finish(start("skills", "--set", "analyzer.mood=fails"), code=2)
    assert "holds another study (cells 0.2_seed0, 0.9_seed0 differ)" in other


def test_equal_cells_of_studies_run_once(project: Path, start: Start, finish: Finish) -> None:
    output = finish(start("skills", "more_skills", "--jobs", "2"), code=1)
    studies = project / "studies"
    first, same = studies / "skills/cells/0.2_seed0", studies / "more_skills/cells/little_seed0"
    assert "more_skills: little, seed 0: done as skills/0.2_seed0" in output
    for label in ("more_skills: little", "more_skills: worse"):
        assert f"{label}, seed 0: running" not in output
    for name in ("provenance.json", "metrics.json", "predictions.jsonl", "summary.html"):
        assert (first / name).read_bytes() == (same / name).read_bytes()
    failures = read_failures(studies / "more_skills")
    assert [f.cell for f in failures] == ["bad_seed0", "worse_seed0"]
    assert {f.reason for f in failures} == {"the analyzer is in a bad mood; cheer it up"}
    assert "2 of 3 cells failed" in output and (studies / "skills" / "summary.html").is_file()
    assert len({row["slug"] for row in read_table(studies / "skills", "results")}) == 2

    before = (first / "metrics.json").read_bytes()
    shutil.rmtree(same)
    same.mkdir()
    (same / "run.log").write_text("begun alone, and killed", encoding="utf-8")
    finish(start("more_skills", "skills"), code=1)
    assert (same / "metrics.json").read_bytes() == before
    assert (same / "run.log").read_bytes() == (first / "run.log").read_bytes()


@pytest.mark.slow
def test_what_cells_share_is_computed_once(
    project: Path, start: Start, finish: Finish, tmp_path: Path
) -> None:
    registered, learned = tmp_path / "registered", tmp_path / "learned"
    finish(start("learned", "--jobs", "2", REGISTERED=str(registered), LEARNED=str(learned)))
    assert sorted(registered.read_text("utf-8").split()) == ["train0", "train1", "train2", "valid0"]
    assert learned.read_text("utf-8").split() == ["0"]
    folder = project / "studies" / "learned"
    assert sorted(p.name for p in (folder / "logs").iterdir() if "shared" in p.name)
    for cell in (folder / "cells").iterdir():
        assert (cell / "discretizer" / "model.json").is_file()


def test_a_cell_that_fails_is_reported_and_the_others_go_on(
    project: Path, start: Start, finish: Finish
) -> None:
    output = finish(start("broken", "--jobs", "2"), code=1)
    folder = project / "studies" / "broken"
    reasons = {f.cell: f.reason for f in read_failures(folder)}
    assert reasons["fails_seed0"] == "the analyzer is in a bad mood; cheer it up"
    assert reasons["crashes_seed0"].startswith("ZeroDivisionError: nothing to divide (see ")
    assert len(reasons) == 2
    finished = {row["slug"] for row in read_table(folder, "results")}
    assert finished == {"good_seed0", "dies_once_seed0"}  # the process that died ran again
    states = re.findall(r": (running|done in|failed)", output.partition("failed: ")[0])
    counts = accumulate(1 if state == "running" else -1 for state in states)
    assert states.count("running") == len(states) / 2 and max(counts) <= 2  # the others wait
    assert "2 of 4 cells failed; the same command tries them again" in output
    assert "Traceback" not in output
    assert "nothing to divide" in (folder / "logs" / "crashes_seed0.txt").read_text("utf-8")


@pytest.mark.slow
def test_ctrl_c_stops_everything_and_the_same_command_goes_on(
    project: Path, start: Start, finish: Finish
) -> None:
    process = start("slow")
    wait_for(project / "studies" / "slow" / "cells" / "60.0_seed0" / "training", process)
    kept = project / "studies" / "slow" / "cells" / "0.0_seed0"
    before = (kept / "metrics.json").read_bytes()
    os.killpg(process.pid, signal.SIGINT)
    output = finish(process, code=130, timeout_s=60)
    assert output.splitlines()[-1] == (
        "error: interrupted; the same command continues where it stopped"
    )
    assert "Traceback" not in output
    assert gone(process.pid)
    assert not (kept.parent / "60.0_seed0" / "metrics.json").exists()
    again = start("slow")
    wait_for(kept.parent / "60.0_seed0" / "model", again)
    finish(again)
    assert (kept / "metrics.json").read_bytes() == before
    assert len({row["slug"] for row in read_table(kept.parents[1], "results")}) == 2


@pytest.mark.slow
def test_a_full_disk_is_said_and_nothing_is_lost(
    project: Path, start: Start, finish: Finish, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("needs the right to mount a small disk")
    out = str(disk / "study")
    try:
        process = start("skills", "--out", out)
        output, _ = process.communicate(timeout=1200)
        assert process.returncode in (1, 2)  # 2 where there is no room for the reasons, either
        assert "No space left on device" in output and "Traceback" not in output
        subprocess.run(["mount", "-o", "remount,size=50m", str(disk)], check=True)
        finish(start("skills", "--out", out))
        assert len({row["slug"] for row in read_table(disk / "study", "results")}) == 2
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("skils",), "there is no study 'skils'; did you mean 'skills'?"),
        (("skills", "--scale", "mor"), "there is no scale 'mor'; did you mean 'more'?"),
        (("skills", "--set", "analyzer.skil=1"), "did you mean 'skill'?"),
        (("skills", "--set", "analyzer.skill=high"), "analyzer.skill: Input should be a valid num"),
        (("skills", "--out", "plugins"), "plugins: exists and is not a study; give another --out"),
        (("skills", "broken", "--out", "x"), "--out is the folder of one study; leave it out, or"),
        (("skills", "--address", "auto"), "--address is of Ray; add --engine ray"),
    ],
)
def test_mistakes_end_before_anything_runs(
    project: Path, start: Start, finish: Finish, arguments: tuple[str, ...], expected: str
) -> None:
    output = finish(start(*arguments), code=2)
    assert expected in output and "Traceback" not in output
    assert not (project / "studies" / "skills" / "cells").exists()
