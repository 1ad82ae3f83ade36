from __future__ import annotations

import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal

import pytest

from crossdl import labelled_rows
from crossdl.anatomy import load_anatomy
from crossdl.cli.discretize import discretize, discretize_file
from crossdl.errors import InputError
from crossdl.interfaces import DiscretizerConfig, ReportDiscretizer
from crossdl.labels import Level
from crossdl.plugins.discretizers.lexicon import LexiconConfig, LexiconDiscretizer
from crossdl.types import SentenceLabels

ANATOMY = load_anatomy("head_ct")
RULES = LexiconDiscretizer(LexiconConfig(), ANATOMY)


def _run(file: Path, out: Path, **options: Any) -> list[dict[str, Any]]:
    n = discretize_file(RULES, file, out, **options)
    entries = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(entries) == n
    return entries


def _positive(values: dict[str, float]) -> list[str]:
    return [name for name, p in values.items() if p == 1.0]


def test_sentences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a.txt"
    file.write_text("左侧额叶出血\n\nNo bleed\n", encoding="utf-8")
    entries = _run(file, tmp_path / "new" / "out.jsonl")
    assert [e["row"] for e in entries] == [0, 1, 2]
    assert [e["sentence"] for e in entries] == ["左侧额叶出血", "", "No bleed"]
    assert list(entries[0]) == ["row", "id", "sentence", "regions", "types"]
    assert tuple(entries[0]["regions"]) == ANATOMY.label_names
    assert tuple(entries[0]["types"]) == ANATOMY.type_names
    assert _positive(entries[0]["regions"]) == ["left_frontal_lobe"]
    assert _positive(entries[0]["types"]) == ["intra_hyper"]
    assert not _positive(entries[1]["regions"]) and not _positive(entries[2]["types"])
    assert "1 empty row(s), labelled with zeros: 1" in capsys.readouterr().err


def test_findings(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    text = "左侧额叶出血。右侧顶叶见低密度影。脑室正常。"
    file.write_text(json.dumps({"id": "r1", "findings": text}) + "\n", encoding="utf-8")
    (entry,) = _run(file, tmp_path / "out.jsonl")
    assert entry["id"] == "r1" and entry["findings"] == text
    expected: list[tuple[str, list[str], list[str]]] = [
        ("左侧额叶出血", ["left_frontal_lobe"], ["intra_hyper"]),
        ("右侧顶叶见低密度影", ["right_parietal_lobe"], ["intra_hypo"]),
        ("脑室正常", [], []),
    ]
    for sentence, (words, regions, types) in zip(entry["sentences"], expected, strict=True):
        assert list(sentence) == ["text", "start", "end", "regions", "types"]
        assert sentence["text"] == text[sentence["start"] : sentence["end"]] == words
        assert (sentence["regions"], sentence["types"]) == (regions, types)
    assert tuple(entry["matrix"]) == ANATOMY.label_names
    cells = {(r, t) for r, row in entry["matrix"].items() for t, p in row.items() if p}
    assert cells == {("left_frontal_lobe", "intra_hyper"), ("right_parietal_lobe", "intra_hypo")}
    assert _positive(entry["regions"]) == ["left_frontal_lobe", "right_parietal_lobe"]
    assert _positive(entry["types"]) == ["intra_hyper", "intra_hypo"]


def test_order_is_kept_over_chunks_and_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(labelled_rows, "ROWS", 3)
    rows = [
        {"sentence" if i % 2 else "findings": "左侧额叶出血" if i % 3 else "脑室正常"}
        for i in range(10)
    ]
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    entries = _run(file, tmp_path / "out.jsonl")
    assert [e["row"] for e in entries] == list(range(10))
    for i, (entry, row) in enumerate(zip(entries, rows, strict=True)):
        assert entry.items() >= row.items()
        assert ("matrix" in entry) == (i % 2 == 0)
        assert bool(_positive(entry["regions"])) == bool(i % 3)


def test_gb18030_table(tmp_path: Path) -> None:
    file = tmp_path / "reports.csv"
    file.write_bytes("id,所见\n1,左侧额叶出血。\n".encode("gb18030"))
    out = tmp_path / "out.jsonl"
    with pytest.raises(InputError, match="reads as GB18030: pass --encoding gb18030"):
        _run(file, out, column="所见")
    assert not out.exists()
    (entry,) = _run(file, out, column="所见", encoding="gb18030")
    assert _positive(entry["regions"]) == ["left_frontal_lobe"]


class FailingConfig(DiscretizerConfig):
    kind: Literal["failing"] = "failing"


class Failing(ReportDiscretizer[FailingConfig]):
    """Fails at some sentences."""

    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        if any("bad" in sentence for sentence in sentences):
            raise RuntimeError("out of memory")
        return RULES.label(sentences)


def test_rows_that_cannot_be_labelled_are_listed_and_the_others_labelled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "a.txt", tmp_path / "out.jsonl"
    file.write_text("Edema of the pons\nbad\nno bleed\n", encoding="utf-8")
    assert discretize_file(Failing(FailingConfig(), ANATOMY), file, out) == 2
    entries = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert entries[1] == {
        "row": 1, "id": None, "error": "cannot be labelled (RuntimeError: out of memory)"
    }  # fmt: skip
    assert _positive(entries[0]["regions"]) == ["brain_stem"] and entries[2]["row"] == 2
    assert "1 row(s) without labels: 1: cannot be labelled" in capsys.readouterr().err


def test_a_discretizer_that_always_fails_leaves_the_old_output(tmp_path: Path) -> None:
    file, out = tmp_path / "a.txt", tmp_path / "out.jsonl"
    file.write_text("Edema of the pons\n", encoding="utf-8")
    _run(file, out)
    before = out.read_bytes()
    file.write_text("no bleed\n" + "".join(f"bad {i}\n" for i in range(30)), encoding="utf-8")
    with pytest.raises(RuntimeError, match="out of memory"):
        discretize_file(Failing(FailingConfig(), ANATOMY), file, out)
    assert out.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "out.jsonl"]


def test_bad_rows_stop_before_anything_is_written_or_are_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "a.csv", tmp_path / "out.jsonl"
    rows = ["findings", "左侧额叶出血，中线居中。", "右侧枕叶出血。", "", "左额叶\x00出血"]
    parts = [row.encode("gb18030" if i == 2 else "utf-8") for i, row in enumerate(rows)]
    parts[3] = b'""'
    file.write_bytes(b"\n".join(parts))
    with pytest.raises(InputError, match=r"line 3 is not UTF-8 .* --encoding utf-8,gb18030"):
        discretize_file(RULES, file, out)
    assert not out.exists()
    assert discretize_file(RULES, file, out, skip_bad_rows=True) == 3
    entries = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [entry["row"] for entry in entries] == [0, 1, 2, 3]
    assert "line 3 is not UTF-8" in entries[1]["error"] and "matrix" not in entries[1]
    assert not any(v for row in entries[2]["matrix"].values() for v in row.values())
    assert _positive(entries[3]["regions"]) == ["left_frontal_lobe"]
    err = capsys.readouterr().err
    for words in ("1 empty row(s)", "1 row(s) with control", "1 row(s) without labels: 1: line 3"):
        assert words in err


def test_a_megabyte_report_is_one_row_among_others(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    text = "左侧额叶出血，右侧2.5cm。脑室正常；" * 50_000
    file.write_text(f"findings\n{text}\n脑室正常\n", encoding="utf-8")
    entries = _run(file, tmp_path / "out.jsonl")
    assert len(entries) == 2 and len(entries[0]["sentences"]) == 150_000


class WholeConfig(DiscretizerConfig):
    kind: Literal["whole"] = "whole"


class Whole(ReportDiscretizer[WholeConfig]):
    """Labels reports, not sentences."""

    @property
    def level(self) -> Level:
        return "report"

    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        return RULES.label(sentences)


def test_whole_reports_have_no_matrix(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out, page = tmp_path / "a.csv", tmp_path / "out.jsonl", tmp_path / "page.html"
    file.write_text('findings\n左侧额叶出血。右枕叶低密度。\n""\n', encoding="utf-8")
    reader = Whole(WholeConfig(), ANATOMY)
    assert discretize_file(reader, file, out, explain=True, html=page) == 2
    entries = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    for entry in entries:
        assert list(entry) == ["row", "id", "findings", "regions", "types"]
    assert _positive(entries[0]["regions"]) == ["left_frontal_lobe", "right_occipital_lobe"]
    assert "L frontal lobe: 1.00" in capsys.readouterr().out
    assert "<table" not in page.read_text(encoding="utf-8")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    file = tmp_path / "a.jsonl"
    text = "所见：左侧额叶<b>出血。\x1b[31m左侧额叶、右枕叶见低密度影。印象：出血"
    rows = [{"id": "r1", "findings": text}, {"findings": "脑室正常。"}, {"findings": "左额叶出血"}]
    file.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return file


def test_explain(two: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert discretize_file(RULES, two, None, explain=True, limit=2) == 2
    printed = capsys.readouterr()
    assert "[1]左侧额叶<b>出血 (L frontal lobe)。" in printed.out
    assert "\x1b" not in printed.out
    lines = [" ".join(line.split()) for line in printed.out.splitlines()]
    assert "R occipital lobe Intraparenchymal hypodensity [2]" in lines
    assert "only the first 2 of 3 rows are printed" in printed.err


class _Tags(HTMLParser):
    """Attributes of all elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(dict(attrs))


def test_page_links_sentences_and_cells(two: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert discretize_file(RULES, two, None, html=page, limit=1) == 1
    text = page.read_text(encoding="utf-8")
    assert "Only the first 1 of 3 rows are shown" in text
    assert "http" not in text and "src=" not in text
    assert "额叶&lt;b&gt;出血" in text and "\x1b" not in text
    tags = _Tags(text).found
    of_cells = {
        (cell, tag["data-n"]) for tag in tags for cell in str(tag.get("data-cells", "")).split()
    }
    of_sentences = {
        (tag["data-cell"], n) for tag in tags for n in str(tag.get("data-from", "")).split()
    }
    assert of_cells == of_sentences and len(of_cells) == 3
    assert all("tabindex" in t for t in tags if "data-cells" in t or "data-cell" in t)


def test_impossible_outputs(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="is a folder"):
        _run(file, tmp_path)
    with pytest.raises(InputError, match="is the input itself"):
        _run(file, file)
    with pytest.raises(InputError, match=r"--html .* is the input itself"):
        discretize_file(RULES, file, None, html=file)


def test_command_uses_the_shipped_composition(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "a.txt", tmp_path / "out.jsonl"
    file.write_text("Edema of the pons", encoding="utf-8")
    discretize(file, out)
    with pytest.raises(InputError, match="nothing to write"):
        discretize(file)
    assert "1 row(s) labelled" in capsys.readouterr().out
    assert _positive(json.loads(out.read_text(encoding="utf-8"))["regions"]) == ["brain_stem"]
