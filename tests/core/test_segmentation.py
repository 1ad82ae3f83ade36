"""Whole cohorts through worker processes that crash, hang and fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossdl.catalog import Catalog
from crossdl.errors import InputError
from crossdl.region_files import read_regions, write_regions
from crossdl.segmentation import CohortRegions, segment_cohort
from crossdl.types import Grid, Quality, RegionMap, ScanRecord

PLUGINS = Path(__file__).parent / "worker_fakes" / "plugins"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDL_CACHE", str(tmp_path / "cache"))


def run(
    names: list[str],
    log: Path,
    *,
    workers: int = 1,
    timeout_s: float = 60.0,
    segmenter: dict[str, Any] | None = None,
) -> tuple[CohortRegions, list[str]]:
    catalog = Catalog([PLUGINS])
    done: list[str] = []
    segmenter = segmenter or {"kind": "moody", "log": str(log)}
    outcome = segment_cohort(
        [ScanRecord(name, name, "train") for name in names],
        cohort=catalog.parse("cohort", {"kind": "moods", "names": names}),
        segmenter=catalog.parse("segmenter", segmenter),
        anatomy="head_ct",
        catalog=catalog,
        workers=workers,
        timeout_s=timeout_s,
        on_done=lambda name, _: done.append(name),
    )
    return outcome, done


def calls(log: Path) -> list[str]:
    return (
        [line.split()[0] for line in log.read_text(encoding="utf-8").splitlines()]
        if log.exists()
        else []
    )


def test_a_bad_scan_costs_only_itself(tmp_path: Path) -> None:
    names = ["a", "dies", "b", "fails", "buggy", "killed", "lost", "c"]
    outcome, done = run(names, tmp_path / "log")
    assert set(outcome.regions) == {"a", "b", "c"}
    assert set(outcome.failures) == {"dies", "fails", "buggy", "killed", "lost"}
    assert outcome.failures["killed"] == "the worker process died (exit code -9)"
    assert "died" in outcome.failures["dies"] and "7" in outcome.failures["dies"]
    assert outcome.failures["fails"] == "fails: the tool found no transform"
    assert outcome.failures["buggy"] == "ZeroDivisionError: a bug"
    assert outcome.failures["lost"] == "lost.nii.gz: does not exist"
    assert sorted(done) == sorted(set(names) - {"lost"})
    regions = outcome.regions["b"]()
    assert regions.grid.same_as(Grid((2, 3, 4), np.diag([20.0, 30.0, 50.0, 1.0])))
    assert int(regions.labels.sum()) == 12
    assert regions.quality == Quality({"final_metric": {"all": -1.0}}, ("look",))


def test_a_hanging_scan_is_given_up(tmp_path: Path) -> None:
    outcome, _ = run(["hangs", "a"], tmp_path / "log", timeout_s=8.0)
    assert set(outcome.regions) == {"a"}
    assert outcome.failures == {"hangs": "took longer than 8 s and was stopped"}


def test_finished_scans_are_not_redone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(["a", "fails"], log)
    outcome, done = run(["a", "fails", "b"], log)
    assert sorted(calls(log)) == ["a", "b", "fails", "fails"]
    assert set(outcome.regions) == {"a", "b"}
    assert sorted(done) == ["b", "fails"]
    processes = {line.split()[1] for line in log.read_text(encoding="utf-8").splitlines()}
    assert len(processes) == 2, "each run needs one long-lived worker"


def test_nothing_to_do_starts_no_worker(tmp_path: Path) -> None:
    outcome, done = run([], tmp_path / "log")
    assert (dict(outcome.regions), dict(outcome.failures), done) == ({}, {}, [])


def chain(log: Path, *last: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A segmenter with moods, then others."""
    first = {"kind": "moody", "log": str(log), "flags": []}
    others = [{"kind": "moody", "log": f"{log}2", "calm": True, "least": 5.0, **f} for f in last]
    return {"kind": "chain", "steps": [first, *others], **fields}


def test_a_step_that_dies_or_hangs_costs_only_the_step(tmp_path: Path) -> None:
    names = ["a", "killed", "hangs", "fails", "buggy"]
    segmenter = chain(tmp_path / "log", {"score": 0.45})
    outcome, done = run(names, tmp_path / "log", timeout_s=8.0, segmenter=segmenter)
    assert dict(outcome.failures) == {}
    assert sorted(done) == sorted(names)
    reasons = {
        "killed": "the worker process died (exit code -9)",
        "hangs": "took longer than 8 s and was stopped",
        "fails": "fails: the tool found no transform",
        "buggy": "ZeroDivisionError: a bug",
    }
    for name in names:
        regions = outcome.regions[name]()
        attempts = regions.quality.values["attempts"]
        if name == "a":
            assert int(regions.labels.sum()) == 12 and regions.quality.flags == ()
            assert [a["error"] for a in attempts] == [""]
            continue
        assert int(regions.labels.sum()) == 18 and regions.quality.flags == ("look",)
        assert [a["error"] for a in attempts] == [reasons[name], ""]
        assert attempts[1]["flags"] == ["look"] and attempts[1]["score"] == 0.45
        assert regions.quality.values["step"] == attempts[1]["step"]
    log = tmp_path / "log2"
    again, done = run(["a", "killed"], tmp_path / "log", segmenter=segmenter)
    assert (set(again.regions), done, len(calls(log))) == ({"a", "killed"}, [], 4)


def test_a_scan_without_a_usable_step_is_excluded(tmp_path: Path) -> None:
    segmenter = chain(tmp_path / "log", {"score": 0.2}, {"score": 0.1, "flags": ["odd", "tiny"]})
    outcome, _ = run(["a", "killed"], tmp_path / "log", segmenter=segmenter)
    assert set(outcome.regions) == {"a"}
    reason = outcome.failures["killed"]
    assert reason.startswith("killed: excluded, ")
    assert "exit code -9" in reason and "0.20, look" in reason and "0.10, odd, tiny" in reason


def test_steps_share_the_cache_with_the_same_segmenter_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(["a", "b"], log, segmenter={"kind": "moody", "log": str(log), "flags": []})
    outcome, _ = run(["a", "b"], log, segmenter=chain(log, {}))
    assert calls(log) == ["a", "b"]
    assert outcome.regions["a"]().quality.values["attempts"][0]["error"] == ""


def test_regions_survive_the_disk(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 18, (3, 4, 5)).astype(np.uint8)
    grid = Grid((3, 4, 5), np.diag([-1.0, 2.0, 3.0, 1.0]))
    write_regions(tmp_path, RegionMap(labels, grid, Quality({"similarity": 0.5}, ("x", "y"))))
    again = read_regions(tmp_path)
    np.testing.assert_array_equal(again.labels, labels)
    assert again.grid.same_as(grid, 0.0)
    assert again.quality == Quality({"similarity": 0.5}, ("x", "y"))


def test_damaged_regions_are_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "regions.npz").write_bytes(b"PK\x03\x04 half")
    with pytest.raises(InputError, match="damaged"):
        read_regions(tmp_path)
