"""Runs side by side: settings, metrics, paired differences, and the page of them."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.catalog import default_catalog
from crossdl.errors import ConfigError, InputError
from crossdl.results.comparison import (
    FinishedRun,
    compare_runs,
    different_settings,
    read_runs,
    short_names,
)
from crossdl.results.comparison_page import comparison_tables, shared_text, write_comparison

JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)
CONFIG = st.dictionaries(st.sampled_from("abc"), JSON)


@pytest.fixture(scope="module")
def three(runs: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[FinishedRun]:
    """A good run, a bad one with fewer scans of which one is another head, and a fair one."""
    folder = tmp_path_factory.mktemp("runs")
    bad = runs.make_lines(noise=0.9, seed=2)[:-4]
    bad[3]["fingerprint"] = "another head"
    written = [
        runs.write_run(folder / "good", runs.make_lines(noise=0.6), analyzer={"epochs": 3}),
        runs.write_run(folder / "bad", bad, analyzer={"epochs": 3, "pooling": "max"}),
        runs.write_run(folder / "fair", runs.make_lines(noise=0.7, seed=3), seed=1),
    ]
    return read_runs(written)


def test_scans_metrics_and_differences(three: list[FinishedRun]) -> None:
    found = compare_runs(three, default_catalog())
    assert len(found.shared.scans) == 35 and found.shared.different == ("s03",)
    assert "35 test scans are common" in shared_text(found) and "1 more" in shared_text(found)
    key = ("region_auroc", "region/micro")
    bad, fair = found.differences["bad"][key], found.differences["fair"][key]
    assert bad.difference is not None and fair.difference is not None
    assert bad.difference < fair.difference < 0
    every = [c for run in found.differences.values() for c in run.values()]
    least = min(c.p for c in every if c.p is not None)
    tests = sum(c.p is not None for c in every)
    assert min(c.p_corrected for c in every if c.p_corrected is not None) == pytest.approx(
        min(1, least * tests)
    )
    micro = found.evaluations["bad"]["region_auroc"].metrics["region/micro"]
    assert bad.first == micro.value and micro.n < three[0].metrics[key[0]][key[1]].n
    assert found.settings["analyzer.epochs"] == ["3", "3", None]
    assert found.settings["analyzer.pooling"] == [None, '"max"', None]
    assert found.settings["seed"] == ["0", "0", "1"]
    assert "name" not in found.settings and "anatomy" not in found.settings


def test_more_resamples_and_chosen_metrics(three: list[FinishedRun]) -> None:
    found = compare_runs(three[:2], default_catalog(), patterns=("scan/a*",), n_resamples=150)
    assert found.keys == [("scan_auroc", "scan/any")]
    assert found.evaluations["good"]["scan_auroc"].drawn["scan/any"].values.size == 151
    with pytest.raises(ConfigError, match=r"no metric fits scan/z\*"):
        compare_runs(three[:2], default_catalog(), patterns=("scan/z*",))


def test_without_common_scans_nothing_is_paired(
    runs: ModuleType, three: list[FinishedRun], tmp_path: Path, read_page: Callable[[Path], Any]
) -> None:
    lines = [{**line, "fingerprint": "other"} for line in runs.make_lines(seed=5)]
    other = runs.write_run(tmp_path / "other", lines)
    found = compare_runs(read_runs([three[0].folder, other]), default_catalog())
    assert not found.differences and not found.shared.scans
    assert "no scan in common" in shared_text(found)
    assert [table.name for table in comparison_tables(found)] == [
        "metrics", "settings", "settings_of_some", "provenance",
    ]  # fmt: skip
    page = read_page(write_comparison(tmp_path / "out", found))
    assert "no scan in common" in page.text and "p (Holm)" not in page.text


def test_other_regions_are_not_paired(
    runs: ModuleType, three: list[FinishedRun], tmp_path: Path
) -> None:
    import crossdl

    text = (Path(crossdl.__file__).parent / "anatomies" / "head_ct.toml").read_text("utf-8")
    renamed = tmp_path / "other.toml"
    renamed.write_text(text.replace("brain_stem", "stem"), encoding="utf-8")
    other = runs.write_run(tmp_path / "other", runs.make_lines(), anatomy=str(renamed))
    found = compare_runs(read_runs([three[0].folder, other]), default_catalog())
    assert "different regions or types" in found.unpaired and not found.evaluations
    assert comparison_tables(found)[0].rows


def test_the_page(
    three: list[FinishedRun], tmp_path: Path, read_page: Callable[[Path], Any]
) -> None:
    found = compare_runs(three, default_catalog())
    page = read_page(write_comparison(tmp_path, found))
    assert "35 test scans are common" in page.text and "analyzer.pooling" in page.text
    assert len([link for link in page.links if link.startswith("data:")]) == 1
    for name in ("summary.md", "figures/roc.png", "figures/roc.svg"):
        assert (tmp_path / name).stat().st_size > 0
    with (tmp_path / "tables" / "differences.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    [row] = [r for r in rows if r["metric"] == "region/micro" and r["run"] == "bad"]
    exact = found.differences["bad"]["region_auroc", "region/micro"]
    assert float(row["difference"]) == exact.difference and float(row["p"]) == exact.p
    assert row["p_holm"] and row["method"].startswith("paired bootstrap")
    with (tmp_path / "tables" / "metrics.csv").open(encoding="utf-8", newline="") as file:
        names = {(r["run"], r["metric"]) for r in csv.DictReader(file)}
    assert len(names) == sum(len(m) for run in three for m in run.metrics.values())


def test_folders_that_are_no_finished_runs(three: list[FinishedRun], tmp_path: Path) -> None:
    good = three[0].folder
    with pytest.raises(InputError, match="two or more"):
        read_runs([good])
    with pytest.raises(InputError, match="given twice"):
        read_runs([good, good / ".." / "good"])
    with pytest.raises(InputError, match=r"is not a run \(it has no config.json\)"):
        read_runs([good, tmp_path])
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="has not finished"):
        read_runs([good, tmp_path])
    (tmp_path / "metrics.json").write_text('{"a": {"b": 3}}', encoding="utf-8")
    with pytest.raises(InputError, match="damaged"):
        read_runs([good, tmp_path])
    (tmp_path / "study.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is a study"):
        read_runs([good, tmp_path])


def test_an_unknown_evaluator_names_the_registry(
    runs: ModuleType, three: list[FinishedRun], tmp_path: Path
) -> None:
    own = [{"kind": "mine"}]
    folders = [runs.write_run(tmp_path / n, runs.make_lines(), evaluators=own) for n in "ab"]
    for folder in folders:
        (folder / "metrics.json").write_text('{"mine": {"x": {"value": 1.0}}}', encoding="utf-8")
    with pytest.raises(ConfigError, match="--registry"):
        compare_runs(read_runs(folders), default_catalog())


def test_short_names_differ() -> None:
    assert short_names([Path("/r/a"), Path("/r/b")]) == ["a", "b"]
    assert short_names([Path("/r/s/cells/a"), Path("/r/t/cells/a")]) == ["s/cells/a", "t/cells/a"]


@given(CONFIG, CONFIG)
def test_settings_differ_exactly_where_configurations_do(one: Any, two: Any) -> None:
    assert different_settings([one, one]) == {}
    found = different_settings([one, two])
    assert bool(found) == (one != two)
    assert all(a != b for a, b in found.values())
