"""Checks of :class:`crossdl.interfaces.Evaluator`."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import (
    Estimate,
    Evaluation,
    EvaluationSet,
    ScanCase,
    SentenceScores,
)
from crossdl.interfaces import Evaluator
from crossdl.testing.checks import Subject, as_json, check, ensure
from crossdl.types import FloatArray, Grid, Prediction, ScanRecord, Volume

N_SCANS = 60


@check("evaluator")
def perfect_predictions(subject: Subject) -> None:
    """Scores equal to the truth give every AUROC the value 1."""
    found = _evaluated(subject, example_cases(subject.anatomy))
    ensure(bool(found.metrics), "no metric was measured")
    ensure(any(e.value is not None for e in found.metrics.values()), "every metric is undefined")
    for name, estimate in _aurocs(subject, found).items():
        perfect = estimate.value is None or estimate.value > 1 - 1e-9
        ensure(perfect, f"{name} of perfect predictions is {estimate.value}")


@check("evaluator")
def worse_predictions(subject: Subject) -> None:
    """Scores without information give AUROCs around 0.5, so the scores are really used."""
    cases = example_cases(subject.anatomy)
    other = example_cases(subject.anatomy, noise=1.0, seed=3)
    noise = replace(
        cases,
        region_scores=other.region_scores,
        scan_scores=np.random.default_rng(3).random(cases.scan_scores.shape, dtype=np.float32),
        report_scores=other.report_scores,
    )
    values = [
        e.value
        for e in _aurocs(subject, _evaluated(subject, noise)).values()
        if e.value is not None
    ]
    if values:
        mean = float(np.mean(values))
        ensure(0.35 < mean < 0.65, f"the mean AUROC of random scores is {mean:.2f}")


@check("evaluator")
def one_class(subject: Subject) -> None:
    """Where all scans are negative an AUROC is None, not 0.5, and nothing fails."""
    cases = example_cases(subject.anatomy)
    negative = replace(cases, truth=np.zeros_like(cases.truth))
    if cases.sentences is not None:
        none = np.zeros_like(cases.sentences.truth)
        negative = replace(negative, sentences=replace(cases.sentences, truth=none))
    found = _evaluated(subject, negative)
    for name, estimate in _aurocs(subject, found).items():
        undefined = estimate.value is None and estimate.low is None and estimate.high is None
        ensure(undefined, f"{name} of scans of one class is {estimate.value}, not None")


@check("evaluator")
def deterministic_by_seed(subject: Subject) -> None:
    """The same seed gives the same metrics, and the cases are left alone."""
    cases = example_cases(subject.anatomy, noise=0.6)
    untouched = example_cases(subject.anatomy, noise=0.6)
    first, second = (_evaluated(subject, cases, seed=5) for _ in range(2))
    ensure(dict(first.metrics) == dict(second.metrics), "the same seed gave other metrics")
    for name in ("truth", "region_scores", "scan_scores", "quality_ok"):
        same = np.array_equal(getattr(cases, name), getattr(untouched, name))
        ensure(same, f"evaluating changed {name} in place")


@check("evaluator")
def metrics_are_json(subject: Subject) -> None:
    """Metrics have names, finite values or None, and intervals around their value."""
    found = _evaluated(subject, example_cases(subject.anatomy, noise=0.6))
    as_json({n: asdict(e) for n, e in found.metrics.items()}, "the metrics")
    for name, estimate in found.metrics.items():
        ensure(isinstance(name, str) and bool(name.strip()), "a metric has no name")
        ensure(0 <= estimate.positives <= estimate.n, f"{name}: {estimate.positives} positives")
        if estimate.value is not None:
            ensure(math.isfinite(estimate.value), f"{name} is {estimate.value}")
            low = estimate.value if estimate.low is None else estimate.low
            high = estimate.value if estimate.high is None else estimate.high
            ensure(low <= high, f"{name}: interval from {low} to {high}")


@check("evaluator")
def order_is_irrelevant(subject: Subject) -> None:
    """The order of the scans does not change the values."""
    cases = example_cases(subject.anatomy, noise=0.6)
    order = np.random.default_rng(4).permutation(N_SCANS)
    shuffled = cases.take(order)
    plain, other = _evaluated(subject, cases).metrics, _evaluated(subject, shuffled).metrics
    ensure(plain.keys() == other.keys(), "the order of the scans changes which metrics there are")
    for name, estimate in plain.items():
        a, b = estimate.value, other[name].value
        same = a == b or (a is not None and b is not None and abs(a - b) < 1e-9)
        ensure(same, f"{name} depends on the order of the scans: {a} and {b}")


def example_cases(anatomy: Anatomy, noise: float = 0.0, seed: int = 0) -> EvaluationSet:
    """Truth with both classes in every possible cell, and scores that follow it.

    Every scan has a report that says what is true, in one sentence per abnormal region and one
    without findings.

    Args:
        anatomy: Gives N and M.
        noise: Largest deviation of a score from the truth; 0 means perfect predictions.
        seed: Of truth and noise.
    """
    rng = np.random.default_rng(seed)
    n, m = anatomy.n_regions, anatomy.n_types
    truth = np.zeros((N_SCANS, n + 2, m), dtype=np.float32)
    truth[:, :-2] = (rng.random((N_SCANS, n, m)) < 0.3) & anatomy.possible
    truth[: N_SCANS // 3] = 0

    def scores(true: FloatArray) -> FloatArray:
        return np.asarray(true * (1 - noise) + noise * rng.random(true.shape), dtype=np.float32)

    regions = scores(truth[:, :-2])
    names = tuple(f"scan{i:03d}" for i in range(N_SCANS))
    patients = tuple(f"patient{i // 2:03d}" for i in range(N_SCANS))
    quality = np.ones(N_SCANS, dtype=np.bool_)
    abnormal = np.asarray(truth.any(axis=2))
    abnormal[:, -1] = True  # the row of the sentence without findings
    owner, row = np.nonzero(abnormal)
    said = np.concatenate([np.eye(n + 2, dtype=np.float32)[row], truth[owner, row]], axis=1)
    said[~truth[owner, row].any(axis=1)] = 0
    heard = scores(said)
    return EvaluationSet(
        names, patients, truth, regions, regions.max(axis=1), quality,
        report_scores=scores(truth),
        sentences=SentenceScores(owner, said, heard, heard > 0.5),
    )  # fmt: skip


def _aurocs(subject: Subject, found: Evaluation) -> dict[str, Estimate]:
    """The metrics that are an AUROC by the name of metric or kind."""
    return {
        name: estimate
        for name, estimate in found.metrics.items()
        if "auroc" in f"{subject.kind}.{name}".lower()
    }


def _evaluated(subject: Subject, cases: EvaluationSet, seed: int = 0) -> Evaluation:
    """Measures the maps of every scan as a run does, then evaluates."""
    evaluator = subject.build()
    valid = None
    if evaluator.wants_valid:
        valid = _measured(evaluator, example_cases(subject.anatomy, noise=0.6, seed=1))
    found: Evaluation = evaluator.evaluate(replace(_measured(evaluator, cases), valid=valid), seed)
    return found


def _measured(evaluator: Evaluator[Any], cases: EvaluationSet) -> EvaluationSet:
    """The cases with what the evaluator says of :func:`example_scan` of each of them."""
    said = tuple(
        evaluator.measure(scan) for scan in map(partial(example_scan, cases), range(N_SCANS))
    )
    again = json.loads(as_json(said, "what it measured of a scan"))
    kind = evaluator.config.kind
    return cases if not any(x is not None for x in said) else replace(cases, measured={kind: again})


def example_scan(cases: EvaluationSet, index: int) -> ScanCase:
    """A few voxels of one of the cases: each type has a place of its own, with its scan score.

    Its mask is there where the case has the type.
    """
    truth, scores = cases.truth[index], cases.scan_scores[index]
    m = truth.shape[1]
    grid = Grid((4, 4, 2 * m), np.diag([4.0, 4.0, 4.0, 1.0]))
    places = np.zeros((m, *grid.shape), dtype=np.bool_)
    for j in range(m):
        places[j, 1:3, 1:3, 2 * j] = True
    maps = np.asarray(places * scores[:, None, None, None], dtype=np.float32)
    regions = np.zeros((truth.shape[0] - 2, *grid.shape), dtype=np.float32)
    name = cases.scan_ids[index]
    return ScanCase(
        ScanRecord(name, cases.patient_ids[index], "test"),
        Volume(np.zeros(grid.shape, dtype=np.float32), grid, name),
        Prediction(regions, maps, grid, cases.region_scores[index], scores),
        lambda: places & (truth.max(axis=0) > 0)[:, None, None, None],
    )
