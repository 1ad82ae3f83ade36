"""``list``, ``show``, ``check`` and ``schema`` as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crossdl.testing.component import HEAVY

Write = Callable[..., Path]

REPORT = """
import json, sys
from crossdl.cli import main
sys.argv[0] = "crossdl"
try:
    main()
except SystemExit as exit:
    code = exit.code or 0
else:
    code = 0
print("\\n" + json.dumps(sorted(n for n in sys.modules if "." not in n)), file=sys.stderr)
sys.exit(code)
"""


def run(*arguments: object, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["-c", code] if code else ["-m", "crossdl"]
    environment = {**os.environ, "CROSSDL_PLUGINS": "", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, *command, *map(str, arguments)],
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["list"], ["list", "pooling"], ["check"], ["run", "--help"], ["study", "--help"]],
)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    done = run(*arguments, code=REPORT)
    assert done.returncode == 0, done.stderr
    modules = set(json.loads(done.stderr.splitlines()[-1]))
    assert not modules & {*HEAVY, "scipy", "pandas", "skimage"}
    assert "typer" in modules


def test_list_names_kinds_owners_compositions_and_studies(registry_file: Write) -> None:
    file = registry_file(
        "[studies.s]\ndescription='two poolings'\nbase='base'\n"
        "axes=[{field='analyzer.pooling', values=['best', 'largest']}]\n"
    )
    done = run("list", "--registry", file)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (largest,) = [line for line in lines if line.split()[1:2] == ["largest"]]
    assert largest.startswith("pooling") and "fakes/plugins" in largest
    assert "The largest product." in largest
    assert any(line.startswith("base") and "fakes only" in line for line in lines)
    assert any(line.startswith("s ") and "two poolings" in line for line in lines)
    only = run("list", "pooling", "--registry", file).stdout
    assert "largest" in only and "fakes only" not in only and "discretizer" not in only


def test_list_of_an_unknown_slot() -> None:
    done = run("list", "poling")
    assert done.returncode == 2
    assert done.stderr.startswith("error: there is no slot 'poling'; did you mean 'pooling'?")
    assert len(done.stderr.splitlines()) == 1


def test_check_counts(registry_file: Write) -> None:
    file = registry_file(
        "[studies.s]\nbase='base'\naxes=[{field='analyzer.pooling', values=['best', 'largest']}]\n"
        "seeds=[1, 2, 3]\n"
    )
    done = run("check", file)
    assert done.stdout == "ok: 1 composition, 1 study (6 cells)\n", done.stderr


def test_check_reports_every_mistake(registry_file: Write) -> None:
    done = run("check", registry_file("[compositions.x]\nextends='base'\nsed=1\nseed='a'\n"))
    assert done.returncode == 2 and not done.stdout
    assert "did you mean 'seed'" in done.stderr and "x.seed: Input should be" in done.stderr
    assert "Traceback" not in done.stderr
    missing = run("check", "nowhere.toml")
    assert missing.returncode == 2
    assert missing.stderr == (
        "error: nowhere.toml: no such registry file; give the path of a registry.toml\n"
    )


def test_show_a_composition_with_its_defaults(registry_file: Write) -> None:
    done = run("show", "base", "--registry", registry_file(""))
    shown = json.loads(done.stdout)
    assert shown["analyzer"]["pooling"] == {"kind": "best", "k": 7, "floor": 0.0}
    assert shown["segmenter"]["threads"] == 1


def test_show_a_study(registry_file: Write) -> None:
    text = (
        "[studies.s]\nbase='base'\naxes=[{field='analyzer.epochs', values=[1, 2]}]\n"
        "[scales.big]\nseeds=[7]\n"
    )
    file = registry_file(text)
    assert "  2_seed0: 2, seed 0\n" in run("show", "s", "--registry", file).stdout
    assert "seed 7" in run("show", "s", "--scale", "big", "--registry", file).stdout
    wrong = run("show", "s", "--scale", "bg", "--registry", file).stderr
    assert "there is no scale 'bg'; did you mean 'big'?" in wrong


@pytest.mark.parametrize("name", ["best", "pooling/best"])
def test_show_a_kind(registry_file: Write, name: str) -> None:
    done = run("show", name, "--registry", registry_file(""))
    assert done.stdout.startswith("pooling/best of folder ")
    (field,) = [line.split() for line in done.stdout.splitlines() if line.startswith("k ")]
    assert field == ["k", "int", "2", "voxels", "that", "count"]


def test_show_nested_slots_and_defaults(registry_file: Write) -> None:
    done = run("show", "analyzer/net", "--registry", registry_file(""))
    assert "component of slot pooling" in done.stdout
    done = run("show", "pooling/largest", "--registry", registry_file(""))
    assert "no fields" in done.stdout


def test_show_something_unknown(registry_file: Write) -> None:
    file = registry_file("")
    assert "did you mean 'base'?" in run("show", "bse", "--registry", file).stderr
    assert "did you mean 'best'?" in run("show", "pooling/bst", "--registry", file).stderr
    assert run("show", "poling/best", "--registry", file).returncode == 2


def test_schema_to_a_file_or_to_stdout(registry_file: Write, tmp_path: Path) -> None:
    file, out = registry_file(""), tmp_path / "made" / "schema.json"
    printed = run("schema", "--registry", file)
    assert run("schema", "--registry", file, "--out", out).returncode == 0
    assert json.loads(out.read_text(encoding="utf-8")) == json.loads(printed.stdout)
    assert "pooling.best" in json.loads(printed.stdout)["$defs"]
    assert [p.name for p in out.parent.iterdir()] == ["schema.json"]
