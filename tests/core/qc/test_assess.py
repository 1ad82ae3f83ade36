"""Order, flags and tables of assessed scans."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from crossdl.ingest.verdicts import Verdict
from crossdl.qc.assess import assess, write_failed, write_quality
from crossdl.region_files import write_regions
from crossdl.segmentation import CohortRegions
from crossdl.types import Grid, Quality, RegionMap


@pytest.fixture
def found(tmp_path: Path) -> CohortRegions:
    """Two sound scans, two flagged, one without score, one failed."""
    grid = Grid((2, 2, 2), np.eye(4))
    qualities = {
        "good": Quality({"score": 0.9, "metric": {"affine": -1.0}}),
        "better": Quality({"score": 0.95, "metric": {"affine": -1.1}}),
        "odd": Quality({"score": 0.6}, ("sides differ",)),
        "worse": Quality({"score": 0.2, "title": "not a number"}, ("folds", "too small")),
        "other tool": Quality({"similarity": 0.7}),
    }
    folders = {}
    for name, quality in qualities.items():
        folders[name] = tmp_path / f"regions of {name}"
        folders[name].mkdir()
        write_regions(folders[name], RegionMap(np.zeros((2, 2, 2), np.uint8), grid, quality))
    return CohortRegions(folders, {"lost": "lost.nii.gz: does not exist"})


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_worst_come_first(found: CohortRegions) -> None:
    scans = assess(found, {})
    assert [one.scan for one in scans] == ["lost", "worse", "odd", "good", "better", "other tool"]
    assert [one.flagged for one in scans] == [True, True, True, False, False, False]


def test_keeping_takes_the_flag_away_but_not_for_other_regions(found: CohortRegions) -> None:
    looked_at = found.folders["worse"].name
    verdicts = {
        "worse": Verdict("worse", "keep", "fine", looked_at),
        "odd": Verdict("odd", "keep", "", "what it was before the atlas changed"),
        "good": Verdict("good", "drop"),
    }
    scans = {one.scan: one for one in assess(found, verdicts)}
    assert (scans["worse"].flagged, scans["worse"].note) == (False, "fine")
    assert (scans["odd"].flagged, scans["odd"].verdict) == (True, "")
    assert scans["good"].verdict == "drop"


def test_tables(found: CohortRegions, tmp_path: Path) -> None:
    scans = assess(found, {"odd": Verdict("odd", "drop")})
    write_quality(tmp_path / "quality.csv", scans)
    write_failed(tmp_path / "failed.csv", scans)
    table = rows(tmp_path / "quality.csv")
    assert list(table[0]) == [
        "scan", "score", "metric.affine", "similarity", "flags", "failure", "verdict"
    ]  # fmt: skip
    by_name = {row["scan"]: row for row in table}
    assert list(by_name) == sorted(by_name) and by_name["good"]["metric.affine"] == "-1.0"
    assert by_name["worse"]["flags"] == "folds; too small" and by_name["odd"]["verdict"] == "drop"
    assert by_name["lost"]["failure"] == "lost.nii.gz: does not exist"
    assert rows(tmp_path / "failed.csv") == [
        {"scan": "lost", "reason": "lost.nii.gz: does not exist"}
    ]
    write_failed(tmp_path / "failed.csv", [one for one in scans if not one.failure])
    assert (tmp_path / "failed.csv").read_text(encoding="utf-8") == "scan,reason\n"
