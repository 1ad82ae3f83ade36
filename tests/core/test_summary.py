"""The run's summary: numbers for programs, the terminal's table, the self-contained page."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.evaluation.cases import Estimate, Evaluation
from crossdl.figures import heat_map, training_curves
from crossdl.files import write_json
from crossdl.interfaces import FitResult
from crossdl.runner import Failure
from crossdl.summary import (
    cohort_flow,
    headline,
    metric_title,
    metrics_json,
    results_table,
    save_figures,
    write_summary,
)
from crossdl.types import ScanRecord

HEAD = load_anatomy("head_ct")
REGION, PART, KIND = HEAD.regions[0], HEAD.parts[0], HEAD.types[0]
VOID = {"meta", "img", "br", "link", "input", "hr"}


def make_evaluations() -> dict[str, Evaluation]:
    figure = heat_map(np.array([[0.9, np.nan]]), ["a"], ["b", "c"], title="t", label="AUROC")
    metrics = {
        "region/micro": Estimate(0.9123456789, 0.85, 0.95, 100, 12),
        f"region/type/{KIND.name}": Estimate(None, None, None, 20, 0),
        f"region/part/{PART}": Estimate(0.7, None, None, 20, 1),
        f"region/cell/{REGION.name}/{KIND.name}": Estimate(0.111, 0.1, 0.2, 5, 2),
    }
    table = pd.DataFrame(
        [["0.9 <i>", "-"]], index=pd.Index(["a"], name="Region"), columns=["x", "y"]
    )
    return {
        "region_auroc": Evaluation(metrics, {"cells": table}, {"cells": figure}),
        "scan_auroc": Evaluation({"scan/any": Estimate(np.float64(0.5), 0.4, 0.6, 9, 3)}),
    }


def test_metric_titles_speak_the_anatomys_words() -> None:
    assert metric_title("region/micro", HEAD) == "Region, micro"
    assert metric_title(f"region/type/{KIND.name}", HEAD).lower() == f"region, {KIND.title}".lower()
    assert HEAD.regions[0].part_title in metric_title(f"region/part/{PART}", HEAD)
    assert REGION.title in metric_title(f"region/cell/{REGION.name}/{KIND.name}", HEAD)
    assert metric_title("worklist/median_rank", HEAD) == "Worklist, median rank"


def test_headline_leaves_single_regions_out() -> None:
    found = headline(make_evaluations()["region_auroc"], HEAD)
    assert list(found) == ["region/micro", f"region/type/{KIND.name}"]


def test_metrics_are_exact_ordered_and_have_no_nan() -> None:
    found = metrics_json(make_evaluations())
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found
    assert list(again["region_auroc"]) == list(make_evaluations()["region_auroc"].metrics)
    assert again["region_auroc"]["region/micro"] == {
        "value": 0.9123456789, "low": 0.85, "high": 0.95, "n": 100, "positives": 12,
    }  # fmt: skip
    assert again["region_auroc"][f"region/type/{KIND.name}"]["value"] is None
    assert json.dumps(metrics_json(make_evaluations())) == json.dumps(found)


def test_terminal_table_has_headlines_and_dashes() -> None:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=120)
    console.print(results_table(make_evaluations(), HEAD))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    rows = {line.split("│")[1].strip(): line for line in text.splitlines() if "│" in line}
    assert "0.912" in rows["Region, micro"] and "0.850 - 0.950" in rows["Region, micro"]
    undefined = [c.strip() for c in rows[metric_title(f"region/type/{KIND.name}", HEAD)].split("│")]
    assert undefined[2:6] == ["-", "-", "20", "0"]
    assert "0.111" not in text


def test_figures_are_written_with_the_same_bytes_every_time(tmp_path: Path) -> None:
    one = save_figures(make_evaluations(), tmp_path / "one")
    two = save_figures(make_evaluations(), tmp_path / "two")
    assert [p.name for p in one] == ["region_auroc_cells.png"]
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]
    assert b"Software" not in one[0].read_bytes() and b"tIME" not in one[0].read_bytes()
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == ["region_auroc_cells.png"]


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


class Page(HTMLParser):
    """Collects text and links, and checks that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [v or "" for k, v in attrs if k in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def write(folder: Path, **changes: object) -> Page:
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
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder with figures and provenance."""
    save_figures(make_evaluations(), tmp_path / "figures")
    for name in ("training", "example_1"):
        training_curves([{"a": 1.0}]).savefig(tmp_path / "figures" / f"{name}.png")
    evaluators = [{"kind": "region_auroc", "confidence": 0.9}]
    write_json(tmp_path / "config.json", {"seed": 41, "evaluators": evaluators})
    write_json(tmp_path / "versions.json", {"torch": "9.9.9"})
    return tmp_path


def test_page_shows_results_and_where_they_come_from(run: Path) -> None:
    page = write(run, flow=cohort_flow([ScanRecord("a", "p", "train")], []))
    for words in (
        "demo <run>", "A & B", "Not for clinical use", "0.912", "0.850 - 0.950", "90 % CI", "gold",
        "scan-7", "image <too> small", "9.9.9", "0.9 <i>", '"seed": 41', "epoch 2 of 2", "patients",
    ):  # fmt: skip
        assert words in page.text, words
    assert "nan" not in page.text.lower().split() and "None" not in page.text


def test_page_needs_no_other_file(run: Path) -> None:
    page = write(run)
    assert len(page.links) == 3
    assert all(link.startswith("data:image/png;base64,") for link in page.links)
    assert "@import" not in page.text and "url(" not in page.text


def test_page_of_a_bare_folder(tmp_path: Path) -> None:
    page = write(tmp_path, failures=[], evaluations=MappingProxyType({}))
    assert page.links == []
    assert "No item failed" in page.text
    assert [p.name for p in tmp_path.iterdir()] == ["summary.html"]
