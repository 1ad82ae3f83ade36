"""Metrics for programs and in words, and the terminal's table."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from rich.console import Console

from crossdl.anatomy import load_anatomy
from crossdl.evaluation.cases import Estimate, Evaluation
from crossdl.files import write_json
from crossdl.results.metrics import (
    headline,
    interval_title,
    metric_title,
    metrics_json,
    read_metrics,
    results_table,
)

HEAD = load_anatomy("head_ct")
REGION, PART, KIND = HEAD.regions[0], HEAD.parts[0], HEAD.types[0]


def make_evaluations() -> dict[str, Evaluation]:
    metrics = {
        "region/micro": Estimate(0.9123456789, 0.85, 0.95, 100, 12),
        f"region/type/{KIND.name}": Estimate(None, None, None, 20, 0),
        f"region/part/{PART}": Estimate(0.7, None, None, 20, 1),
        f"region/cell/{REGION.name}/{KIND.name}": Estimate(0.111, 0.1, 0.2, 5, 2),
    }
    return {
        "region_auroc": Evaluation(metrics),
        "scan_auroc": Evaluation({"scan/any": Estimate(np.float64(0.5), 0.4, 0.6, 9, 3)}),
    }


def test_metric_titles_speak_the_anatomys_words() -> None:
    assert metric_title("region/micro", HEAD) == "Region, micro"
    assert metric_title(f"region/type/{KIND.name}", HEAD).lower() == f"region, {KIND.title}".lower()
    assert HEAD.regions[0].part_title in metric_title(f"region/part/{PART}", HEAD)
    assert REGION.title in metric_title(f"region/cell/{REGION.name}/{KIND.name}", HEAD)
    assert metric_title(f"f1/region/{REGION.name}", HEAD) == f"F1, {REGION.title}"
    assert metric_title(f"f1/region/{HEAD.label_names[-1]}", HEAD) == f"F1, {HEAD.unclear.title}"
    assert metric_title("worklist/median_rank", HEAD) == "Worklist, median rank"


def test_headline_leaves_single_regions_and_diseases_out() -> None:
    found = headline(make_evaluations()["region_auroc"].metrics, HEAD)
    assert found == ["region/micro", f"region/type/{KIND.name}"]
    some = ["worklist/any_finding/median_rank", "worklist/disease/infarct/median_rank"]
    assert headline(some, HEAD) == some[:1]
    assert headline(["f1/micro", *(f"f1/region/{x}" for x in HEAD.label_names)], HEAD) == [
        "f1/micro"
    ]


def test_metrics_are_exact_ordered_and_have_no_nan(tmp_path: Path) -> None:
    found = metrics_json(make_evaluations())
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found
    assert list(again["region_auroc"]) == list(make_evaluations()["region_auroc"].metrics)
    assert again["region_auroc"]["region/micro"] == {
        "value": 0.9123456789, "low": 0.85, "high": 0.95, "n": 100, "positives": 12,
    }  # fmt: skip
    assert again["region_auroc"][f"region/type/{KIND.name}"]["value"] is None
    write_json(tmp_path / "metrics.json", found)
    read = read_metrics(tmp_path / "metrics.json")
    assert read == {kind: dict(e.metrics) for kind, e in make_evaluations().items()}


def test_terminal_table_has_headlines_and_dashes() -> None:
    console = Console(file=io.StringIO(), width=120)
    found = make_evaluations()
    console.print(results_table(found, HEAD, dict.fromkeys(found, ("*",))))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    assert "0.912" in rows["Region, micro"] and "0.850 - 0.950" in rows["Region, micro"]
    undefined = [c.strip() for c in rows[metric_title(f"region/type/{KIND.name}", HEAD)].split("│")]
    assert undefined[2:6] == ["-", "-", "20", "0"]
    assert "0.111" not in text


def test_terminal_table_shows_what_an_evaluator_wants_shown() -> None:
    found = make_evaluations()
    table = results_table(found, HEAD, dict.fromkeys(found, ("*/micro",)))
    titles = [str(cell).strip() for cell in table.columns[0].cells]
    assert "Region, micro" in titles
    assert metric_title(f"region/type/{KIND.name}", HEAD) not in titles


def test_intervals_are_named_only_where_all_are_of_one_kind() -> None:
    assert interval_title({"evaluators": [{"confidence": 0.9}, {}]}) == "90 % CI"
    assert interval_title({"evaluators": [{"confidence": 0.9}, {"confidence": 0.8}]}) == "Interval"
    assert interval_title({}) == "Interval"
