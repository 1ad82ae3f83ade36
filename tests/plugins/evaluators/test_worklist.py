"""The worklist's evaluator on lists whose answer is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.stats import mannwhitneyu

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.evaluation.cases import EvaluationSet
from crossdl.plugins.evaluators.worklist import WorklistConfig, WorklistEvaluator

MakeCases = Callable[..., EvaluationSet]
QUICK = {"n_resamples": 40, "replications": 4, "arrivals": 4000}


@pytest.fixture
def evaluator(anatomy: Anatomy) -> WorklistEvaluator:
    return WorklistEvaluator(WorklistConfig.model_validate(QUICK), anatomy)


@pytest.fixture
def cases(make_cases: MakeCases) -> EvaluationSet:
    """80 scans with two diseases: the highest scores have a break, the lowest a bruise."""
    made = make_cases(0)
    order = np.argsort(-made.scan_scores.max(axis=1), kind="stable")
    scores = made.scan_scores.copy()
    scores[order, 0], scores[order, 1] = np.linspace(1, 0.1, 80), np.linspace(0.05, 0, 80)
    broken, bruised = np.zeros(80, dtype=np.float32), np.zeros(80, dtype=np.float32)
    broken[order[:8]], bruised[order[70:]] = 1, 1
    return replace(made, scan_scores=scores, reads={"broken bone": broken, "bruise": bruised})


def test_first_and_last_of_the_list(evaluator: WorklistEvaluator, cases: EvaluationSet) -> None:
    metrics = evaluator.evaluate(cases, 0).metrics
    first, last = "worklist/disease/broken_bone", "worklist/disease/bruise"
    assert metrics[f"{first}/median_rank"].value == pytest.approx(0.05)
    assert metrics[f"{first}/recall_top_25"].value == 1
    assert metrics[f"{first}/superiority"].value == 1
    assert metrics[f"{last}/median_rank"].value == pytest.approx(75 / 80)
    assert metrics[f"{last}/recall_top_75"].value == 0
    assert metrics[f"{last}/superiority"].value == 0
    assert (metrics[f"{first}/median_rank"].n, metrics[f"{first}/median_rank"].positives) == (80, 8)
    saved = [metrics[f"{place}/saved_mean_wait"].value for place in (first, last)]
    assert saved[0] > 10 and saved[1] < -10
    for name, estimate in metrics.items():
        if name.startswith(first):
            assert estimate.low is not None and estimate.low <= estimate.value <= estimate.high


def test_sums_of_diseases(evaluator: WorklistEvaluator, cases: EvaluationSet) -> None:
    metrics = evaluator.evaluate(cases, 0).metrics
    assert metrics["worklist/any_finding/median_rank"].positives == 18
    assert metrics["worklist/no_finding/median_rank"].positives == 62
    waits = {
        name: metrics[f"worklist/{name}/mean_wait"].value for name in ("any_finding", "no_finding")
    }
    everyone = (18 * waits["any_finding"] + 62 * waits["no_finding"]) / 80
    assert everyone == pytest.approx(metrics["worklist/in_order/mean_wait"].value, rel=0.12)


def test_waiting_is_cobhams(anatomy: Anatomy, cases: EvaluationSet) -> None:
    config = WorklistConfig(n_resamples=0, replications=40, arrivals=10_000)
    metrics = WorklistEvaluator(config, anatomy).evaluate(cases, 0).metrics
    ranks, load = (np.arange(8) + 0.5) / 80, 0.8
    expected = np.mean(load * 6.0 / (1 - load * ranks) ** 2)
    found = metrics["worklist/disease/broken_bone/mean_wait"]
    assert found.value == pytest.approx(expected, rel=0.05)
    assert found.low is None and found.high is None


def test_p_values_are_scipys_with_holms_correction(
    evaluator: WorklistEvaluator, make_cases: MakeCases
) -> None:
    cases = make_cases(3)
    rng = np.random.default_rng(0)
    status = (rng.random(80) < 0.3).astype(np.float32)
    status[:5] = np.nan
    cases = replace(cases, reads={"broken bone": status})
    table = evaluator.evaluate(cases, 0).tables["diseases"]
    columns = [cases.scan_scores.max(axis=1), *cases.scan_scores.T]
    raw = [
        mannwhitneyu(s[status == 1], s[status == 0], alternative="greater").pvalue for s in columns
    ]
    family = np.sort([*raw, *raw])  # the only disease, and any
    expected = min(1.0, max((6 - k) * p for k, p in enumerate(family) if p <= raw[0]))
    text = "< 0.001" if expected < 0.001 else f"{expected:.3f}"
    assert table.loc["Broken bone", "p (Wilcoxon, Holm)"] == text
    assert table.loc["None of these", "p (Wilcoxon, Holm)"] == "-"
    assert table.loc["Broken bone", "Positive"].startswith(f"{int((status == 1).sum())} of 75")


def test_without_reads_the_types_are_the_rows(
    evaluator: WorklistEvaluator, make_cases: MakeCases, anatomy: Anatomy
) -> None:
    cases = make_cases(1)
    found = evaluator.evaluate(cases, 0)
    for j, name in enumerate(anatomy.type_names):
        estimate = found.metrics[f"worklist/disease/{name}/median_rank"]
        assert estimate.positives == int(cases.truth[:, :, j].any(axis=1).sum())
    assert set(found.tables["diseases"].index) == {
        *(t.title for t in anatomy.types), "Any of these", "None of these",
    }  # fmt: skip


def test_only_the_diseases_that_are_named(anatomy: Anatomy, cases: EvaluationSet) -> None:
    config = WorklistConfig.model_validate({**QUICK, "diseases": ("bruise",)})
    metrics = WorklistEvaluator(config, anatomy).evaluate(cases, 0).metrics
    assert "worklist/disease/bruise/median_rank" in metrics
    assert not any("broken" in name for name in metrics)
    config = WorklistConfig.model_validate({**QUICK, "diseases": ("bruises",)})
    with pytest.raises(InputError, match=r"no read 'bruises'.*'bruise'"):
        WorklistEvaluator(config, anatomy).evaluate(cases, 0)


@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_a_disease_that_nobody_or_one_patient_has(
    anatomy: Anatomy, cases: EvaluationSet, interval: str
) -> None:
    nobody = np.zeros(80, dtype=np.float32)
    one = nobody.copy()
    one[3] = 1
    cases = replace(cases, reads={**cases.reads, "wound": nobody, "scar": one})
    config = WorklistConfig.model_validate({**QUICK, "interval": interval})
    found = WorklistEvaluator(config, anatomy).evaluate(cases, 0)
    for name, estimate in found.metrics.items():
        if "/wound/" in name:
            assert estimate.value is None and estimate.low is None
        if "/scar/" in name:
            assert estimate.value is not None and estimate.low is None
        if "/broken_bone/median" in name:
            assert estimate.low is not None
    assert set(found.tables["diseases"].loc["Wound"]) == {"0 of 80 (0.0 %)", "-"}
    assert list(found.tables["diseases"].index)[-2:] == ["Any of these", "None of these"]


def test_a_queue_without_end_is_refused() -> None:
    with pytest.raises(ValidationError, match="keep the reader busy 100%"):
        WorklistConfig(arrivals_per_hour=10, reading_minutes=6)
    with pytest.raises(ValidationError, match="fractions"):
        WorklistConfig(fractions=(0.0,))
