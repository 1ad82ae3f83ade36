"""AUROC of region labels: per cell, type and region part, micro and weighted macro.

Figures of method.md §7. A cell is one region with one type; impossible cells are never scored,
cells without both classes are undefined and stay out of every mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from crossdl.evaluation.cases import Estimate, Evaluation, EvaluationSet
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.interfaces import Evaluator
from crossdl.statistics.auroc import union
from crossdl.types import BoolArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd


class RegionAurocConfig(ResamplingConfig):
    """Options of the region-level AUROC."""

    kind: Literal["region_auroc"] = "region_auroc"


class RegionAuroc(Evaluator[RegionAurocConfig]):
    """AUROC of every region and type with intervals from resampled patients.

    Metrics, where pooled means micro-averaged over possible cells:

    * ``region/micro``: all cells pooled; ``region/weighted_macro``: mean over the defined cells,
      weighted with their positive rates.
    * ``region/type/TYPE``: the type's cells pooled.
    * ``region/part/PART``: the cells of a region and its mirror partner pooled.
    * ``region/any/REGION``: any type in the region, scored by the highest of its types;
      ``region/any``: these pooled over regions.
    * ``region/cell/REGION/TYPE``: one cell.

    A cell that nobody assessed or that has no score does not enter. Neither does a negative cell
    of a type whose *unclear* row is positive: the vague wording may have meant that region.
    """

    def evaluate(self, cases: EvaluationSet, seed: int) -> Evaluation:
        """Compares rows of regions; *other* and *unclear* do not enter."""
        from crossdl.figures import heat_map, roc_figure
        from crossdl.statistics.auroc import bootstrap_auroc, roc_curve

        anatomy = self.anatomy
        bags, unclear = cases.truth[:, : anatomy.n_regions], cases.truth[:, -1:]
        bags = np.where((unclear == 1) & (bags == 0), np.float32(np.nan), bags)
        unscored = np.isnan(cases.region_scores)
        truth = _with_any(np.where(unscored, np.float32(np.nan), bags), anatomy.possible)
        truth[..., -1][unscored.any(axis=2)] = np.nan
        scores = _with_any(np.where(unscored, np.float32(0), cases.region_scores), anatomy.possible)
        sets, macro = self._sets()
        n_resamples, confidence = self.config.n_resamples, self.config.confidence
        flat_truth, flat_scores = (a.reshape(len(a), -1) for a in (truth, scores))
        metrics = bootstrap_auroc(
            flat_truth, flat_scores, cases.patient_ids, sets,
            weighted_macros={"region/weighted_macro": macro},
            n_resamples=n_resamples, seed=seed, confidence=confidence,
            interval=self.config.interval,
        )  # fmt: skip
        headline = ("region/micro", "region/weighted_macro")
        metrics = {name: metrics[name] for name in dict.fromkeys((*headline, *metrics))}
        curves = {}
        for j, kind in enumerate(anatomy.types):
            rows = anatomy.possible[:, j]
            curve = roc_curve(
                truth[:, rows, j],
                scores[:, rows, j],
                cases.patient_ids,
                n_resamples=n_resamples,
                seed=seed,
                confidence=confidence,
            )
            curves[kind.title] = (curve, metrics[f"region/type/{kind.name}"])
        matrix = self._matrix(metrics)
        values = np.array([[np.nan if e.value is None else e.value for e in row] for row in matrix])
        row_titles = [*(r.title for r in anatomy.regions), "All regions"]
        column_titles = [*(t.title for t in anatomy.types), "Any type"]
        return Evaluation(
            metrics,
            tables={"cells": _table(matrix, row_titles, column_titles)},
            figures={
                "cells": heat_map(
                    values, row_titles, column_titles, title="AUROC per region and type",
                    label="AUROC",
                ),
                "roc": roc_figure(curves, title="Region level, by type"),
            },
        )  # fmt: skip

    def _sets(self) -> tuple[dict[str, list[int]], list[int]]:
        """Cells of every metric as indices into regions × (types + any), and the possible ones."""
        anatomy = self.anatomy
        width = anatomy.n_types + 1
        cell = np.arange(anatomy.n_regions * width).reshape(anatomy.n_regions, width)
        inner = cell[:, :-1]
        possible: BoolArray = anatomy.possible
        parts = np.array([r.part for r in anatomy.regions])
        everything = inner[possible].tolist()
        sets: dict[str, list[int]] = {"region/micro": everything}
        for j, kind in enumerate(anatomy.types):
            sets[f"region/type/{kind.name}"] = inner[possible[:, j], j].tolist()
        for part in anatomy.parts:
            rows = parts == part
            sets[f"region/part/{part}"] = inner[rows][possible[rows]].tolist()
        some = [bool(row.any()) for row in possible]
        sets["region/any"] = cell[some, -1].tolist()
        for i, region in enumerate(anatomy.regions):
            sets[f"region/any/{region.name}"] = [int(cell[i, -1])] if some[i] else []
        for i, region in enumerate(anatomy.regions):
            for j, kind in enumerate(anatomy.types):
                chosen = [int(cell[i, j])] if possible[i, j] else []
                sets[f"region/cell/{region.name}/{kind.name}"] = chosen
        return sets, everything

    def _matrix(self, metrics: dict[str, Estimate]) -> list[list[Estimate]]:
        """Regions × types with the margins: any type, and all regions pooled."""
        kinds = [t.name for t in self.anatomy.types]
        rows = [
            [metrics[f"region/cell/{r}/{t}"] for t in kinds] + [metrics[f"region/any/{r}"]]
            for r in self.anatomy.region_names
        ]
        return [*rows, [metrics[f"region/type/{t}"] for t in kinds] + [metrics["region/any"]]]


def _with_any(values: FloatArray, possible: BoolArray) -> FloatArray:
    """Adds to ``(n, N, M)`` in [0, 1] the highest of the possible types: ``(n, N, M + 1)``."""
    highest = union(np.where(possible, values, np.float32(0)), axis=2)
    return np.concatenate([values, highest[..., None]], axis=2)


def _table(
    matrix: list[list[Estimate]], row_titles: list[str], column_titles: list[str]
) -> pd.DataFrame:
    """The matrix as text, "value (low, high)"."""
    import pandas as pd

    from crossdl.figures import estimate_text

    cells = [[estimate_text(e) for e in row] for row in matrix]
    return pd.DataFrame(cells, index=pd.Index(row_titles, name="Region"), columns=column_titles)
