"""The page of a study, partly failed: tables, figures, links to the cells' pages."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from crossdl.anatomy import load_anatomy
from crossdl.errors import InputError
from crossdl.figures import estimate_text
from crossdl.files import write_json
from crossdl.results.metrics import metric_title
from crossdl.results.study import StudyResults
from crossdl.results.study_page import write_study_summary

METHODS = {"damil": 0.6, "max": 0.9, "top k": 0.7, "mean": 0.8}


@pytest.fixture(scope="module")
def study(runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = runs.write_study(tmp_path_factory.mktemp("studies") / "poolings", METHODS)
    write_study_summary(folder)
    return folder


def table_of(page: Any, title: str) -> list[dict[str, str]]:
    """The first table that has a column of this title."""
    [table, *_] = [t for t in page.tables if title in t[0]]
    return [dict(zip(table[0], row, strict=True)) for row in table[1:]]


def test_the_overview_has_means_of_seeds(study: Path, read_page: Callable[[Path], Any]) -> None:
    page = read_page(study / "summary.html")
    assert "Which <one>?" in page.text and "6 of 8 cells" in page.text
    rows = {row["Pooling"]: row for row in table_of(page, "Seeds")}
    assert list(rows) == list(METHODS)
    found = StudyResults.read(study)
    key = ("region_auroc", "region/micro")
    values = [found.estimates[("max",), seed][key].value for seed in (0, 1)]
    assert rows["max"]["Region, micro"] == (
        f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}"  # type: ignore[type-var]
    )
    assert rows["mean"]["Seeds"] == "0 of 2" and rows["mean"]["Region, micro"] == "-"


def test_differences_failures_and_links(study: Path, read_page: Callable[[Path], Any]) -> None:
    page = read_page(study / "summary.html")
    with (study / "comparisons.csv").open(encoding="utf-8", newline="") as file:
        exact = {(r["analyzer.pooling"], r["metric"]): r for r in csv.DictReader(file)}
    [shown] = [
        row
        for row in table_of(page, "Difference")
        if (row["Pooling"], row["Measure"]) == ("max", "Region, micro")
    ]
    row = exact["max", "region/micro"]
    assert shown["Difference"] == f"{float(row['difference']):.3f}"
    assert shown["p (Holm)"] == f"{float(row['p_holm']):.3f}" and shown["Scans"] == "40"
    [failure] = table_of(page, "Reason")
    assert failure == {"Cell": "mean_seed1", "Stage": "run", "Reason": "worker <died>"}
    cells = {row["Cell"]: row for row in table_of(page, "State")}
    assert [cells[f"{m}_seed{s}"]["State"] for m, s in (("max", 0), ("mean", 0), ("mean", 1))] == [
        "finished", "not finished", "failed",
    ]  # fmt: skip
    assert cells["damil_seed0"]["Minutes"] == "1.500"
    assert "cells/damil_seed1/summary.html" in page.links
    assert "cells/mean_seed0/summary.html" not in page.links


def test_every_figure_and_table_is_a_file(study: Path, read_page: Callable[[Path], Any]) -> None:
    names = ["forest", "differences", "matrix_region_auroc", "matrix_scan_auroc", "training"]
    for name in names:
        for ending in ("png", "svg"):
            assert (study / "figures" / f"{name}.{ending}").stat().st_size > 0
    page = read_page(study / "summary.html")
    assert len([link for link in page.links if link.startswith("data:")]) == len(names)
    source = (study / "summary.md").read_text(encoding="utf-8")
    assert all(f"figures/{name}.png" in source for name in names)
    with (study / "tables" / "overview.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["Pooling"]: row for row in csv.DictReader(file)}
    found = StudyResults.read(study)
    mean = found.means["top k",]["scan_auroc", "scan/any"]
    keys = [name for _, name in found.overview]
    assert float(rows["top k"][f"{keys[0]}, sd"]) > 0 and mean.seeds == 2
    assert rows["mean"][f"{keys[0]}, mean"] == ""


def test_a_study_of_which_nothing_has_finished(
    runs: ModuleType, tmp_path: Path, read_page: Callable[[Path], Any]
) -> None:
    folder = runs.write_study(tmp_path / "s", {"damil": 0.6}, seeds=2)
    page = read_page(write_study_summary(folder))
    assert "No cell has finished yet" in page.text
    assert not [link for link in page.links if link.startswith("data:")]
    assert [row["State"] for row in table_of(page, "State")] == ["not finished", "failed"]
    for name in ("results", "means", "comparisons"):
        (folder / f"{name}.csv").unlink()
    assert "No cell has finished yet" in read_page(write_study_summary(folder)).text


def test_metrics_that_were_asked_for(
    runs: ModuleType, tmp_path: Path, read_page: Callable[[Path], Any]
) -> None:
    from crossdl.study.files import read_study

    one = runs.write_study(tmp_path / "t", {"damil": 0.6, "max": 0.8, "mean": 0.7}, seeds=1)
    write_json(one / "study.json", {**read_study(one).to_json(), "metrics": ["region/any/brain_*"]})
    name = "region/any/brain_stem"
    assert StudyResults.read(one).overview == [("region_auroc", name)]
    page = read_page(write_study_summary(one))
    row = table_of(page, "Seeds")[0]
    estimate = StudyResults.read(one).estimates[("damil",), 0]["region_auroc", name]
    assert row["Seeds"] == "1 of 1"
    assert row[metric_title(name, load_anatomy("head_ct"))] == estimate_text(estimate)


def test_a_folder_without_a_study(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no study"):
        write_study_summary(tmp_path)
