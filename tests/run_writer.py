"""Runs as ``crossdl run`` leaves them, without running anything."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.anatomy import load_anatomy
from crossdl.files import write_json, write_text

HEAD = load_anatomy("head_ct")
N, M = HEAD.n_regions, HEAD.n_types
EVALUATORS = [{"kind": k, "n_resamples": 60} for k in ("region_auroc", "scan_auroc")]


def make_lines(n: int = 40, noise: float = 0.5, seed: int = 1) -> list[dict[str, Any]]:
    """Scans of n / 2 patients; the truth is the same whatever noise and seed are."""
    rng = np.random.default_rng(0)
    truth = np.zeros((n, N + 2, M))
    truth[:, :N] = (rng.random((n, N, M)) < 0.1) & HEAD.possible
    truth[::3] = 0
    drawn = np.random.default_rng(seed).random((n, N, M))
    scores = truth[:, :N] * (1 - noise) + noise * drawn
    return [
        {
            "scan": f"s{i:02d}", "patient": f"p{i // 2:02d}", "truth_source": "gold",
            "truth": truth[i].tolist(), "reads": {}, "region_scores": scores[i].tolist(),
            "scan_scores": scores[i].max(axis=0).tolist(), "quality_ok": True, "measured": {},
            "fingerprint": f"voxels of {i}",
        }
        for i in range(n)
    ]  # fmt: skip


def write_run(folder: Path, lines: list[dict[str, Any]], **config: Any) -> Path:
    """A finished run's folder; ``config`` is added to ``config.json``."""
    from crossdl.catalog import Catalog
    from crossdl.evaluation.lines import evaluation_set
    from crossdl.results.metrics import metrics_json

    folder.mkdir(parents=True)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    write_text(folder / "predictions.jsonl", text)
    asked = {"name": folder.name, "anatomy": "head_ct", "seed": 0, "evaluators": EVALUATORS}
    write_json(folder / "config.json", asked | config)
    write_json(folder / "provenance.json", {"versions": {"git": "abc"}})
    history = [{"train/total": 1.0 / k, "valid/region": 1.2 / k} for k in (1, 2, 3)]
    fit = {"best_epoch": 2, "best_value": 0.4, "history": history}
    write_json(folder / "training.json", fit)
    catalog, found = Catalog(), {}
    for raw in EVALUATORS:
        made = catalog.create("evaluator", catalog.parse("evaluator", raw), HEAD)
        found[raw["kind"]] = made.evaluate(evaluation_set(lines), 0)
    write_json(folder / "metrics.json", metrics_json(found))
    return folder


def write_study(folder: Path, methods: dict[str, float], seeds: int = 2) -> Path:
    """A study of methods with different noise; the last cell has failed, the one before waits."""
    from crossdl.catalog import default_catalog
    from crossdl.study.files import Axis, Cell, CellFailure, StudyFile
    from crossdl.study.tables import write_tables

    axes = (Axis("analyzer.pooling", "Pooling", tuple(methods)),)
    cells = tuple(Cell(f"{m}_seed{s}", (m,), s, "") for m in methods for s in range(seeds))
    study = StudyFile(
        "poolings", "Which <one>?", "tiny", axes, tuple(range(seeds)), (), 1, 0.95, cells,
        {"git": "f00"},
    )  # fmt: skip
    for number, cell in enumerate(cells[:-2]):
        lines = make_lines(noise=methods[cell.values[0]], seed=10 + number)
        run = write_run(folder / "cells" / cell.slug, lines, seed=cell.seed)
        write_text(run / "summary.html", "<!DOCTYPE html>")
        stages = [{"stage": "Train", "seconds": 90.0, "ended": "-"}]
        data = {"scans": 40, "fingerprint": "d1g"}
        write_json(run / "provenance.json", {"stages": stages, "data": data, "versions": {}})
    write_json(folder / "study.json", study.to_json())
    failure = CellFailure(cells[-1].slug, "run", "worker <died>")
    write_json(folder / "failures.json", [asdict(failure)])
    catalog = default_catalog()
    configs = [catalog.parse("evaluator", raw) for raw in EVALUATORS]
    made = {c.kind: catalog.create("evaluator", c, HEAD) for c in configs}
    write_tables(folder, study, made)
    return folder
