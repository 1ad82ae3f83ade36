"""What is written down about machine and data."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.config import ComponentConfig
from crossdl.errors import InputError
from crossdl.interfaces import CohortSource
from crossdl.results.provenance import command, data_facts, machine, stage_times
from crossdl.types import ScanRecord, Volume

RECORDS = (
    ScanRecord("a", "p", "train", "Findings: none", labels=None),
    ScanRecord("b", "q", "test", truth=np.zeros((2, 2), np.float32), reads={"ICH": 1.0}),
)


class CohortConfig(ComponentConfig):
    """A class of its own: a component is found by its config's class."""

    kind: Literal["given"] = "given"


class Cohort(CohortSource[CohortConfig]):
    """Two scans whose voxels are what a test says."""

    def __init__(self, voxels: dict[str, str]) -> None:
        super().__init__(CohortConfig(), load_anatomy("head_ct"))
        self.voxels = voxels

    def records(self) -> Sequence[ScanRecord]:
        return RECORDS

    def volume(self, record: ScanRecord) -> Volume:
        raise InputError("not needed")

    def fingerprint(self, record: ScanRecord) -> str:
        if record.scan_id not in self.voxels:
            raise InputError(f"{record.scan_id}: unreadable")
        return self.voxels[record.scan_id]


def digest(*records: ScanRecord, **voxels: str) -> str:
    given = {"a": "1", "b": "2"} | voxels
    return str(data_facts(Cohort(given), records or RECORDS)["fingerprint"])


def test_the_fingerprint_changes_with_everything_that_is_read() -> None:
    a, b = RECORDS
    plain = digest()
    assert digest(b, a) == plain and len(plain) == 32
    others = [
        digest(a=""),
        digest(a),
        digest(replace(a, findings="Findings: none."), b),
        digest(replace(a, split="valid"), b),
        digest(replace(a, patient_id="q"), b),
        digest(a, replace(b, truth=np.full((2, 2), np.nan, np.float32))),
        digest(a, replace(b, labels=np.zeros((2, 2), np.float32))),
        digest(a, replace(b, reads={"ICH": 0.0})),
    ]
    assert len({plain, *others}) == 1 + len(others)


def test_an_unreadable_scan_does_not_end_the_run() -> None:
    found = data_facts(Cohort({"a": "1"}), RECORDS)
    assert found["scans"] == 2 and found["fingerprint"] != digest()


def test_the_machine_is_described_without_its_name() -> None:
    import platform

    found = machine()
    assert found["processor"] and found["platform"] == platform.platform()
    assert isinstance(found["cores"], int) and found["cores"] >= 1
    assert found["memory_gib"] is None or float(found["memory_gib"]) > 0.1
    assert platform.node() not in [str(value) for value in found.values()]


def test_the_command_can_be_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/env/bin/crossdl", "run", "a b"])
    assert command() == "crossdl run 'a b'"
    monkeypatch.setattr(sys, "argv", ["/x/crossdl/__main__.py", "list"])
    assert command() == "python -m crossdl list"


def test_stages_that_ran_again_are_added_up() -> None:
    stages = [{"stage": s, "seconds": t} for s, t in (("b", 1.0), ("a", 2.0), ("b", 0.5))]
    assert stage_times(stages) == [("b", 1.5, 2), ("a", 2.0, 1)]
