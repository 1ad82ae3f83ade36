"""The page of a run: HTML, Markdown and tables say the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from crossdl.anatomy import load_anatomy
from crossdl.evaluation.cases import Estimate, Evaluation
from crossdl.figures import heat_map, training_curves
from crossdl.files import write_json
from crossdl.interfaces import FitResult
from crossdl.results.pictures import save_figures, save_picture
from crossdl.results.run import cohort_flow, write_summary
from crossdl.runner import Failure
from crossdl.types import ScanRecord

HEAD = load_anatomy("head_ct")
REGION, PART, KIND = HEAD.regions[0], HEAD.parts[0], HEAD.types[0]


def make_evaluations() -> dict[str, Evaluation]:
    figure = heat_map(np.array([[0.9, np.nan]]), ["a"], ["b", "c"], title="t", label="AUROC")
    metrics = {
        "region/micro": Estimate(0.9123456789, 0.85, 0.95, 100, 12),
        f"region/type/{KIND.name}": Estimate(None, None, None, 20, 0),
        f"region/cell/{REGION.name}/{KIND.name}": Estimate(0.111, 0.1, 0.2, 5, 2),
    }
    table = pd.DataFrame(
        [["0.9 <i>", "-"]], index=pd.Index(["a|b"], name="Region"), columns=["x", "y"]
    )
    return {
        "region_auroc": Evaluation(metrics, {"cells": table}, {"cells": figure}),
        "scan_auroc": Evaluation({"scan/any": Estimate(np.float64(0.5), 0.4, 0.6, 9, 3)}),
    }


def test_flow_counts_each_split() -> None:
    records = [
        ScanRecord("a", "p", "train", "text"),
        ScanRecord("b", "p", "train"),
        ScanRecord("c", "q", "test", "text", np.zeros((1, 1), np.float32)),
    ]
    failures = [Failure("b", "discretize", "none"), Failure("b", "register", "again")]
    flow = cohort_flow(records, failures)
    assert list(flow) == ["train", "valid", "test"]
    assert flow["train"] == {
        "scans": 2, "patients": 1, "with report or labels": 1, "with gold labels": 0, "failed": 1,
    }  # fmt: skip
    assert flow["test"]["with gold labels"] == 1 and flow["valid"]["scans"] == 0


def write(folder: Path, **changes: object) -> Path:
    given: dict[str, object] = {
        "title": "demo <run>",
        "description": "A & B",
        "evaluations": make_evaluations(),
        "anatomy": HEAD,
        "truth_source": "gold",
        "failures": [Failure("scan-7", "register", "image <too> small")],
        "fit": FitResult(1, 0.25, ({"train/total": 1.0}, {"train/total": 0.5})),
        **changes,
    }
    path = write_summary(folder, **given)  # type: ignore[arg-type]
    assert path == folder / "summary.html"
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with figures and provenance."""
    save_figures(make_evaluations(), tmp_path / "figures")
    for name in ("training", *(f"example_{k}" for k in (1, 2, 10))):
        save_picture(training_curves([{"a": 1.0}]), tmp_path / "figures", name)
    evaluators = [{"kind": "region_auroc", "confidence": 0.9}]
    write_json(tmp_path / "config.json", {"seed": 41, "evaluators": evaluators})
    stages = [("Train", 5.0), ("Predict", 2.0), ("Train", 1.5)]
    write_json(
        tmp_path / "provenance.json",
        {
            "command": "crossdl run demo",
            "started": "2023-01-02 03:04:05 UTC",
            "machine": {"processor": "Z80", "cores": 3, "memory_gib": 0.1, "gpu": None},
            "versions": {"torch": "9.9.9", "git": "abc-dirty"},
            "data": {"scans": 7, "fingerprint": "f00"},
            "stages": [{"stage": s, "seconds": t, "ended": "-"} for s, t in stages],
        },
    )
    return tmp_path


SAID = (
    "demo <run>", "A & B", "Not for clinical use", "0.912", "0.850 - 0.950", "90 % CI", "gold",
    "scan-7", "image <too> small", "9.9.9", "0.9 <i>", '"seed": 41', "epoch 2 of 2", "patients",
    "a|b", "Z80", "abc-dirty", "7 scans, fingerprint f00", "crossdl run demo", "6.500",
)  # fmt: skip


def test_page_shows_results_and_where_they_come_from(
    run: Path, read_page: Callable[[Path], Any]
) -> None:
    page = read_page(write(run, flow=cohort_flow([ScanRecord("a", "p", "train")], [])))
    for words in SAID:
        assert words in page.text, words
    assert "nan" not in page.text.lower().split() and "None" not in page.text
    images = [link for link in page.links if link.startswith("data:")]
    assert len(images) == 5
    assert page.text.index("Example 1") < page.text.index("Example 3")


def test_markdown_says_the_same(run: Path, read_page: Callable[[Path], Any]) -> None:
    page = read_page(write(run))
    source = (run / "summary.md").read_text(encoding="utf-8")
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(source)
    text = "\n".join(
        "".join(c.content for c in t.children) if t.children else t.content for t in tokens
    )
    for words in SAID:
        assert words in text, words
    assert "<i>" not in MarkdownIt("commonmark").enable("table").render(source)
    images = [c.attrs["src"] for t in tokens for c in t.children or () if c.type == "image"]
    assert len(images) == 5
    assert all((run / str(image)).is_file() for image in images)
    tables: list[list[list[str]]] = []
    for token, inline in zip(tokens, [*tokens[1:], tokens[-1]], strict=True):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type in ("td_open", "th_open"):
            tables[-1][-1].append("".join(c.content for c in inline.children or ()))
    assert tables == page.tables


def test_every_table_is_a_file_with_exact_numbers(run: Path) -> None:
    write(run)

    def rows(name: str) -> list[list[str]]:
        with (run / "tables" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))

    metrics = rows("region_auroc_metrics")
    assert metrics[0] == ["metric", "measure", "value", "low", "high", "n", "positives"]
    assert metrics[1] == ["region/micro", "Region, micro", "0.9123456789", "0.85", "0.95", "100",
                          "12"]  # fmt: skip
    assert metrics[2][2:5] == ["", "", ""]
    assert metrics[3][0] == f"region/cell/{REGION.name}/{KIND.name}"
    assert rows("region_auroc_cells") == [["Region", "x", "y"], ["a|b", "0.9 <i>", "-"]]
    assert rows("failures")[1] == ["scan-7", "register", "image <too> small"]
    assert rows("training") == [["epoch", "train/total"], ["1", "1.0"], ["2", "0.5"]]
    assert rows("stages")[1:] == [["Train", "6.5", "2"], ["Predict", "2.0", "1"]]


def test_the_gallery_is_linked_where_it_is(run: Path, read_page: Callable[[Path], Any]) -> None:
    assert "crossdl qc" in read_page(write(run)).text
    (run / "qc").mkdir()
    (run / "qc" / "gallery.html").write_text("<html></html>", encoding="utf-8")
    assert "qc/gallery.html" in read_page(write(run)).links
    assert "](<qc/gallery.html>)" in (run / "summary.md").read_text(encoding="utf-8")


def test_the_same_run_gives_the_same_page(run: Path) -> None:
    first = write(run).read_bytes(), (run / "summary.md").read_bytes()
    assert (write(run).read_bytes(), (run / "summary.md").read_bytes()) == first


def test_page_of_a_bare_folder(tmp_path: Path, read_page: Callable[[Path], Any]) -> None:
    page = read_page(write(tmp_path, failures=[], evaluations=MappingProxyType({}), fit=None))
    assert not [link for link in page.links if not link.startswith("#")]
    assert "No item failed" in page.text and "Training" not in page.text
    assert json.dumps({}) in page.text
    made = sorted(p.name for p in tmp_path.iterdir())
    assert made == ["summary.html", "summary.md"]
