"""Paired differences of two runs on the scans they share."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crossdl.anatomy import load_anatomy
from crossdl.catalog import Catalog
from crossdl.errors import InputError
from crossdl.results.paired import (
    compare_methods,
    evaluate_scans,
    read_lines,
    read_valid,
    shared_scans,
)

HEAD = load_anatomy("head_ct")


@pytest.fixture(scope="module")
def evaluators(runs: ModuleType) -> dict[str, Any]:
    catalog = Catalog()
    configs = [catalog.parse("evaluator", raw) for raw in runs.EVALUATORS]
    return {c.kind: catalog.create("evaluator", c, HEAD) for c in configs}


def any_auroc(lines: list[dict[str, Any]]) -> float:
    truth = [np.max(line["truth"]) for line in lines]
    return float(roc_auc_score(truth, [max(line["scan_scores"]) for line in lines]))


def test_differences_are_those_of_the_aurocs(runs: ModuleType, evaluators: dict[str, Any]) -> None:
    good, bad = runs.make_lines(noise=0.55), runs.make_lines(noise=0.95, seed=2)
    names = [line["scan"] for line in good]
    one, two = (evaluate_scans(lines, names, evaluators, seed=3) for lines in (good, bad))
    found = compare_methods([one], [two], evaluators)
    assert list(found) == ["region_auroc", "scan_auroc"]
    scan = found["scan_auroc"]["scan/any"]
    assert scan.first == pytest.approx(any_auroc(good), abs=1e-12)
    assert scan.difference == pytest.approx(any_auroc(good) - any_auroc(bad), abs=1e-12)
    micro = found["region_auroc"]["region/micro"]
    assert micro.low is not None and 0 < micro.low < micro.difference < micro.high  # type: ignore[operator]
    assert micro.p is not None and micro.p < 0.05 and micro.patients == 20
    back = compare_methods([two], [one], evaluators)["region_auroc"]["region/micro"]
    assert (back.low, back.high) == pytest.approx((-micro.high, -micro.low))  # type: ignore[operator]


def test_a_run_does_not_differ_from_itself(runs: ModuleType, evaluators: dict[str, Any]) -> None:
    lines = runs.make_lines()
    found = evaluate_scans(lines, [line["scan"] for line in lines], evaluators, seed=0)
    same = compare_methods([found], [found, found], evaluators)["region_auroc"]["region/micro"]
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_trainings_are_averaged(runs: ModuleType, evaluators: dict[str, Any]) -> None:
    trainings = [runs.make_lines(noise=0.9, seed=k) for k in (4, 5)]
    other = runs.make_lines(noise=0.6)
    names = [line["scan"] for line in other]
    *many, one = (evaluate_scans(x, names, evaluators, seed=0) for x in (*trainings, other))
    found = compare_methods(many, [one], evaluators)["scan_auroc"]["scan/any"]
    assert found.first == pytest.approx(np.mean([any_auroc(x) for x in trainings]), abs=1e-12)


def test_only_the_same_scans_with_the_same_truth_are_shared(runs: ModuleType) -> None:
    one, two, three = (runs.make_lines(8, seed=k) for k in (1, 2, 3))
    two[1]["fingerprint"] = "another head"
    three[2]["truth"][0][0] = 1.0 - three[2]["truth"][0][0]
    three[3]["patient"] = "p99"
    del two[4]
    two.reverse()
    found = shared_scans([one, two, three])
    assert found.scans == ("s00", "s05", "s06", "s07")
    assert found.different == ("s01", "s02", "s03")


def test_unfinished_and_damaged_runs_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"predictions.jsonl: is missing; finish"):
        read_lines(tmp_path)
    assert read_valid(tmp_path) == []
    (tmp_path / "predictions.jsonl").write_text('{"scan": ', encoding="utf-8")
    with pytest.raises(InputError, match=r"predictions.jsonl: damaged"):
        read_lines(tmp_path)
    (tmp_path / "predictions.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="holds no scan"):
        read_lines(tmp_path)
