"""Report AUROC: which scans enter against gold and against the text, and what is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import EvaluationSet, SentenceScores
from crossdl.plugins.evaluators.region_auroc import RegionAuroc, RegionAurocConfig
from crossdl.plugins.evaluators.report_auroc import ReportAuroc, ReportAurocConfig

MakeCases = Callable[..., EvaluationSet]
GOLD, TEXT = "report_vs_gold", "report_vs_text"


@pytest.fixture
def evaluator(anatomy: Anatomy) -> ReportAuroc:
    return ReportAuroc(ReportAurocConfig(n_resamples=30), anatomy)


@pytest.fixture
def cases(make_cases: MakeCases) -> EvaluationSet:
    """80 scans with reports; scans 70 and later have no sentences with known labels."""
    rng = np.random.default_rng(1)
    made = make_cases(0)
    truth = (rng.random((210, 7)) < 0.4).astype(np.float32)
    owner = np.repeat(np.arange(70), 3)
    sentences = SentenceScores(owner, truth, truth, truth > 0.5)
    scores = rng.random((80, 5, 2)).astype(np.float32)
    return replace(made, report_scores=scores, sentences=sentences)


def pooled(truth: np.ndarray, scores: np.ndarray, column: int) -> float:
    rows = [0, 1, 2] if column == 0 else [0, 1]  # the hip is never dark
    return float(roc_auc_score(truth[:, rows, column].ravel(), scores[:, rows, column].ravel()))


def test_against_gold_it_is_the_region_auroc_of_the_report_scores(
    evaluator: ReportAuroc, cases: EvaluationSet, anatomy: Anatomy
) -> None:
    assert cases.report_scores is not None
    vague = cases.truth.copy()
    vague[:20, -1, 0] = 1
    cases = replace(cases, truth=vague)
    found = evaluator.evaluate(cases, 0).metrics
    regions = replace(cases, region_scores=cases.report_scores[:, :3])
    other = RegionAuroc(RegionAurocConfig(n_resamples=30), anatomy).evaluate(regions, 0).metrics
    assert {n.removeprefix(GOLD): e for n, e in found.items() if n.startswith(GOLD)} == {
        n.removeprefix("region"): e for n, e in other.items()
    }


def test_against_the_text_truth_is_e1_of_its_sentences(
    evaluator: ReportAuroc, cases: EvaluationSet
) -> None:
    assert cases.sentences is not None and cases.report_scores is not None
    truth = np.zeros((70, 3, 2))
    for scan, row in zip(cases.sentences.owner, cases.sentences.truth, strict=True):
        truth[scan] = np.maximum(truth[scan], np.outer(row[:3], row[5:]))
    found = evaluator.evaluate(cases, 0).metrics
    for column, kind in enumerate(("bright", "dark")):
        expected = pooled(truth, cases.report_scores[:70, :3], column)
        assert found[f"{TEXT}/type/{kind}"].value == pytest.approx(expected, abs=1e-12)
    assert found[f"{TEXT}/micro"].n == 70 * 5
    assert found[f"{GOLD}/micro"].n == 80 * 5


def test_vague_wording_is_no_doubt_about_what_the_text_says(
    evaluator: ReportAuroc, cases: EvaluationSet
) -> None:
    assert cases.sentences is not None
    clear = cases.sentences.truth.copy()
    clear[:, 4] = 0
    plain = replace(cases, sentences=replace(cases.sentences, truth=clear))
    one, two = (evaluator.evaluate(c, 0).metrics[f"{TEXT}/micro"] for c in (cases, plain))
    assert one == two


def test_what_the_report_was_read_to_say_is_no_gold(
    evaluator: ReportAuroc, cases: EvaluationSet
) -> None:
    assert cases.report_scores is not None
    gold = np.arange(80) >= 30
    found = evaluator.evaluate(replace(cases, gold=gold), 0).metrics
    expected = pooled(cases.truth[30:], cases.report_scores[30:, :3], 0)
    assert found[f"{GOLD}/type/bright"].value == pytest.approx(expected, abs=1e-12)
    assert found[f"{GOLD}/micro"].n == 50 * 5
    nothing = evaluator.evaluate(replace(cases, gold=np.zeros(80, dtype=np.bool_)), 0)
    assert all(e.value is None for n, e in nothing.metrics.items() if n.startswith(GOLD))
    assert set(nothing.tables) == {"text_cells"}
    assert set(nothing.figures) == {"text_cells", "text_roc"}


def test_scans_without_a_report_do_not_enter(evaluator: ReportAuroc, cases: EvaluationSet) -> None:
    assert cases.report_scores is not None
    scores = cases.report_scores.copy()
    scores[:10] = np.nan
    found = evaluator.evaluate(replace(cases, report_scores=scores), 0).metrics
    assert (found[f"{GOLD}/micro"].n, found[f"{TEXT}/micro"].n) == (70 * 5, 60 * 5)


def test_without_reports_everything_is_undefined(
    evaluator: ReportAuroc, make_cases: MakeCases
) -> None:
    found = evaluator.evaluate(make_cases(0), 0)
    assert found.metrics and all(e.value is None and e.n == 0 for e in found.metrics.values())
    assert not found.tables and not found.figures


def test_both_comparisons_have_a_table_and_figures(
    evaluator: ReportAuroc, cases: EvaluationSet
) -> None:
    found = evaluator.evaluate(cases, 0)
    assert set(found.figures) == {"gold_cells", "gold_roc", "text_cells", "text_roc"}
    table, value = found.tables["text_cells"], found.metrics[f"{TEXT}/type/bright"].value
    assert table.loc["All regions", "Bright spot"].startswith(f"{value:.3f}")
    assert table.loc["Hip", "Dark spot"] == "-"
    assert found.figures["gold_roc"].axes[0].get_title() == "Reports against gold, by type"
