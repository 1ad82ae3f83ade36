"""AUROC of whole scans: per type, and of the worklist's abnormality score."""

from __future__ import annotations

from typing import Literal

import numpy as np

from crossdl.evaluation.cases import Evaluation, EvaluationSet
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.interfaces import Evaluator
from crossdl.statistics.auroc import union


class ScanAurocConfig(ResamplingConfig):
    """Options of the scan-level AUROC."""

    kind: Literal["scan_auroc"] = "scan_auroc"


class ScanAuroc(Evaluator[ScanAurocConfig]):
    """AUROC of scan scores with intervals from resampled patients.

    Truth of a type is the union over all N + 2 rows of A, *other* and *unclear* included, as in
    E9; it is unknown where a row was not assessed and none is positive. Metrics: ``scan/TYPE``,
    and ``scan/any`` for the abnormality score (the highest type).
    """

    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        """Compares the union of each type's rows with its scan score."""
        from crossdl.figures import roc_figure
        from crossdl.statistics.auroc import draw_auroc, roc_curve

        types = union(cases.truth, axis=1)
        truth = np.concatenate([types, union(types, axis=1)[:, None]], axis=1)
        highest = cases.scan_scores.max(axis=1, keepdims=True)
        scores = np.concatenate([cases.scan_scores, highest], axis=1)
        n_resamples, confidence = self.config.n_resamples, self.config.confidence
        names = [*(f"scan/{t}" for t in self.anatomy.type_names), "scan/any"]
        titles = [*(t.title for t in self.anatomy.types), "Any abnormality"]
        drawn = draw_auroc(
            truth,
            scores,
            cases.patient_ids,
            {name: [j] for j, name in enumerate(names)},
            n_resamples=n_resamples,
            seed=seed,
            interval=self.config.interval,
        )
        metrics = {n: d.estimate(confidence, self.config.interval) for n, d in drawn.items()}
        curves = {
            name: roc_curve(
                truth[:, [j]],
                scores[:, [j]],
                cases.patient_ids,
                n_resamples=n_resamples,
                seed=seed,
                confidence=confidence,
            )
            for j, name in enumerate(names)
        }
        shown = {t: (curves[n], metrics[n]) for n, t in zip(names, titles, strict=True)}
        return Evaluation(
            metrics,
            figures={"roc": roc_figure(shown, title="Scan level, by type")},
            drawn=drawn,
            curves={name: curve for name, curve in curves.items() if curve is not None},
        )
