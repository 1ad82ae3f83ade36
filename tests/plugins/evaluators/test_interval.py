"""The kind of interval is an option of evaluators."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from crossdl.anatomy import Anatomy
from crossdl.catalog import default_catalog
from crossdl.evaluation.cases import EvaluationSet
from crossdl.statistics.auroc import bootstrap_auroc


def test_bca_changes_the_interval_and_nothing_else(
    anatomy: Anatomy, make_cases: Callable[..., EvaluationSet]
) -> None:
    cases = make_cases(0)
    catalog = default_catalog()
    found = {}
    for interval in ("percentile", "bca"):
        config = catalog.parse(
            "evaluator", {"kind": "region_auroc", "n_resamples": 60, "interval": interval}
        )
        evaluator = catalog.component("evaluator", "region_auroc")(config, anatomy)
        found[interval] = evaluator.evaluate(cases, 3).metrics["region/cell/hip/bright"]
        expected = bootstrap_auroc(
            cases.truth[:, [2], 0], cases.region_scores[:, [2], 0], cases.patient_ids,
            {"x": [0]}, n_resamples=60, seed=3, interval=interval,
        )["x"]  # fmt: skip
        assert found[interval] == expected
    assert found["percentile"].value == found["bca"].value
    assert found["percentile"].low != found["bca"].low


def test_other_kinds_of_intervals_are_refused() -> None:
    with pytest.raises(ValidationError, match="percentile"):
        default_catalog().parse("evaluator", {"kind": "scan_auroc", "interval": "normal"})
