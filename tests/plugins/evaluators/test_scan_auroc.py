"""Scan AUROC: unions over all label rows against scan scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import EvaluationSet
from crossdl.plugins.evaluators.scan_auroc import ScanAuroc, ScanAurocConfig

MakeCases = Callable[..., EvaluationSet]


@pytest.fixture
def evaluator(anatomy: Anatomy) -> ScanAuroc:
    return ScanAuroc(ScanAurocConfig(n_resamples=30), anatomy)


def sparse(cases: EvaluationSet) -> EvaluationSet:
    """The cases with few enough positives that the union over types has both classes."""
    return replace(cases, truth=cases.truth * (np.arange(len(cases.truth)) % 3 > 0)[:, None, None])


def test_truth_is_the_union_of_all_rows(evaluator: ScanAuroc, make_cases: MakeCases) -> None:
    cases = sparse(make_cases(0))
    union = cases.truth.max(axis=1)
    metrics = evaluator.evaluate(cases, 0).metrics
    for j, name in enumerate(("scan/bright", "scan/dark")):
        expected = roc_auc_score(union[:, j], cases.scan_scores[:, j])
        assert metrics[name].value == pytest.approx(expected, abs=1e-12)
        assert metrics[name].positives == union[:, j].sum()
    expected = roc_auc_score(union.max(axis=1), cases.scan_scores.max(axis=1))
    assert metrics["scan/any"].value == pytest.approx(expected, abs=1e-12)
    assert list(metrics) == ["scan/bright", "scan/dark", "scan/any"]


@pytest.mark.parametrize("row", [3, 4])
def test_other_and_unclear_count(evaluator: ScanAuroc, make_cases: MakeCases, row: int) -> None:
    cases = make_cases(1)
    truth = np.zeros_like(cases.truth)
    truth[::4, row, 0] = 1
    metrics = evaluator.evaluate(replace(cases, truth=truth), 0).metrics
    assert metrics["scan/bright"].positives == 20
    assert metrics["scan/bright"].value is not None
    assert metrics["scan/dark"].value is None


def test_a_type_is_unknown_where_a_row_was_not_assessed(
    evaluator: ScanAuroc, make_cases: MakeCases
) -> None:
    cases = sparse(make_cases(4))
    truth = cases.truth.copy()
    truth[:20, 1, 0] = np.nan  # still positive where another row is
    positive = (np.nan_to_num(truth).max(axis=1) == 1)[:, 0]
    entered = positive | (np.arange(len(truth)) >= 20)
    found = evaluator.evaluate(replace(cases, truth=truth), 0).metrics["scan/bright"]
    expected = roc_auc_score(positive[entered], cases.scan_scores[entered, 0])
    assert found.value == pytest.approx(expected, abs=1e-12)
    assert (found.n, found.positives) == (entered.sum(), positive.sum())


def test_one_class_is_undefined(evaluator: ScanAuroc, make_cases: MakeCases) -> None:
    cases = make_cases(2)
    evaluation = evaluator.evaluate(replace(cases, truth=np.ones_like(cases.truth)), 0)
    assert all(e.value is None and e.low is None for e in evaluation.metrics.values())
    legend = evaluation.figures["roc"].axes[0].get_legend()
    assert [t.get_text() for t in legend.get_texts()] == [
        "Bright spot: -",
        "Dark spot: -",
        "Any abnormality: -",
    ]


def test_patients_are_what_is_resampled(evaluator: ScanAuroc, make_cases: MakeCases) -> None:
    cases = sparse(make_cases(3))
    apart = replace(cases, patient_ids=cases.scan_ids)
    together, single = (evaluator.evaluate(c, 0).metrics["scan/bright"] for c in (cases, apart))
    assert together.value == single.value
    assert together.low != single.low
