"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def crossdl(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crossdl", *arguments],
        capture_output=True,
        encoding="utf-8",
        cwd=cwd,
        timeout=120,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "demoo"], ["no composition 'demoo'", "did you mean 'demo'"]),
        (["run", "demo", "--set", "analyzer.kind=unett"], ["unett", "did you mean 'unet'"]),
        (["run", "demo", "--set", "analyzer.epocs=3"], ["analyzer.epocs", "'epochs'"]),
        (["run", "demo", "--set", "analyzer.epochs=many"], ["analyzer.epochs", "integer"]),
        (["run", "demo", "--set", "seed"], ["--set seed", "path=value"]),
        (["run", "demo", "--registry", "none.toml"], ["none.toml", "no such registry file"]),
        (["predict", "nowhere", "--out", "OUT"], ["nowhere"]),
        (["segment", "nowhere", "--out", "OUT/regions.nii.gz"], ["nowhere"]),
        (["discretize", "nowhere.csv", "--out", "OUT/labels.jsonl"], ["nowhere.csv"]),
        (["list", "poolin"], ["poolin", "did you mean 'pooling'"]),
        (["show", "cohort/fantom"], ["fantom", "did you mean 'phantom'"]),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    result = crossdl(*arguments, cwd=tmp_path)
    assert result.returncode == 2, result.stdout + result.stderr
    assert "Traceback" not in result.stderr
    assert "error: " in result.stderr
    for word in words:
        assert word in result.stderr
    assert not list(tmp_path.iterdir()), "nothing may be left behind"


def test_a_folder_in_the_way_of_the_output_is_named(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("no acute abnormality\n", encoding="utf-8")
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = crossdl("discretize", "in.txt", "--out", "file/labels.jsonl", cwd=tmp_path)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "file" in result.stderr
