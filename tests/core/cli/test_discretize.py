from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from crossdl.anatomy import load_anatomy
from crossdl.cli.discretize import discretize, discretize_file
from crossdl.errors import InputError
from crossdl.plugins.discretizers.lexicon import LexiconConfig, LexiconDiscretizer

MODULE = sys.modules[discretize.__module__]
ANATOMY = load_anatomy("head_ct")
RULES = LexiconDiscretizer(LexiconConfig(), ANATOMY)


def _run(file: Path, out: Path, **options: str | None) -> list[dict[str, Any]]:
    n = discretize_file(RULES, ANATOMY, file, out, options.get("column"), options.get("encoding"))
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
    assert entry["sentences"] == [
        {"text": "左侧额叶出血", "regions": ["left_frontal_lobe"], "types": ["intra_hyper"]},
        {"text": "右侧顶叶见低密度影", "regions": ["right_parietal_lobe"], "types": ["intra_hypo"]},
        {"text": "脑室正常", "regions": [], "types": []},
    ]
    assert tuple(entry["matrix"]) == ANATOMY.label_names
    cells = {(r, t) for r, row in entry["matrix"].items() for t, p in row.items() if p}
    assert cells == {("left_frontal_lobe", "intra_hyper"), ("right_parietal_lobe", "intra_hypo")}
    assert _positive(entry["regions"]) == ["left_frontal_lobe", "right_parietal_lobe"]
    assert _positive(entry["types"]) == ["intra_hyper", "intra_hypo"]


def test_order_is_kept_over_chunks_and_kinds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MODULE, "CHUNK", 3)
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


def test_a_failure_leaves_the_old_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, out = tmp_path / "a.txt", tmp_path / "out.jsonl"
    file.write_text("Edema of the pons\n" * 3, encoding="utf-8")
    _run(file, out)
    before = out.read_bytes()
    monkeypatch.setattr(MODULE, "CHUNK", 1)
    calls: list[int] = []

    def breaks(sentences: list[str]) -> Any:
        calls.append(len(sentences))
        if len(calls) > 3:
            raise RuntimeError("out of memory")
        return LexiconDiscretizer.label(RULES, sentences)

    monkeypatch.setattr(RULES, "label", breaks)
    with pytest.raises(RuntimeError):
        discretize_file(RULES, ANATOMY, file, out, None, None)
    assert out.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "out.jsonl"]


def test_impossible_outputs(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="is a folder"):
        _run(file, tmp_path)
    with pytest.raises(InputError, match="is the input itself"):
        _run(file, file)


def test_command_uses_the_shipped_composition(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "a.txt", tmp_path / "out.jsonl"
    file.write_text("Edema of the pons", encoding="utf-8")
    discretize(file, out)
    assert "1 row(s) labelled" in capsys.readouterr().out
    assert _positive(json.loads(out.read_text(encoding="utf-8"))["regions"]) == ["brain_stem"]
