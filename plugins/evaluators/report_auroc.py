"""AUROC of abnormality matrices read from reports: against gold, and against the text itself."""

from __future__ import annotations

from typing import Literal

import numpy as np

from crossdl.evaluation.cases import Evaluation, EvaluationSet
from crossdl.evaluation.cells import assessed_cells, cell_aurocs
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.interfaces import Evaluator
from crossdl.types import FloatArray


class ReportAurocConfig(ResamplingConfig):
    """Options of the report-level AUROC."""

    kind: Literal["report_auroc"] = "report_auroc"


class ReportAuroc(Evaluator[ReportAurocConfig]):
    """How good the weak labels are that the analyzer learns from (Fig. 2C and 2D of Liu et al.).

    The scores of a report are E1 of the discretizer's probabilities. Metrics are those of
    :func:`crossdl.evaluation.cells.cell_aurocs` at two levels:

    * ``report_vs_gold``: against the gold labels of the scan, so that what the report leaves out
      or has wrong counts, too. Scans whose truth only comes from the report itself do not enter;
      of the others what enters is as in ``region_auroc``.
    * ``report_vs_text``: against E1 of the true labels of the report's sentences, so that only
      reading counts. Scans whose sentences have no known labels do not enter.
    """

    wants_reports = True
    headline = ("*/micro", "*/type/*")

    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        """Compares rows of regions; *other* and *unclear* do not enter."""
        n_regions = self.anatomy.n_regions
        scores = np.full_like(cases.truth[:, :n_regions], np.nan)
        if cases.report_scores is not None:
            scores = cases.report_scores[:, :n_regions]
        gold = assessed_cells(cases.truth)
        if cases.gold is not None:
            gold = np.where(cases.gold[:, None, None], gold, np.float32(np.nan))
        merged = Evaluation({}, {}, {})
        for name, title, truth in (
            ("gold", "Reports against gold", gold),
            ("text", "Reports against their text", self._text(cases)),
        ):
            found = cell_aurocs(
                truth,
                scores,
                cases.patient_ids,
                self.anatomy,
                level=f"report_vs_{name}",
                title=title,
                config=self.config,
                seed=seed,
            )
            merged = Evaluation(
                {**merged.metrics, **found.metrics},
                {**merged.tables, **{f"{name}_{k}": v for k, v in found.tables.items()}},
                {**merged.figures, **{f"{name}_{k}": v for k, v in found.figures.items()}},
                {**merged.drawn, **found.drawn},
                {**merged.curves, **found.curves},
            )
        return merged

    def _text(self, cases: EvaluationSet) -> FloatArray:
        """E1 of the true labels of each scan's sentences, ``(n, N, M)``; NaN without sentences."""
        anatomy = self.anatomy
        stated = np.full_like(cases.truth[:, : anatomy.n_regions], np.nan)
        if cases.sentences is not None:
            truth = cases.sentences.truth >= 0.5
            regions, types = truth[:, : anatomy.n_regions], truth[:, len(anatomy.label_names) :]
            pairs = (regions[:, :, None] & types[:, None, :]).astype(np.float32)
            np.fmax.at(stated, cases.sentences.owner, pairs)
        return stated
