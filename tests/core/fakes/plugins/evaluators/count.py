"""An evaluator that counts."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.evaluation.cases import Estimate, Evaluation, EvaluationSet
from crossdl.interfaces import Evaluator


class CountConfig(ComponentConfig):
    kind: Literal["count"] = "count"
    resamples: int = Field(10, ge=0, description="never used")


class Count(Evaluator[CountConfig]):
    """Number of scans."""

    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        n = len(cases.scan_ids)
        return Evaluation({"scans": Estimate(float(n), n=n)})
