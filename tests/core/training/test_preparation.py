"""Which scans training learns from, and with which labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.registry import Composition, load_registry
from crossdl.training.preparation import Preparation, _share
from crossdl.types import ScanRecord, SentenceLabels

ANATOMY = load_anatomy("head_ct")
N, M = len(ANATOMY.label_names), ANATOMY.n_types


class Reports:
    """Ten training scans, one without a report; every second has silver labels."""

    def records(self) -> list[ScanRecord]:
        found = [ScanRecord(f"t{i}", f"t{i}", "train", "Normal.") for i in range(9)]
        return [*found, ScanRecord("t9", "t9", "train"), ScanRecord("v0", "v0", "valid", "Normal.")]

    def silver(self, record: ScanRecord) -> SentenceLabels | None:
        if record.scan_id[1:] not in "02468":
            return None
        return SentenceLabels(("x",), np.ones((1, N), np.float32), np.ones((1, M), np.float32))


@contextmanager
def stage(title: str) -> Iterator[None]:
    yield


def prepared(**changes: Any) -> tuple[Preparation, list[tuple[str, str, str]]]:
    book = load_registry()
    composition: Composition = book.composition("crossdl", changes)
    failed: list[tuple[str, str, str]] = []
    made = Preparation(
        composition, book.catalog, workers=1, stage=stage, fail=lambda *what: failed.append(what)
    )
    cohort: Any = Reports()
    made.cohort = cohort
    return made, failed


def names(made: Preparation) -> list[str]:
    return [r.scan_id for split in ("train", "valid") for r in made.chosen[split]]


def test_all_scans_with_reports_are_learnt_from() -> None:
    made, failed = prepared()
    assert names(made) == [*(f"t{i}" for i in range(9)), "v0"]
    assert failed == [("t9", "discretize", "the scan has no report and no labels")]


def test_a_share_is_of_the_training_scans_only() -> None:
    made, _ = prepared(train_share=0.3)
    chosen = names(made)
    assert len(chosen) == 4 and chosen[-1] == "v0"
    assert names(prepared(train_share=0.3)[0]) == chosen
    assert set(chosen) < set(names(prepared(train_share=0.6)[0]))


def test_silver_labels_are_those_of_people() -> None:
    made, failed = prepared(train_labels="silver")
    assert names(made) == ["t0", "t2", "t4", "t6", "t8", "v0"] and failed == []
    assert made._label(made.chosen["train"][0]).all()
    assert "discretizer" not in vars(made)
    read, _ = prepared()
    assert not read._label(read.chosen["train"][0]).any()


@given(
    count=st.integers(0, 60),
    shares=st.lists(st.floats(0.001, 1.0), min_size=2, max_size=2).map(sorted),
    seed=st.integers(0, 5),
)
def test_shares_are_nested_and_as_large_as_asked(
    count: int, shares: list[float], seed: int
) -> None:
    scans = [ScanRecord(f"s{i}", f"p{i}", "train") for i in range(count)]
    small, large = (_share(scans, share, seed) for share in shares)
    assert {s.scan_id for s in small} <= {s.scan_id for s in large}
    for share, found in zip(shares, (small, large), strict=True):
        assert abs(len(found) - share * count) < 1 + 1e-9
        assert [s for s in scans if s in found] == found
        assert bool(found) == bool(scans)


def test_seeds_choose_different_scans() -> None:
    scans = [ScanRecord(f"s{i}", f"p{i}", "train") for i in range(40)]
    chosen = {tuple(s.scan_id for s in _share(scans, 0.25, seed)) for seed in range(4)}
    assert len(chosen) == 4


@pytest.mark.parametrize("share", [0.0, 1.1])
def test_shares_out_of_range_are_refused(share: float) -> None:
    from crossdl.errors import ConfigError

    with pytest.raises(ConfigError, match="train_share"):
        load_registry().composition("crossdl", {"train_share": share})
