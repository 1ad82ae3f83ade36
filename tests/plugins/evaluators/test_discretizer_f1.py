"""Discretizer F1: every number against scikit-learn on the cells it names."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import f1_score, precision_score, recall_score

from crossdl.anatomy import Anatomy
from crossdl.catalog import default_catalog
from crossdl.evaluation.cases import EvaluationSet, SentenceScores
from crossdl.plugins.evaluators.discretizer_f1 import DiscretizerF1, DiscretizerF1Config
from crossdl.results.paired import compare_methods
from crossdl.statistics.bootstrap import resample_weights

MakeCases = Callable[..., EvaluationSet]
SKLEARN = {"f1": f1_score, "precision": precision_score, "recall": recall_score}
LABELS = [
    "region/knee_a", "region/knee_b", "region/hip", "region/elsewhere", "region/vague",
    "type/bright", "type/dark",
]  # fmt: skip


@pytest.fixture
def cases(make_cases: MakeCases) -> EvaluationSet:
    """Sentences of 40 scans; nobody says "elsewhere", all sentences are of the type "dark"."""
    rng = np.random.default_rng(0)
    truth = (rng.random((130, 7)) < 0.3).astype(np.float32)
    truth[:, 3], truth[:, 6] = 0, 1
    scores = np.clip(0.7 * truth + 0.6 * rng.random((130, 7)), 0, 1).astype(np.float32)
    scores[:, 3] = 0
    sentences = SentenceScores(np.sort(rng.integers(0, 40, 130)), truth, scores, scores > 0.65)
    return replace(make_cases(0, n=40), sentences=sentences)


def evaluator(anatomy: Anatomy, **fields: object) -> DiscretizerF1:
    config = DiscretizerF1Config.model_validate({"n_resamples": 25, **fields})
    return DiscretizerF1(config, anatomy)


@pytest.mark.parametrize("threshold", [0.5, 0.3, "own"])
def test_every_metric_is_scikit_learns(
    anatomy: Anatomy, cases: EvaluationSet, threshold: float | str
) -> None:
    metrics = evaluator(anatomy, threshold=threshold).evaluate(cases, 0).metrics
    assert cases.sentences is not None
    y = cases.sentences.truth > 0
    cut = np.float32(0.65 if threshold == "own" else threshold)
    said = cases.sentences.scores > cut
    for name, measure in SKLEARN.items():
        each = measure(y, said, average=None, zero_division=np.nan)
        for j, label in enumerate(LABELS):
            found = metrics[f"{name}/{label}"]
            assert found.value == (None if np.isnan(each[j]) else each[j]), (name, label)
            assert (found.n, found.positives) == (130, y[:, j].sum())
        for group, part in (("regions", slice(5)), ("types", slice(5, 7))):
            pooled = measure(y[:, part].ravel(), said[:, part].ravel())
            assert metrics[f"{name}/{group}/micro"].value == pooled
            mean = pytest.approx(np.nanmean(each[part]), abs=1e-12)
            assert metrics[f"{name}/{group}/macro"].value == mean
        assert metrics[f"{name}/micro"].value == measure(y.ravel(), said.ravel())
    exact = (y == said).all(axis=1)
    assert metrics["exact_match"].value == exact.mean()
    assert metrics["exact_match"].positives == exact.sum()
    assert metrics["f1/region/elsewhere"].value is None
    assert metrics["f1/region/elsewhere"].low is None
    json.dumps([asdict(estimate) for estimate in metrics.values()], allow_nan=False)


def test_intervals_are_quantiles_of_resampled_patients(
    anatomy: Anatomy, cases: EvaluationSet
) -> None:
    assert cases.sentences is not None
    found = evaluator(anatomy, n_resamples=40, confidence=0.8).evaluate(cases, 3).metrics
    owner, weights = resample_weights(cases.patient_ids, 40, 3)
    owner = owner[cases.sentences.owner]
    y, said = cases.sentences.truth > 0, cases.sentences.scores > 0.5
    drawn: dict[str, list[float]] = {}
    for r in range(1, 41):
        index = np.repeat(np.arange(130), weights[owner, r].astype(int))
        each = f1_score(y[index], said[index], average=None, zero_division=np.nan)
        one = {
            "f1/region/hip": each[2],
            "f1/regions/macro": np.nanmean(each[:5]),
            "f1/types/micro": f1_score(y[index, 5:].ravel(), said[index, 5:].ravel()),
            "recall/type/bright": recall_score(y[index, 5], said[index, 5]),
            "exact_match": (y[index] == said[index]).all(axis=1).mean(),
        }
        for name, value in one.items():
            drawn.setdefault(name, []).append(value)
    for name, values in drawn.items():
        low, high = np.quantile(values, (0.1, 0.9))
        assert (found[name].low, found[name].high) == pytest.approx((low, high), abs=1e-12), name


def test_bca_intervals_differ_and_are_defined(anatomy: Anatomy, cases: EvaluationSet) -> None:
    plain, bca = (
        evaluator(anatomy, n_resamples=200, interval=kind).evaluate(cases, 0).metrics["f1/micro"]
        for kind in ("percentile", "bca")
    )
    assert plain.value == bca.value and bca.low is not None and plain.low is not None
    assert plain.low != bca.low and abs(plain.low - bca.low) < 0.05


def test_a_label_of_one_patient_has_no_interval(anatomy: Anatomy, cases: EvaluationSet) -> None:
    assert cases.sentences is not None
    truth, scores = cases.sentences.truth.copy(), cases.sentences.scores.copy()
    truth[:, 0] = scores[:, 0] = 0
    truth[:2, 0] = scores[0, 0] = 1  # the first sentences are of one scan
    sentences = replace(cases.sentences, truth=truth, scores=scores)
    found = evaluator(anatomy).evaluate(replace(cases, sentences=sentences), 0).metrics
    knee = found["f1/region/knee_a"]
    assert knee.value == 2 / 3 and knee.low is None and knee.high is None


def test_without_sentences_everything_is_undefined(anatomy: Anatomy, make_cases: MakeCases) -> None:
    found = evaluator(anatomy).evaluate(make_cases(0), 0)
    assert {"f1/regions/macro", "exact_match"} <= set(found.metrics)
    assert all(e.value is None and e.n == 0 for e in found.metrics.values())
    assert not found.tables and not found.figures and not found.drawn


def test_two_discretizers_can_be_compared(anatomy: Anatomy, cases: EvaluationSet) -> None:
    assert cases.sentences is not None
    right = replace(cases.sentences, scores=cases.sentences.truth)
    one, two = (
        {"discretizer_f1": evaluator(anatomy).evaluate(replace(cases, sentences=s), 0)}
        for s in (right, cases.sentences)
    )
    found = compare_methods([one], [two], {"discretizer_f1": evaluator(anatomy)})
    difference = found["discretizer_f1"]["f1/micro"]
    expected = 1 - f1_score(cases.sentences.truth.ravel() > 0, cases.sentences.scores.ravel() > 0.5)
    assert difference.difference == pytest.approx(expected, abs=1e-12)
    assert difference.low is not None and 0 < difference.low < expected


def test_table_and_figure_name_every_label(anatomy: Anatomy, cases: EvaluationSet) -> None:
    found = evaluator(anatomy).evaluate(cases, 0)
    table = found.tables["labels"]
    assert table.loc["Elsewhere"].tolist() == ["0", "-", "-", "-"]
    assert table.loc["Mean of types", "F1"].startswith(
        f"{found.metrics['f1/types/macro'].value:.3f}"
    )
    titles = [t.get_text() for t in found.figures["labels"].axes[0].get_yticklabels()]
    assert titles == [
        "Knee a", "Knee b", "Hip", "Elsewhere", "Vague", "Bright spot", "Dark spot",
    ]  # fmt: skip


@pytest.mark.parametrize("threshold", [0, 1, "mine"])
def test_wrong_thresholds_are_refused(threshold: object) -> None:
    with pytest.raises(ValidationError):
        default_catalog().parse("evaluator", {"kind": "discretizer_f1", "threshold": threshold})
