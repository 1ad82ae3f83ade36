"""AUROC of a matrix of cells, regions × types: pooled in several ways, as tables and figures.

A cell is one region with one type. Impossible cells are never scored; cells without both classes
are undefined and stay out of every mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import Estimate, Evaluation
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.statistics.auroc import union
from crossdl.types import BoolArray, FloatArray

if TYPE_CHECKING:
    import pandas as pd

    from crossdl.statistics.auroc import RocCurve


def assessed_cells(truth: FloatArray) -> FloatArray:
    """Truth of the regions, without negative cells of types whose *unclear* row is positive.

    The vague wording may have meant that region.

    Args:
        truth: ``(n, N + 2, M)`` 0/1, NaN where not assessed.

    Returns:
        ``(n, N, M)``; NaN where the cell's truth is unknown.
    """
    bags, unclear = truth[:, :-2], truth[:, -1:]
    return np.where((unclear == 1) & (bags == 0), np.float32(np.nan), bags)


def cell_aurocs(
    truth: FloatArray,
    scores: FloatArray,
    patient_ids: Sequence[str],
    anatomy: Anatomy,
    *,
    level: str,
    title: str,
    config: ResamplingConfig,
    seed: int,
) -> Evaluation:
    """AUROC of every region and type with intervals from resampled patients.

    Metrics, where pooled means micro-averaged over possible cells:

    * ``LEVEL/micro``: all cells pooled; ``LEVEL/weighted_macro``: mean over the defined cells,
      weighted with their positive rates.
    * ``LEVEL/type/TYPE``: the type's cells pooled.
    * ``LEVEL/part/PART``: the cells of a region and its mirror partner pooled.
    * ``LEVEL/any/REGION``: any type in the region, scored by the highest of its types;
      ``LEVEL/any``: these pooled over regions.
    * ``LEVEL/cell/REGION/TYPE``: one cell.

    A table and a heat map ``cells``, and a figure ``roc`` with a curve per type, are there where
    any cell is defined.

    Args:
        truth: ``(n, N, M)`` 0/1, NaN where unknown.
        scores: ``(n, N, M)`` in [0, 1], NaN where a cell has no score: it does not enter.
        patient_ids: n patients.
        anatomy: Regions, types and which cells are possible.
        level: First part of the metrics' names.
        title: What the ROC figure is of, such as "Region level".
        config: Of the intervals.
        seed: Of the resamples.
    """
    from crossdl.figures import heat_map, roc_figure
    from crossdl.statistics.auroc import draw_auroc, roc_curve

    unscored = np.isnan(scores)
    known = _with_any(np.where(unscored, np.float32(np.nan), truth), anatomy.possible)
    known[..., -1][unscored.any(axis=2)] = np.nan
    values = _with_any(np.where(unscored, np.float32(0), scores), anatomy.possible)
    sets, macro = _sets(anatomy, level)
    drawn = draw_auroc(
        known.reshape(len(known), -1), values.reshape(len(values), -1), patient_ids, sets,
        weighted_macros={f"{level}/weighted_macro": macro},
        n_resamples=config.n_resamples, seed=seed, interval=config.interval,
    )  # fmt: skip
    headline = (f"{level}/micro", f"{level}/weighted_macro")
    metrics = {
        name: drawn[name].estimate(config.confidence, config.interval)
        for name in dict.fromkeys((*headline, *drawn))
    }
    if all(estimate.value is None for estimate in metrics.values()):
        return Evaluation(metrics)
    curves: dict[str, RocCurve] = {}
    shown_curves: dict[str, tuple[RocCurve | None, Estimate]] = {}
    for j, kind in enumerate(anatomy.types):
        rows = anatomy.possible[:, j]
        curve = roc_curve(
            known[:, rows, j],
            values[:, rows, j],
            patient_ids,
            n_resamples=config.n_resamples,
            seed=seed,
            confidence=config.confidence,
        )
        metric = f"{level}/type/{kind.name}"
        shown_curves[kind.title] = (curve, metrics[metric])
        if curve is not None:
            curves[metric] = curve
    matrix = _matrix(metrics, anatomy, level)
    shown = np.array([[np.nan if e.value is None else e.value for e in row] for row in matrix])
    row_titles = [*(r.title for r in anatomy.regions), "All regions"]
    column_titles = [*(t.title for t in anatomy.types), "Any type"]
    heat = heat_map(
        shown, row_titles, column_titles, title=f"{title}: AUROC per region and type", label="AUROC"
    )
    return Evaluation(
        metrics,
        tables={"cells": _table(matrix, row_titles, column_titles)},
        figures={"cells": heat, "roc": roc_figure(shown_curves, title=f"{title}, by type")},
        drawn=drawn,
        curves=curves,
    )


def _sets(anatomy: Anatomy, level: str) -> tuple[dict[str, list[int]], list[int]]:
    """Cells of every metric as indices into regions × (types + any), and the possible ones."""
    width = anatomy.n_types + 1
    cell = np.arange(anatomy.n_regions * width).reshape(anatomy.n_regions, width)
    inner = cell[:, :-1]
    possible: BoolArray = anatomy.possible
    parts = np.array([r.part for r in anatomy.regions])
    everything = inner[possible].tolist()
    sets: dict[str, list[int]] = {f"{level}/micro": everything}
    for j, kind in enumerate(anatomy.types):
        sets[f"{level}/type/{kind.name}"] = inner[possible[:, j], j].tolist()
    for part in anatomy.parts:
        rows = parts == part
        sets[f"{level}/part/{part}"] = inner[rows][possible[rows]].tolist()
    some = [bool(row.any()) for row in possible]
    sets[f"{level}/any"] = cell[some, -1].tolist()
    for i, region in enumerate(anatomy.regions):
        sets[f"{level}/any/{region.name}"] = [int(cell[i, -1])] if some[i] else []
    for i, region in enumerate(anatomy.regions):
        for j, kind in enumerate(anatomy.types):
            chosen = [int(cell[i, j])] if possible[i, j] else []
            sets[f"{level}/cell/{region.name}/{kind.name}"] = chosen
    return sets, everything


def _matrix(metrics: Mapping[str, Estimate], anatomy: Anatomy, level: str) -> list[list[Estimate]]:
    """Regions × types with the margins: any type, and all regions pooled."""
    kinds = [t.name for t in anatomy.types]
    rows = [
        [metrics[f"{level}/cell/{r}/{t}"] for t in kinds] + [metrics[f"{level}/any/{r}"]]
        for r in anatomy.region_names
    ]
    return [*rows, [metrics[f"{level}/type/{t}"] for t in kinds] + [metrics[f"{level}/any"]]]


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
