"""Tables and pictures of calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crossdl.display import COLOURS
from crossdl.evaluation.calibration_items import Items, binned
from crossdl.evaluation.cases import Estimate
from crossdl.evaluation.resampler import Resampler
from crossdl.figures import estimate_text
from crossdl.statistics.bootstrap import resample_weights
from crossdl.types import Float64Array

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = {
    "ece": "ECE",
    "ece_equal_mass": "ECE, equal mass",
    "max_calibration_error": "MCE",
    "brier": "Brier",
    "ece_scaled": "ECE, scaled",
    "brier_scaled": "Brier, scaled",
}


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """Bins of equal width that hold items.

    Attributes:
        edges: ``(B + 1,)`` of all bins.
        items: ``(B,)`` items of all bins.
        score: ``(B,)`` mean score, NaN of empty bins.
        rate: ``(B,)`` positive rate, NaN of empty bins.
        low: ``(B,)`` lower end of the rate's interval, NaN where there is none.
        high: ``(B,)`` upper end.
    """

    edges: Float64Array
    items: Float64Array
    score: Float64Array
    rate: Float64Array
    low: Float64Array
    high: Float64Array


def reliability_curve(items: Items, resampler: Resampler, n_bins: int) -> ReliabilityCurve:
    """Positive rate by score, with pointwise percentile intervals over resampled patients."""
    config = resampler.config
    _, weights = resample_weights(resampler.groups, config.n_resamples, resampler.seed)
    found = binned(items, resampler, n_bins)
    count, score, rate = found.bins(weights)
    low = high = np.full(n_bins, np.nan)
    drawn = (~np.isnan(rate[:, 1:])).sum(axis=1) > 1
    if drawn.any() and found.n_carriers > 1:
        edges = ((1 - config.confidence) / 2, (1 + config.confidence) / 2)
        low, high = low.copy(), high.copy()
        low[drawn], high[drawn] = np.nanquantile(rate[drawn, 1:], edges, axis=1)
    return ReliabilityCurve(found.edges, count[:, 0], score[:, 0], rate[:, 0], low, high)


def calibration_table(
    rows: Mapping[str, tuple[Items, Mapping[str, Estimate]]], resampler: Resampler, n_bins: int
) -> pd.DataFrame:
    """A row per type and one of all.

    *By chance* is the ECE to expect of perfect scores, see
    :meth:`crossdl.evaluation.calibration.Reliability.chance_ece`.

    Args:
        rows: Title → the items and what was measured of them.
        resampler: Of the patients.
        n_bins: Bins.
    """
    import pandas as pd

    cells: dict[str, dict[str, str]] = {}
    for title, (items, measures) in rows.items():
        known = items.known
        by_width = binned(items, resampler, n_bins)
        chance = by_width.chance_ece()
        cells[title] = {
            "Items": f"{measures['ece'].n:,}",
            "Positive rate": f"{items.truth[known].mean():.3f}" if known.any() else "-",
            "Mean score": f"{items.scores[known].mean():.3f}" if known.any() else "-",
            **{column: estimate_text(measures[name]) for name, column in _COLUMNS.items()},
            "By chance": "-" if chance is None else f"{chance:.3f}",
            "Temperature": "-" if items.temperature is None else f"{items.temperature:.2f}",
        }
    made = pd.DataFrame.from_dict(cells, orient="index")
    order = ["Items", "Positive rate", "Mean score", "ECE", "By chance", "ECE, equal mass", "MCE",
             "Brier", "Temperature", "ECE, scaled", "Brier, scaled"]  # fmt: skip
    return made[order].rename_axis("Type")


def reliability_figure(levels: Mapping[str, Mapping[str, ReliabilityCurve]]) -> Figure:
    """Positive rate by score (dots by items), and below how many items have which score.

    Args:
        levels: Title of each panel → title of each type → its curve.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import ScalarFormatter

    figure = Figure(figsize=(5.2 * len(levels), 6.4), layout="constrained")
    axes = figure.subplots(2, len(levels), squeeze=False, height_ratios=(3, 1), sharex="col")
    for (title, curves), (ax, below) in zip(levels.items(), axes.T, strict=True):
        ax.plot([0, 1], [0, 1], color="#888888", linestyle=":", linewidth=1)
        for index, (name, curve) in enumerate(curves.items()):
            colour = COLOURS[index % len(COLOURS)]
            full = curve.items > 0
            ax.vlines(curve.score, curve.low, curve.high, color=colour, alpha=0.3, linewidth=1.2)
            ax.plot(curve.score[full], curve.rate[full], color=colour, linewidth=1.1, label=name)
            share = curve.items[full] / max(1.0, curve.items.max())
            ax.scatter(curve.score[full], curve.rate[full], s=6 + 64 * share, color=colour, lw=0)
            below.stairs(curve.items, curve.edges, color=colour, linewidth=1.3)
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), ylabel="positive rate")
        ax.set_title(title, fontsize=11, fontweight="bold")
        ax.grid(alpha=0.3)
        below.set(xlabel="score", ylabel="items", yscale="symlog", ylim=(0, None))
        below.yaxis.set_major_formatter(ScalarFormatter())
        below.grid(alpha=0.3)
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, fontsize=8, loc="outside lower center", ncols=len(handles[0]))
    return figure
