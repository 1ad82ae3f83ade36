"""``crossdl cohort`` as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crossdl.cli import main
from crossdl.ingest.rules import default_rules


def test_rules_are_printed_to_be_edited() -> None:
    command = [sys.executable, "-m", "crossdl", "cohort", "rules"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert (done.returncode, done.stdout) == (0, default_rules())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build", "--dicom", "gone", "--reports", "r.csv", "--out", "c"], "--dicom"),
        (
            ["build", "--dicom", ".", "--reports", "r.csv", "--out", "c", "--rules", "x.toml"],
            "x.toml",
        ),
        (["exclude", "gone", "drops.csv"], "drops.csv"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["crossdl", "cohort", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert list(tmp_path.iterdir()) == []
    assert end.value.code == 2 and len(errors) == 1 and said in errors[0]
