"""Tables of a study from its runs' files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.evaluation.lines import evaluation_set, prediction_line
from crossdl.files import write_json, write_text
from crossdl.results.metrics import metrics_json
from crossdl.statistics.multiplicity import holm
from crossdl.study.files import Axis, Cell, StudyFile, read_table
from crossdl.study.tables import cell_folder, write_tables
from crossdl.types import Grid, Prediction, ScanRecord

ANATOMY = load_anatomy("head_ct")
N, M = ANATOMY.n_regions, ANATOMY.n_types
SCANS = 40
STUDY = StudyFile(
    name="s",
    description="",
    scale=None,
    axes=(Axis("analyzer.skill", "Skill", ("low", "high", "higher")),),
    seeds=(0, 1),
    metrics=("scan/any", "scan/intra_*"),
    threads=1,
    confidence=0.95,
    cells=tuple(
        Cell(f"{value}_seed{seed}", (value,), seed, "")
        for value in ("low", "high", "higher")
        for seed in (0, 1)
    ),
    versions={},
)


@pytest.fixture
def evaluators() -> dict[str, Any]:
    catalog = default_catalog()
    config = catalog.parse("evaluator", {"kind": "scan_auroc", "n_resamples": 100})
    return {"scan_auroc": catalog.create("evaluator", config, ANATOMY)}


def write_run(
    folder: Path, skill: float, seed: int, scans: range, evaluators: dict[str, Any]
) -> dict[str, tuple[float, bool]]:
    """A finished run; returns scan → score and truth of any abnormality."""
    lines, known = [], {}
    for i in scans:
        truth = (np.random.default_rng([9, i]).random((N + 2, M)) < 0.008).astype(np.float32)
        noise = np.random.default_rng([seed, i]).random(M).astype(np.float32)
        said = np.float32(skill) * truth.max(axis=0) + np.float32(1 - skill) * noise
        empty = np.zeros((N, 1, 1, 1), np.float32)
        grid = Grid((1, 1, 1), np.eye(4))
        region = np.zeros((N, M), np.float32)
        made = Prediction(empty, empty[:M], grid, region, said)
        record = ScanRecord(f"s{i}", f"p{i // 2}", "test")
        line = prediction_line(record, truth, "gold", made, {})
        lines.append({**line, "fingerprint": f"f{i}"})
        known[record.scan_id] = (float(said.max()), bool(truth.any()))
    text = "".join(json.dumps(line) + "\n" for line in lines)
    write_text(folder / "predictions.jsonl", text)
    found = {k: e.evaluate(evaluation_set(lines), 0) for k, e in evaluators.items()}
    write_json(folder / "metrics.json", metrics_json(found))
    return known


def auroc(known: dict[str, tuple[float, bool]], scans: set[str]) -> float:
    scores, truth = zip(*(known[scan] for scan in sorted(scans)), strict=True)
    return float(roc_auc_score(truth, scores))


def test_means_and_paired_differences(tmp_path: Path, evaluators: dict[str, Any]) -> None:
    skill = {"low": 0.1, "high": 0.3, "higher": 0.4}
    known = {}
    for cell in STUDY.cells:
        if cell.slug == "higher_seed1":
            continue  # failed
        scans = range(4, SCANS) if cell.values == ("high",) else range(SCANS)
        run = cell_folder(tmp_path, cell.slug)
        known[cell.slug] = write_run(run, skill[cell.values[0]], cell.seed, scans, evaluators)
    write_tables(tmp_path, STUDY, evaluators)

    results = read_table(tmp_path, "results")
    assert {row["slug"] for row in results} == set(known)
    means = {(r["analyzer.skill"], r["metric"]): r for r in read_table(tmp_path, "means")}
    values = [float(r["value"]) for r in results if r["metric"] == "scan/any"]
    low = means["low", "scan/any"]
    assert float(low["mean"]) == pytest.approx(np.mean(values[:2])) and low["seeds"] == "2"
    assert float(low["sd"]) == pytest.approx(np.std(values[:2], ddof=1))
    assert means["higher", "scan/any"]["sd"] == "" and means["higher", "scan/any"]["seeds"] == "1"

    rows = read_table(tmp_path, "comparisons")
    assert [(r["analyzer.skill"], r["metric"]) for r in rows] == [
        (value, metric)
        for value in ("high", "higher")
        for metric in ("scan/intra_hyper", "scan/intra_hypo", "scan/any")
    ]
    shared = {f"s{i}" for i in range(4, SCANS)}
    (row,) = [r for r in rows if r["analyzer.skill"] == "high" and r["metric"] == "scan/any"]
    one, two = (
        np.mean([auroc(known[f"{value}_seed{seed}"], shared) for seed in (0, 1)])
        for value in ("low", "high")
    )
    assert (row["seeds"], row["scans"], row["patients"]) == ("2", "36", "18")
    assert float(row["reference"]) == pytest.approx(one)
    assert float(row["value"]) == pytest.approx(two)
    assert float(row["difference"]) == pytest.approx(two - one)
    assert float(row["low"]) <= two - one <= float(row["high"])
    (lone,) = [r for r in rows if r["analyzer.skill"] == "higher" and r["metric"] == "scan/any"]
    assert (lone["seeds"], lone["scans"]) == ("1", "40")  # the seed that both have
    for metric in {r["metric"] for r in rows}:  # each is a family of Holm's correction
        of = [r for r in rows if r["metric"] == metric]
        p = [float(r["p"]) if r["p"] else None for r in of]
        assert [float(r["p_holm"]) if r["p_holm"] else None for r in of] == holm(p)


def test_without_the_reference_nothing_is_compared(
    tmp_path: Path, evaluators: dict[str, Any]
) -> None:
    write_run(cell_folder(tmp_path, "high_seed0"), 0.3, 0, range(SCANS), evaluators)
    write_tables(tmp_path, STUDY, evaluators)
    assert read_table(tmp_path, "comparisons") == []
    assert {r["slug"] for r in read_table(tmp_path, "results")} == {"high_seed0"}


def test_two_axes_have_one_reference(tmp_path: Path, evaluators: dict[str, Any]) -> None:
    axes = (Axis("a", "A", ("x", "y")), Axis("b", "B", ("1", "2")))
    cells = tuple(Cell(f"{a}{b}", (a, b), 0, "") for a in "xy" for b in "12")
    for i, cell in enumerate(cells):
        write_run(cell_folder(tmp_path, cell.slug), 0.1 * i, i, range(SCANS), evaluators)
    study = replace(STUDY, axes=axes, cells=cells, seeds=(0,), metrics=("scan/any",))
    write_tables(tmp_path, study, evaluators)
    rows = read_table(tmp_path, "comparisons")
    assert [(r["a"], r["b"]) for r in rows] == [("x", "2"), ("y", "1"), ("y", "2")]
    assert len({r["reference"] for r in rows}) == 1
