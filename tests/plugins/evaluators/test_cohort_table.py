"""The cohort's table against counts made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import CohortScan, EvaluationSet
from crossdl.plugins.evaluators.cohort_table import CohortTable, CohortTableConfig
from crossdl.types import ScanRecord, Split

MakeCases = Callable[..., EvaluationSet]


@pytest.fixture
def evaluator(anatomy: Anatomy) -> CohortTable:
    return CohortTable(CohortTableConfig(n_resamples=40), anatomy)


def matrix(anatomy: Anatomy, *cells: tuple[int, int], value: float = 1.0) -> np.ndarray:
    made = np.zeros((anatomy.n_regions + 2, anatomy.n_types), dtype=np.float32)
    for cell in cells:
        made[cell] = value
    return made


@pytest.fixture
def cohort(anatomy: Anatomy) -> tuple[CohortScan, ...]:
    """Four training scans of three patients, three test scans of two."""

    def scan(name: str, patient: str, split: Split, labels, truth=None, **facts) -> CohortScan:
        record = ScanRecord(name, patient, split, "A word. And more.", truth=truth, facts=facts)
        return CohortScan(record, labels)

    bright, dark, faint = (
        matrix(anatomy, (0, 0)), matrix(anatomy, (1, 1)), matrix(anatomy, (0, 0), value=0.4)
    )  # fmt: skip
    return (
        scan("a", "p1", "train", bright, age_years=60.0, sex="F", slices=30),
        scan("b", "p1", "train", dark, age_years=61.0, sex="F", slices=32),
        scan("c", "p2", "train", faint, age_years=40.0, sex="M", slices=34),
        scan("d", "p3", "train", bright, slices=36),
        scan("e", "p4", "test", dark, truth=bright, age_years=50.0, sex="M", slices=30),
        scan("f", "p5", "test", faint, truth=dark, age_years=70.0, sex="M", slices=30),
        scan("g", "p5", "test", None, age_years=71.0, sex="M", slices=30),
    )


def test_counts_and_shares(
    evaluator: CohortTable, make_cases: MakeCases, cohort: tuple[CohortScan, ...]
) -> None:
    found = evaluator.evaluate(replace(make_cases(0), cohort=cohort), 0)
    metrics, table = found.metrics, found.tables["cohort"]
    assert {n: metrics[f"cohort/{n}"].value for n in ("scans/train", "patients/train")} == {
        "scans/train": 4, "patients/train": 3,
    }  # fmt: skip
    assert (metrics["cohort/scans/test"].value, metrics["cohort/patients/test"].value) == (3, 2)
    assert metrics["cohort/abnormal/train"].value == 0.75
    assert metrics["cohort/bright/train"].value == 0.5
    abnormal = metrics["cohort/abnormal/test"]  # the third scan has no labels
    assert (abnormal.value, abnormal.n, abnormal.positives) == (0.5, 2, 1)
    assert "cohort/scans/valid" not in metrics
    assert table.loc["Scans"].tolist() == ["4", "3", ""]
    assert table.loc["Abnormal"].tolist()[:2] == ["3 (75.0 %)", "1 (50.0 %) of 2"]
    assert table.loc["With gold labels"].tolist() == ["0 (0.0 %)", "2 (66.7 %)", "-"]
    expected = (0.5 - 0.75) / np.sqrt((0.25 + 0.1875) / 2)
    assert metrics["cohort/difference/test"].value == pytest.approx(expected)
    assert table.loc["Abnormal", "d, test"] == f"{expected:+.2f}"
    assert set(found.figures) == {"differences"}


def test_age_and_sex_are_of_patients(
    evaluator: CohortTable, make_cases: MakeCases, cohort: tuple[CohortScan, ...]
) -> None:
    table = evaluator.evaluate(replace(make_cases(0), cohort=cohort), 0).tables["cohort"]
    assert table.loc["Age (years)", "Train"] == "50.0 (45.0, 55.0) of 2"  # p1 was 60 at first
    assert table.loc["Age (years)", "Test"] == "60.0 (55.0, 65.0)"
    assert table.loc["Sex: M"].tolist()[:2] == ["1 (50.0 %) of 2", "2 (100.0 %)"]
    assert table.loc["Slices", "Train"] == "33.0 (31.5, 34.5)"


def test_cells_of_every_split(
    evaluator: CohortTable, make_cases: MakeCases, cohort: tuple[CohortScan, ...], anatomy: Anatomy
) -> None:
    tables = evaluator.evaluate(replace(make_cases(0), cohort=cohort), 0).tables
    assert set(tables) == {"cohort", "labels_train", "labels_test"}
    train = tables["labels_train"]
    assert train.index.tolist() == ["Knee a", "Knee b", "Hip", "Elsewhere", "Vague", "Any"]
    assert train.loc["Knee a", "Bright spot"] == "2 (50.0 %)"
    assert train.loc["Hip", "Dark spot"] == "-"  # impossible
    assert train.loc["Any", "Any type"] == "3 (75.0 %)"
    assert tables["labels_test"].loc["Knee b", "Dark spot"].startswith("1 (50.0 %) of 2, d +0.5")


def test_gold_labels_where_they_are_wanted_or_the_only_ones(
    anatomy: Anatomy, make_cases: MakeCases, cohort: tuple[CohortScan, ...]
) -> None:
    gold = CohortTable(CohortTableConfig(n_resamples=0, labels="gold"), anatomy)
    cases = replace(make_cases(0), cohort=cohort)
    assert gold.evaluate(cases, 0).metrics["cohort/bright/test"].value == 0.5
    weak = CohortTable(CohortTableConfig(n_resamples=0), anatomy)
    assert weak.evaluate(cases, 0).metrics["cohort/bright/test"].value == 0
    only = tuple(replace(scan, labels=None) for scan in cohort if scan.record.truth is not None)
    found = weak.evaluate(replace(cases, cohort=only), 0)
    assert found.metrics["cohort/abnormal/test"].value == 1
    assert found.metrics["cohort/bright/test"].value == 0.5
    assert not found.figures  # one split has nothing to differ from


def test_without_a_cohort_the_evaluated_scans_are_counted(
    evaluator: CohortTable, make_cases: MakeCases
) -> None:
    cases = make_cases(2)
    metrics = evaluator.evaluate(cases, 0).metrics
    assert metrics["cohort/scans/test"].value == 80
    expected = cases.truth.any(axis=(1, 2)).mean()
    assert metrics["cohort/abnormal/test"].value == pytest.approx(expected)


def test_many_scanners_share_a_row(
    evaluator: CohortTable, make_cases: MakeCases, cohort: tuple[CohortScan, ...]
) -> None:
    many = tuple(
        replace(cohort[0], record=replace(cohort[0].record, scan_id=str(k), facts={"model": name}))
        for k, name in enumerate([*"aaabbcdefghijk"])
    )
    table = evaluator.evaluate(replace(make_cases(0), cohort=many), 0).tables["cohort"]
    models = [title for title in table.index if title.startswith("Model")]
    assert models == [*(f"Model: {name}" for name in "abcdefg"), "Model: all others"]
    assert table.loc["Model: all others", "Train"] == "4 (28.6 %)"
