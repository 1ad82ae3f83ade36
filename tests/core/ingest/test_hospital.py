"""A generated hospital becomes exactly the planned cohort, however often the build is killed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

TESTS = Path(__file__).resolve().parents[2]
PATIENTS = 29


@pytest.fixture(scope="module")
def hospital() -> Any:
    """The package ``tests/hospital``."""
    folder = TESTS / "hospital"
    spec = importlib.util.spec_from_file_location(
        "hospital", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["hospital"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def stock(hospital: Any) -> Any:
    return hospital.sketches()


@pytest.fixture(scope="module")
def dump(hospital: Any, stock: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("hospital")
    (folder / "salt").write_text("as much salt as is needed", encoding="ascii")
    return hospital.Hospital.write(folder / "files", hospital.plan(PATIENTS, stock), stock)


@pytest.fixture(scope="module")
def options(dump: Any) -> tuple[str, ...]:
    return "--salt", str(dump.folder.parents[1] / "salt"), "--workers", "1"


@pytest.fixture(scope="module")
def built(dump: Any, options: tuple[str, ...]) -> tuple[Path, Any]:
    """A cohort built without disturbance, and how the command went."""
    from hospital.builds import build

    out = dump.folder.parents[1] / "cohort"
    return out, build(dump, out, *options)


def test_every_planned_case_is_there(hospital: Any, dump: Any) -> None:
    from hospital.cases import CASES

    assert [p.case for p in dump.patients[: len(CASES)]] == [case.__name__ for case, _ in CASES]


def test_flow_pairs_drops_and_privacy_are_as_planned(dump: Any, built: tuple[Path, Any]) -> None:
    from hospital.checks import check, leaks

    out, run = built
    assert run.code == 0, run.output
    plan = check(dump, out)
    assert len(plan.kept) > 10 and len(plan.rows) > 18
    assert not leaks(dump, run.output.replace(str(out), ""))


def test_killed_builds_go_on_to_the_same_bytes(
    dump: Any, built: tuple[Path, Any], options: tuple[str, ...]
) -> None:
    from hospital.builds import build, contents, once, volumes
    from hospital.checks import check

    whole, _ = built
    out = whole.with_name("killed")
    rng = np.random.default_rng()  # other moments every time: none may matter
    moments = (
        once((out / "private" / "index.sqlite").exists, rng.uniform(0, 1.0)),
        once(lambda: volumes(out) >= 2, rng.uniform(0, 0.05)),
        once(lambda: volumes(out) >= 9, rng.uniform(0, 0.3)),
    )
    codes = [build(dump, out, *options, kill=moment).code for moment in moments]
    assert codes == [-9] * len(moments)
    assert not (out / "cohort.json").exists()
    done = build(dump, out, *options, reports=dump.text)  # the same reports as csv in GB18030
    assert done.code == 0, done.output
    check(dump, out)
    assert contents(out) == contents(whole)


def test_more_patients_redo_nothing_and_move_nobody(
    hospital: Any, dump: Any, stock: Any, built: tuple[Path, Any], options: tuple[str, ...]
) -> None:
    from hospital.builds import build
    from hospital.checks import check, table

    out, _ = built
    before = {path: path.stat().st_mtime_ns for path in out.glob("volumes/*/*")}
    splits = {row["patient"]: row["split"] for row in table(out, "splits")}
    dump.admit(hospital.plan(5, stock, first=PATIENTS), stock)
    run = build(dump, out, *options)
    assert run.code == 0, run.output
    check(dump, out)
    after = {path: path.stat().st_mtime_ns for path in out.glob("volumes/*/*")}
    assert len(after) > len(before) and before.items() <= after.items()
    assert splits.items() <= {row["patient"]: row["split"] for row in table(out, "splits")}.items()


@pytest.mark.slow
def test_five_hundred_phantom_patients(tmp_path: Path) -> None:
    """The proof of benchmarks/hospital.py: the planned flow, and the same after six kills."""
    script = TESTS.parent / "benchmarks" / "hospital.py"
    done = subprocess.run(
        [sys.executable, str(script), "--out", str(tmp_path / "proof")],
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("SIGKILL") >= 5
