"""``crossdl discretizer`` as a user runs it, from reports to gold labels."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from typer.testing import CliRunner

from crossdl.cli import app, discretizer_sample
from crossdl.errors import CrossDLError, InputError
from crossdl.labels import load_labels
from crossdl.text import trained
from crossdl.text.labelled import read_labelled
from crossdl.types import SentenceLabels

HEAD = load_labels("head_ct")
REPORTS = [
    {"findings": "左侧额叶出血。脑室正常。"},
    {"findings": "左侧额叶出血。右侧顶叶见低密度影，直径3mm。"},
    {"findings": "No midline shift. Left frontal haemorrhage. Sulci are normal."},
]


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    path = tmp_path / "reports.jsonl"
    path.write_text("\n".join(map(json.dumps, REPORTS)), encoding="utf-8")
    return path


def _run(*arguments: object, answers: str = "") -> str:
    done = CliRunner().invoke(app, ["discretizer", *map(str, arguments)], input=answers)
    if isinstance(done.exception, CrossDLError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_sample_is_drawn_again_the_same_and_never_twice(reports: Path, tmp_path: Path) -> None:
    first, second, rest = (tmp_path / f"{i}.jsonl" for i in range(3))
    said = _run("sample", reports, "--out", first, "-n", 2)
    _run("sample", reports, "--out", second, "-n", 2)
    assert first.read_bytes() == second.read_bytes() and "2 of 6 different" in said
    said = _run("sample", reports, "--out", rest, "--exclude", first)
    drawn = [row["sentence"] for path in (first, rest) for row in _rows(path)]
    assert len(drawn) == len(set(drawn)) == 6 and "fewer than the 300 wanted" in said
    counts = {row["sentence"]: row["count"] for row in (*_rows(first), *_rows(rest))}
    assert counts["左侧额叶出血"] == 2 and sum(counts.values()) == 7
    with pytest.raises(InputError, match="no text that is not labelled already"):
        _run("sample", reports, "--out", second, "--exclude", first, "--exclude", rest)


def test_suggestions_and_whole_reports(reports: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.jsonl"
    _run("sample", reports, "--out", out, "--suggest", "--discretizer", "demo")
    said = {row["sentence"]: row["suggestion"] for row in _rows(out)}
    assert said["左侧额叶出血"] == {"regions": ["left_frontal_lobe"], "types": ["intra_hyper"]}
    assert said["脑室正常"] == {"regions": [], "types": []}
    _run("sample", reports, "--out", out, "--level", "report", "-n", 1)
    (row,) = _rows(out)
    assert row["findings"] in {report["findings"] for report in REPORTS}


def test_the_least_sure_come_with_a_random_share(
    reports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Guessing:
        labels = HEAD

    def labelled(_: object, texts: list[str]) -> list[SentenceLabels]:
        regions = np.zeros((len(texts), len(HEAD.label_names)), dtype=np.float32)
        regions[:, 0] = [0.5 if "直径" in text else 0.01 for text in texts]
        return [SentenceLabels(tuple(texts), regions, np.zeros((len(texts), 4), dtype=np.float32))]

    monkeypatch.setattr(trained, "find_discretizer", lambda *_: Guessing())
    monkeypatch.setattr(discretizer_sample, "_labelled", labelled)
    out = tmp_path / "s.jsonl"
    arguments = ("--by", "uncertainty", "--discretizer", "x", "-n", 1, "--random-share", 0)
    _run("sample", reports, "--out", out, *arguments)
    (row,) = _rows(out)
    assert "直径" in row["sentence"] and (row["drawn"], row["bits"]) == ("uncertainty", 1.0)


def test_mistakes_of_sampling(reports: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.jsonl"
    for arguments, said in (
        (["--by", "uncertainty"], "--by uncertainty needs --discretizer"),
        (["--suggest"], "--suggest needs --discretizer"),
        (["--by", "uncertainty", "--discretizer", "demo"], "draw at random"),
        (["--discretizer", str(tmp_path)], r"no model\.json"),
        (["--exclude", "gone.jsonl"], "gone.jsonl"),
    ):
        with pytest.raises(InputError, match=said):
            _run("sample", reports, "--out", out, *arguments)
    with pytest.raises(InputError, match="nowhere"):
        _run("sample", "nowhere", "--out", out)
    with pytest.raises(InputError, match=r"ends in \.jsonl"):
        _run("sample", reports, "--out", tmp_path / "s.csv")
    assert not out.exists()


def test_from_sample_to_gold_in_the_terminal(reports: Path, tmp_path: Path) -> None:
    sample, anna, ben, gold = (tmp_path / f"{n}.jsonl" for n in ("s", "anna", "ben", "gold"))
    _run("sample", reports, "--out", sample, "-n", 3)

    def label(who: str, out: Path, answers: str) -> str:
        arguments = ("annotate", sample, "--annotator", who, "--out", out, "--terminal")
        return _run(*arguments, answers=answers)

    said = label("anna", anna, "1 q\n?\nnonsense\n\n-\n")
    assert "Not calcification" in said and "'nonsense' is no key" in said
    assert "2 of 3 answered" in said and "goes on with the 1 left" in said
    assert "3 of 3, 2 answered" in label("anna", anna, "0\n")
    # a place without type is doubted; back changes an answer; names do as well as keys
    said = label("ben", ben, "w\n<\nleft_frontal_lobe intra_hyper\n0\n0\n")
    assert "That is a place but no type" in said and "3 of 3 answered" in said
    page = tmp_path / "agree.html"
    said = _run("agree", anna, ben, "--html", page)
    assert "exactly the same answer: 66.7%" in said and "anna: not usable" in said
    assert "Left frontal lobe" in page.read_text(encoding="utf-8")
    arguments = ("adjudicate", anna, ben, "--annotator", "carl", "--out", gold, "--terminal")
    said = _run(*arguments, answers="")
    assert "2 agreed, 1 to decide" in said and len(_rows(gold)) == 2
    said = _run(*arguments, answers="2 c\n")
    assert "ben: nothing abnormal" in said and "1 of 1 answered" in said
    data = read_labelled(gold, HEAD)
    assert sorted(filter(None, data.annotators)) == ["anna+ben", "anna+ben", "carl"]
    assert data.types.sum(axis=0).tolist() == [1, 1, 0, 0]
    with pytest.raises(InputError, match="is one of the inputs"):
        _run("adjudicate", anna, ben, "--annotator", "x", "--out", anna)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_ends_the_web_form_cleanly(reports: Path, tmp_path: Path) -> None:
    sample, out = tmp_path / "s.jsonl", tmp_path / "anna.jsonl"
    _run("sample", reports, "--out", sample)
    command = [sys.executable, "-m", "crossdl", "discretizer", "annotate", str(sample)]
    command += ["--annotator", "anna", "--out", str(out), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8"
    ) as form:
        assert form.stdout is not None
        url = form.stdout.readline().split()[-1]
        assert url.startswith("http://127.0.0.1:")
        with urlopen(url + "1", data=b"action=nothing", timeout=30) as reply:
            assert "1 of 6 answered" in reply.read().decode()
        form.send_signal(signal.SIGINT)
        said, errors = form.communicate(timeout=30)
    assert (form.returncode, errors) == (0, "")
    assert "1 of 6 answered" in said and "goes on with the 5 left" in said
    assert len(_rows(out)) == 1
