"""Calibration of scans and cells, against scikit-learn, torchmetrics and by construction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import EvaluationSet
from crossdl.plugins.evaluators.calibration import Calibration, CalibrationConfig

MakeCases = Callable[..., EvaluationSet]
POSSIBLE = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1)]


@pytest.fixture
def evaluator(anatomy: Anatomy) -> Calibration:
    return Calibration(CalibrationConfig(n_resamples=30), anatomy)


def ece(truth: np.ndarray, scores: np.ndarray) -> float:
    import torch
    from torchmetrics.functional.classification import binary_calibration_error

    return float(
        binary_calibration_error(torch.tensor(scores), torch.tensor(truth).int(), n_bins=15)
    )


def off_edges(cases: EvaluationSet) -> EvaluationSet:
    """Scores that lie on no edge of a bin, where libraries differ."""
    return replace(
        cases,
        region_scores=(cases.region_scores * 0.99 + 0.003).astype(np.float32),
        scan_scores=(cases.scan_scores * 0.99 + 0.003).astype(np.float32),
    )


def test_cells_and_scans_are_pooled_as_named(evaluator: Calibration, make_cases: MakeCases) -> None:
    cases = off_edges(make_cases(0))
    truth = np.stack([cases.truth[:, i, j] for i, j in POSSIBLE], axis=1)
    scores = np.stack([cases.region_scores[:, i, j] for i, j in POSSIBLE], axis=1)
    scans = cases.truth.max(axis=1)
    metrics = evaluator.evaluate(cases, 0).metrics
    for name, t, s in (
        ("region/{}", truth, scores),
        ("region/{}/bright", truth[:, :3], scores[:, :3]),
        ("region/{}/dark", truth[:, 3:], scores[:, 3:]),
        ("scan/{}", scans, cases.scan_scores),
        ("scan/{}/dark", scans[:, 1], cases.scan_scores[:, 1]),
    ):
        t, s = t.ravel(), s.ravel()
        found = metrics[name.format("brier")]
        assert found.value == pytest.approx(brier_score_loss(t, s.astype(np.float64)), abs=1e-9)
        assert (found.n, found.positives) == (t.size, t.sum())
        assert found.low is not None and found.low < found.value < found.high
        assert metrics[name.format("ece")].value == pytest.approx(ece(t, s), abs=1e-5)
    assert metrics["scan/ece_scaled"].value is None  # there are no validation scans


def test_what_nobody_knows_does_not_enter(evaluator: Calibration, make_cases: MakeCases) -> None:
    cases = make_cases(1)
    truth, scores = cases.truth.copy(), cases.region_scores.copy()
    truth[:30, 0, 0] = np.nan
    scores[:, 1] = np.nan
    truth[30:50, -1, 1] = 1  # vague: negative cells of the type are unknown
    found = evaluator.evaluate(replace(cases, truth=truth, region_scores=scores), 0).metrics
    known = ~np.isnan(truth[:, [0, 2], 0])
    assert found["region/brier/bright"].n == known.sum()
    dark = truth[:, 0, 1].copy()
    dark[30:50][dark[30:50] == 0] = np.nan
    assert found["region/brier/dark"].n == (~np.isnan(dark)).sum()
    impossible = scores.copy()
    impossible[:, 2, 1] = 1
    assert (
        evaluator.evaluate(replace(cases, truth=truth, region_scores=impossible), 0).metrics
        == found
    )


def test_a_temperature_of_validation_repairs_overconfidence(
    evaluator: Calibration, make_cases: MakeCases
) -> None:
    rng = np.random.default_rng(0)

    def overconfident(n: int) -> EvaluationSet:
        cases = make_cases(0, n=n)
        p = rng.beta(1, 2, (n, 3, 2))
        truth = np.zeros((n, 5, 2), dtype=np.float32)
        truth[:, :3] = rng.random(p.shape) < p
        odds = (p / (1 - p)) ** 3
        return replace(cases, truth=truth, region_scores=(odds / (1 + odds)).astype(np.float32))

    cases = replace(overconfident(1500), valid=overconfident(1000))
    found = evaluator.evaluate(cases, 0)
    metrics = found.metrics
    assert metrics["region/ece"].value > 0.1
    assert metrics["region/ece_scaled"].value < 0.03
    assert metrics["region/brier_scaled"].value < metrics["region/brier"].value - 0.01
    row = found.tables["region"].loc["Bright spot"]
    assert float(row["Temperature"]) == pytest.approx(3, rel=0.15)
    assert float(row["By chance"]) < 0.03


def test_validation_of_one_class_gives_no_temperature(
    evaluator: Calibration, make_cases: MakeCases
) -> None:
    cases = make_cases(2)
    negative = replace(cases, truth=np.zeros_like(cases.truth))
    found = evaluator.evaluate(replace(cases, valid=negative), 0)
    assert found.metrics["scan/brier_scaled"].value is None
    assert found.metrics["scan/brier"].value is not None
    assert (found.tables["scan"]["Temperature"] == "-").all()


def test_nothing_known_is_undefined(evaluator: Calibration, make_cases: MakeCases) -> None:
    cases = make_cases(3, n=4)
    found = evaluator.evaluate(replace(cases, truth=np.full_like(cases.truth, np.nan)), 0)
    assert all(e.value is None and e.low is None and e.n == 0 for e in found.metrics.values())
    assert (found.tables["region"]["ECE"] == "-").all()
    found.figures["reliability"].canvas.draw()


def test_certain_scores_and_one_patient_are_survived(
    evaluator: Calibration, make_cases: MakeCases
) -> None:
    cases = make_cases(4, n=6)
    exact = replace(
        cases,
        region_scores=cases.truth[:, :3],
        scan_scores=cases.truth.max(axis=1),
        patient_ids=("one",) * 6,
    )
    found = evaluator.evaluate(replace(exact, valid=exact), 0)
    assert found.metrics["region/ece"].value == found.metrics["scan/brier"].value == 0
    assert all(e.low is None and e.high is None for e in found.metrics.values())
    found.figures["reliability"].canvas.draw()


def test_same_seed_same_intervals(evaluator: Calibration, make_cases: MakeCases) -> None:
    cases = replace(make_cases(5), valid=make_cases(6))
    one, two, other = (evaluator.evaluate(cases, seed) for seed in (7, 7, 8))
    assert one.metrics == two.metrics
    assert one.metrics["scan/brier"].low != other.metrics["scan/brier"].low
    assert one.drawn.keys() == one.metrics.keys()
