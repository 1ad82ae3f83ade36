"""A short run of the fuzzing in benchmarks/fuzz.py, with fixed seeds."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fuzzing() -> Any:
    folder = TESTS / "fuzzing"
    spec = importlib.util.spec_from_file_location(
        "fuzzing", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fuzzing"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def fuzzer(fuzzing: Any) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        patch.syspath_prepend(str(TESTS))  # the worker process imports the package by name
        with fuzzing.fuzzer() as running:
            yield running


@pytest.mark.parametrize(
    "target",
    ["series", "headers", "rows", "reports", "workbook rows", "workbook reports", "rules"],
)
def test_damaged_input_is_read_or_refused(fuzzer: Any, target: str) -> None:
    fuzzer.run(target, seed=20, examples=50)
    found = [f for f in fuzzer.findings.values() if f.target == target]
    assert not found, "\n".join(f"seed {f.seed}: {f.what}\n{f.detail[-1500:]}" for f in found)
    assert fuzzer.executions[target] >= 50


def test_what_no_reader_may_do_is_a_finding(fuzzing: Any, fuzzer: Any) -> None:
    run = fuzzing.Fuzzer(fuzzer.pool, fuzzer.folder, seconds=1.0)
    for deed in (b"raise", b"die", b"hang", b"grow", b"nothing"):
        run.attempt("faulty", 0, {"input": deed})
    found = [what.split()[0] for _, what in run.findings]
    assert found == ["ValueError", "crash", "hang", "MemoryError"]
    assert [f.files["input"] for f in run.findings.values()] == [b"raise", b"die", b"hang", b"grow"]


@pytest.mark.slow
def test_five_minutes_find_nothing() -> None:
    script = TESTS.parent / "benchmarks" / "fuzz.py"
    done = subprocess.run(
        [sys.executable, str(script), "--minutes", "5"],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
