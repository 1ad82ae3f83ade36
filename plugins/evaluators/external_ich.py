"""Haemorrhages that external readers saw in whole scans, such as in CQ500 and CT-ICH."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from crossdl.anatomy import Anatomy
from crossdl.errors import ConfigError
from crossdl.evaluation.cases import Estimate, Evaluation, EvaluationSet
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.hints import suggest
from crossdl.interfaces import Evaluator
from crossdl.statistics.auroc import union
from crossdl.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd


class ReadLabel(BaseModel):
    """One label: what readers said, and which predictions answer it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str = Field(description="what tables and figures print")
    reads: tuple[str, ...] = Field(
        min_length=1, description="reads of the cohort; the label is true where any of them is"
    )
    types: tuple[str, ...] = Field(
        min_length=1, description="abnormality types; the score is the highest prediction of them"
    )
    side: str | None = Field(
        default=None, description="only regions of this side of the anatomy; none: the whole scan"
    )


_HYPER = ("intra_hyper", "extra_hyper")


class ExternalIchConfig(ResamplingConfig):
    """Which reads are compared with which predictions."""

    kind: Literal["external_ich"] = "external_ich"
    labels: Mapping[str, ReadLabel] = Field(
        {
            "ICH": ReadLabel(title="Intracranial haemorrhage", reads=("ICH",), types=_HYPER),
            "IPH": ReadLabel(
                title="Intraparenchymal haemorrhage", reads=("IPH",), types=("intra_hyper",)
            ),
            "EPH": ReadLabel(
                title="Extraparenchymal haemorrhage",
                reads=("SDH", "EDH", "SAH", "IVH"),
                types=("extra_hyper",),
            ),
            "left": ReadLabel(title="Left haemorrhage", reads=("left",), types=_HYPER, side="left"),
            "right": ReadLabel(
                title="Right haemorrhage", reads=("right",), types=_HYPER, side="right"
            ),
        },
        min_length=1,
        description="by name in metrics; the default is the paper's for CQ500",
    )


class ExternalIch(Evaluator[ExternalIchConfig]):
    """AUROC of what external readers said of whole scans, with intervals from resampled patients.

    Readers name diseases, the analyzer types of abnormalities, so each label is answered by the
    highest prediction of the types as which it appears (the paper's Fig. 6): any haemorrhage by
    both hyperdensities, intraparenchymal haemorrhage (IPH) by the intraparenchymal one, subdural,
    epidural, subarachnoid and intraventricular haemorrhage together (EPH) by the extraparenchymal
    one; the side by the regions of that side. Hyperdensity that is no haemorrhage and haemorrhage
    that is not dense are mistakes by design.

    Metrics, for each label of the configuration: ``external/auroc/LABEL``, undefined where the
    cohort has no such read, and ``external/assessed/LABEL``, the share of the scans whose label is
    known.
    """

    def __init__(self, config: ExternalIchConfig, anatomy: Anatomy) -> None:
        """Keeps both.

        Raises:
            ConfigError: A label names a type or a side that the anatomy has not.
        """
        super().__init__(config, anatomy)
        sides = sorted({r.side for r in anatomy.regions if r.side is not None})
        problems = []
        for name, label in config.labels.items():
            for what, asked, known in (
                ("type", label.types, anatomy.type_names),
                ("side", () if label.side is None else (label.side,), sides),
            ):
                problems += [
                    f"labels.{name}: anatomy {anatomy.name!r} has no {what} {value!r}"
                    f"{suggest(value, known)}"
                    for value in asked
                    if value not in known
                ]
        if problems:
            raise ConfigError("evaluator external_ich: labels do not fit the anatomy", problems)

    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        """Compares reads with scores of scans and of sides."""
        from crossdl.figures import roc_figure
        from crossdl.statistics.auroc import draw_auroc, roc_curve

        config, patients = self.config, cases.patient_ids
        truth = np.stack([read_truth(x, cases) for x in config.labels.values()], axis=1)
        scores = np.stack([self._scores(x, cases) for x in config.labels.values()], axis=1)
        truth = np.where(np.isnan(scores), np.float32(np.nan), truth)
        scores = np.nan_to_num(scores)
        drawn = draw_auroc(
            truth,
            scores,
            patients,
            {f"external/auroc/{name}": [k] for k, name in enumerate(config.labels)},
            n_resamples=config.n_resamples,
            seed=seed,
            interval=config.interval,
        )
        metrics = {n: d.estimate(config.confidence, config.interval) for n, d in drawn.items()}
        aurocs = list(metrics.values())
        for name, estimate in zip(config.labels, aurocs, strict=True):
            share = estimate.n / len(truth)
            metrics[f"external/assessed/{name}"] = Estimate(
                share, n=len(truth), positives=estimate.n
            )
        curves = [
            roc_curve(
                truth[:, [k]],
                scores[:, [k]],
                patients,
                n_resamples=config.n_resamples,
                seed=seed,
                confidence=config.confidence,
            )
            for k in range(len(aurocs))
        ]
        tables = {"labels": self._table(aurocs)}
        if all(curve is None for curve in curves):
            return Evaluation(metrics, tables)
        titles = [label.title for label in config.labels.values()]
        shown = dict(zip(titles, zip(curves, aurocs, strict=True), strict=True))
        return Evaluation(
            metrics,
            tables,
            figures={"roc": roc_figure(shown, title="Haemorrhages that readers saw")},
            drawn=drawn,
            curves={n: c for n, c in zip(drawn, curves, strict=True) if c is not None},
        )

    def _scores(self, label: ReadLabel, cases: EvaluationSet) -> FloatArray:
        """``(n,)`` highest prediction; NaN of scans of whose side no region has a score."""
        columns = [self.anatomy.type_names.index(name) for name in label.types]
        if label.side is None:
            return np.asarray(cases.scan_scores[:, columns].max(axis=1))
        rows = [i for i, region in enumerate(self.anatomy.regions) if region.side == label.side]
        cells = np.ix_(rows, columns)
        scores = cases.region_scores[:, cells[0], cells[1]]
        usable = self.anatomy.possible[cells] & ~np.isnan(scores)
        highest = np.where(usable, scores, -np.inf).max(axis=(1, 2))
        return np.where(np.isinf(highest), np.float32(np.nan), highest).astype(np.float32)

    def _table(self, aurocs: list[Estimate]) -> pd.DataFrame:
        """What each label is on both sides (the paper's Fig. 6A), and what came out."""
        import pandas as pd

        from crossdl.figures import estimate_text

        titles = {kind.name: kind.title for kind in self.anatomy.types}
        rows = [
            {
                "Label": label.title,
                "Readers": " or ".join(label.reads),
                "Prediction": " or ".join(titles[kind] for kind in label.types)
                + (f", {label.side} regions" if label.side else ""),
                "Assessed": estimate.n,
                "Positive": estimate.positives,
                "AUROC": estimate_text(estimate),
            }
            for label, estimate in zip(self.config.labels.values(), aurocs, strict=True)
        ]
        return pd.DataFrame(rows).set_index("Label")


def read_truth(label: ReadLabel, cases: EvaluationSet) -> FloatArray:
    """``(n,)`` 1 where any of the label's reads is, NaN where that is not known."""
    unknown = np.full(len(cases.scan_ids), np.nan, dtype=np.float32)
    return union(np.stack([cases.reads.get(name, unknown) for name in label.reads], axis=1), 1)
