"""AUROC of region labels: per cell, type and region part, micro and weighted macro."""

from __future__ import annotations

from typing import Literal

from crossdl.evaluation.cases import Evaluation, EvaluationSet
from crossdl.evaluation.cells import assessed_cells, cell_aurocs
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.interfaces import Evaluator


class RegionAurocConfig(ResamplingConfig):
    """Options of the region-level AUROC."""

    kind: Literal["region_auroc"] = "region_auroc"


class RegionAuroc(Evaluator[RegionAurocConfig]):
    """AUROC of the analyzer's score of every region and type.

    Metrics are those of :func:`crossdl.evaluation.cells.cell_aurocs` at level ``region``. A cell
    that nobody assessed or that has no score does not enter. Neither does a negative cell of a
    type whose *unclear* row is positive.
    """

    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        """Compares rows of regions; *other* and *unclear* do not enter."""
        return cell_aurocs(
            assessed_cells(cases.truth),
            cases.region_scores,
            cases.patient_ids,
            self.anatomy,
            level="region",
            title="Region level",
            config=self.config,
            seed=seed,
        )
