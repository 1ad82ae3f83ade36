"""Preparing single scans: what messages may say, and when a volume is made anew."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.ingest.volumes import Job, Outcome, prepare, signature, without_identity

ANATOMY = load_anatomy("head_ct")
FILES = [("1.2.3", b"a/1.dcm", 500, 7)]


def job(paths: list[Path], target: Path, holes: bool = False) -> Job:
    identifiers = ("1.2.826.9", "1.2.826.8", "SECRET-7")
    return Job(
        "s0123456789abcdef", tuple(map(str, paths)), "head_ct", str(target), identifiers, holes
    )


@pytest.mark.parametrize(
    "text", ["SECRET-7 is odd", "1.2.826.9: odd", "odd: IM0001.dcm", "in folder Müller_1950"]
)
def test_messages_with_an_identity_are_withheld(tmp_path: Path, text: str) -> None:
    paths = [tmp_path / "Müller_1950" / "IM0001.dcm"]
    facts = {"warnings": [text, "12 slices"]}
    found = without_identity(Outcome("unreadable", text, facts), job(paths, tmp_path / "x.npy"))
    assert found.detail is not None and found.detail.startswith("withheld")
    assert found.facts["warnings"][0].startswith("withheld")
    assert found.facts["warnings"][1] == "12 slices"


def test_other_messages_are_passed_on(tmp_path: Path) -> None:
    paths = [tmp_path / "file 3.dcm"]
    given = Outcome("unreadable", "s0123456789abcdef: file 3 and file 4 differ in size", {})
    assert without_identity(given, job(paths, tmp_path / "x.npy")) == given


def test_missing_slices_name_the_rule(
    tmp_path: Path, write_series: Callable[..., list[Path]]
) -> None:
    positions = np.array([[-60.0, -80.0, 8.0 * k - 60] for k in range(16) if k != 7])
    paths = write_series(tmp_path / "d", positions, shape=(20, 16), pixel=(8.0, 8.0))
    target = tmp_path / "v" / "x.npy"
    refused = prepare(job(paths, target))
    assert refused.problem == "unreadable" and not target.exists()
    assert "series.allow_missing_slices" in str(refused.detail)
    taken = prepare(job(paths, target, holes=True))
    assert taken.problem is None and "missing" in taken.facts["warnings"][0]
    assert np.load(target).shape == ANATOMY.volume_shape


def test_programming_errors_show_no_text(tmp_path: Path) -> None:
    found = prepare(job([tmp_path / "gone.dcm"], tmp_path / "x.npy"))
    assert found.problem in ("unreadable", "program_error")
    assert "gone" not in str(found.detail)


def test_the_signature_follows_files_anatomy_and_rule() -> None:
    first = signature(FILES, ANATOMY, allow_missing_slices=False)
    other = ANATOMY.model_copy(update={"volume_shape": (40, 80, 80)})
    changed = [
        signature(FILES, ANATOMY, allow_missing_slices=True),
        signature(FILES, other, allow_missing_slices=False),
        signature([("1.2.3", b"a/1.dcm", 500, 8)], ANATOMY, allow_missing_slices=False),
        signature([], ANATOMY, allow_missing_slices=False),
    ]
    assert len({first, *changed}) == 5
    assert signature(list(FILES), ANATOMY, allow_missing_slices=False) == first
