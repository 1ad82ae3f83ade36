"""Haemorrhages of whole scans, against scikit-learn on scores put together by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import roc_auc_score

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.errors import ConfigError
from crossdl.evaluation.cases import EvaluationSet
from crossdl.plugins.evaluators.external_ich import ExternalIch, ExternalIchConfig

READS = ("ICH", "IPH", "SDH", "EDH", "SAH", "IVH", "left", "right")


@pytest.fixture(scope="module")
def head() -> Anatomy:
    return load_anatomy("head_ct")


@pytest.fixture(scope="module")
def cases(head: Anatomy) -> EvaluationSet:
    """120 scans of 60 patients with every read of CQ500."""
    rng = np.random.default_rng(0)
    n = 120
    regions = rng.random((n, head.n_regions, head.n_types)).astype(np.float32)
    return EvaluationSet(
        scan_ids=tuple(f"s{i}" for i in range(n)),
        patient_ids=tuple(f"p{i // 2}" for i in range(n)),
        truth=np.full((n, head.n_regions + 2, head.n_types), np.nan, dtype=np.float32),
        region_scores=regions,
        scan_scores=rng.random((n, head.n_types)).astype(np.float32),
        quality_ok=np.ones(n, dtype=np.bool_),
        reads={name: (rng.random(n) < 0.3).astype(np.float32) for name in READS},
    )


@pytest.fixture
def evaluator(head: Anatomy) -> ExternalIch:
    return ExternalIch(ExternalIchConfig(n_resamples=50), head)


def test_every_label_is_the_papers(
    evaluator: ExternalIch, cases: EvaluationSet, head: Anatomy
) -> None:
    found = evaluator.evaluate(cases, 0)
    inner, outer = head.type_names.index("intra_hyper"), head.type_names.index("extra_hyper")
    scan, regions, reads = cases.scan_scores, cases.region_scores, cases.reads
    hyper = np.where(head.possible, regions, 0)[:, :, [inner, outer]].max(axis=2)
    left = [i for i, name in enumerate(head.region_names) if name.startswith("left_")]
    right = [i for i, name in enumerate(head.region_names) if name.startswith("right_")]
    outside = np.max([reads[name] for name in ("SDH", "EDH", "SAH", "IVH")], axis=0)
    expected = {
        "ICH": (reads["ICH"], scan[:, [inner, outer]].max(axis=1)),
        "IPH": (reads["IPH"], scan[:, inner]),
        "EPH": (outside, scan[:, outer]),
        "left": (reads["left"], hyper[:, left].max(axis=1)),
        "right": (reads["right"], hyper[:, right].max(axis=1)),
    }
    for name, (truth, score) in expected.items():
        estimate = found.metrics[f"external/auroc/{name}"]
        assert estimate.value == pytest.approx(roc_auc_score(truth, score), abs=1e-12), name
        assert estimate.low is not None and estimate.low < estimate.value < estimate.high
        assert (estimate.n, estimate.positives) == (120, int(truth.sum()))
        assert found.metrics[f"external/assessed/{name}"].value == 1
    assert set(found.figures) == {"roc"} and len(found.curves) == 5
    assert len(found.tables["labels"]) == 5


def test_labels_without_reads_are_undefined(evaluator: ExternalIch, cases: EvaluationSet) -> None:
    """CT-ICH has no sides."""
    sided = {name: cases.reads[name] for name in READS if name not in ("left", "right")}
    found = evaluator.evaluate(replace(cases, reads=sided), 0)
    assert found.metrics["external/auroc/left"].value is None
    assert found.metrics["external/assessed/left"].value == 0
    assert found.metrics["external/auroc/ICH"].value is not None
    assert found.tables["labels"].loc["Left haemorrhage", "AUROC"] == "-"
    nothing = evaluator.evaluate(replace(cases, reads={}), 0)
    assert all(e.value is None for n, e in nothing.metrics.items() if "auroc" in n)
    assert not nothing.figures


def test_scans_that_readers_do_not_agree_on_do_not_enter(
    evaluator: ExternalIch, cases: EvaluationSet
) -> None:
    reads = dict(cases.reads)
    reads["ICH"] = np.where(np.arange(120) < 20, np.float32(np.nan), reads["ICH"])
    reads["SDH"] = np.full(120, np.nan, dtype=np.float32)  # EPH is known where another one is 1
    metrics = evaluator.evaluate(replace(cases, reads=reads), 0).metrics
    rest = evaluator.evaluate(cases.take(range(20, 120)), 0).metrics
    assert metrics["external/auroc/ICH"].value == rest["external/auroc/ICH"].value
    assert metrics["external/auroc/ICH"].n == 100
    assert metrics["external/auroc/EPH"].value is None  # only positives are known
    assert 0 < metrics["external/auroc/EPH"].positives == metrics["external/auroc/EPH"].n < 120


def test_regions_without_scores(
    evaluator: ExternalIch, cases: EvaluationSet, head: Anatomy
) -> None:
    """A side is scored by the regions that have a score; without any, the scan does not enter."""
    scores = cases.region_scores.copy()
    left = [i for i, region in enumerate(head.regions) if region.side == "left"]
    lowest = left[int(scores[0, left].max(axis=1).argmin())]
    scores[0, lowest] = np.nan
    found = evaluator.evaluate(replace(cases, region_scores=scores), 0).metrics
    assert found["external/auroc/left"].n == 120
    scores[:7, left] = np.nan
    found = evaluator.evaluate(replace(cases, region_scores=scores), 0).metrics
    assert found["external/auroc/left"].n == 113 and found["external/auroc/right"].n == 120


def test_labels_of_another_anatomy(
    anatomy: Anatomy, make_cases: Callable[..., EvaluationSet]
) -> None:
    bone = {"title": "Broken", "reads": ["fracture"], "types": ["bright"], "side": "a"}
    config = ExternalIchConfig.model_validate({"labels": {"broken": bone}, "n_resamples": 20})
    cases = make_cases(0)
    reads = {"fracture": cases.truth[:, 0, 0]}
    found = ExternalIch(config, anatomy).evaluate(replace(cases, reads=reads), 0)
    expected = roc_auc_score(reads["fracture"], cases.region_scores[:, 0, 0])
    assert found.metrics["external/auroc/broken"].value == pytest.approx(expected)


def test_labels_that_do_not_fit_are_refused(anatomy: Anatomy, head: Anatomy) -> None:
    with pytest.raises(ConfigError, match=r"labels\.ICH: anatomy 'legs' has no type 'intra_hyper'"):
        ExternalIch(ExternalIchConfig(), anatomy)
    wrong = {"title": "L", "reads": ["left"], "types": ["intra_hyper"], "side": "lefft"}
    config = ExternalIchConfig.model_validate({"labels": {"left": wrong}})
    with pytest.raises(ConfigError, match=r"no side 'lefft'.*'left'"):
        ExternalIch(config, head)
    with pytest.raises(ValidationError, match="reads"):
        ExternalIchConfig.model_validate({"labels": {"x": {**wrong, "reads": []}}})
