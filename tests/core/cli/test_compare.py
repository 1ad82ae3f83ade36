"""``crossdl compare``: tables in the terminal, a page on request, mistakes in one sentence."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from crossdl.cli import app
from crossdl.errors import InputError


def test_two_runs(runs: ModuleType, tmp_path: Path) -> None:
    one = runs.write_run(tmp_path / "one", runs.make_lines(noise=0.6), epochs=1)
    two = runs.write_run(tmp_path / "two", runs.make_lines(noise=0.9, seed=2), epochs=2)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["compare", str(one), str(two), "--out", str(out)])
    assert done.exit_code == 0, done.output
    rows = {line.split("│")[1].strip(): line for line in done.stdout.splitlines() if "│" in line}
    assert "Region, micro" in rows and "Scan, any" in rows
    cells = [c.strip() for c in rows["epochs"].split("│")]
    assert cells[1:4] == ["epochs", "1", "2"]
    assert "Run minus one" in done.stdout and "40 test scans are common" in done.stdout
    assert (out / "summary.html").is_file() and f"Page: {out / 'summary.html'}" in done.stdout


def test_a_mistake_is_one_sentence(runs: ModuleType, tmp_path: Path) -> None:
    one = runs.write_run(tmp_path / "one", runs.make_lines())
    done = CliRunner().invoke(app, ["compare", str(one), str(tmp_path / "none")])
    assert isinstance(done.exception, InputError)
    assert "is not a run" in str(done.exception)
    with pytest.raises(InputError, match="two or more"):
        CliRunner().invoke(app, ["compare", str(one)], catch_exceptions=False)
