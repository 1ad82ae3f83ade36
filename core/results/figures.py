"""Figures that put several runs beside each other."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossdl.display import COLOURS
from crossdl.evaluation.cases import Estimate
from crossdl.figures import estimate_text
from crossdl.statistics.auroc import RocCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = Mapping[str, tuple[RocCurve | None, Estimate]]
"""Name of a run → its curve, and its AUROC."""

_COLUMNS = 3
_GREY = "#777777"


@dataclass(frozen=True)
class ForestRow:
    """A line of a forest plot.

    Attributes:
        title: On the left.
        estimates: Drawn thin below each other; those without a value are left out.
        mean: Drawn as a diamond; None draws none.
        reference: Whether it has the reference's colour.
    """

    title: str
    estimates: Sequence[Estimate]
    mean: float | None = None
    reference: bool = False


def forest_figure(
    panels: Mapping[str, Sequence[ForestRow]],
    references: Mapping[str, float | None],
    *,
    title: str,
) -> Figure:
    """Values with their intervals, a panel for each metric, all panels with the same rows.

    Args:
        panels: Title of each panel → its rows, from top to bottom.
        references: Title of a panel → where its dashed line stands; none where absent or None.
        title: Headline.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows = max(len(found) for found in panels.values())
    columns = min(_COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    longest = max(len(line) for found in panels.values() for r in found for line in _wrapped(r))
    names = 0.4 + 0.075 * longest
    size = (names + 3.2 * columns, 0.9 + lines * (0.75 + 0.36 * rows))
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=11, fontweight="bold")
    axes = figure.subplots(lines, columns, squeeze=False, sharey=True)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (name, found) in zip(axes.flat, panels.items(), strict=False):
        _forest(ax, found, references.get(name))
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
        ax.set_title(textwrap.fill(name, 38), fontsize=9)
    return figure


def matrix_figure(
    values: npt.NDArray[np.float64],
    row_titles: Sequence[str],
    column_titles: Sequence[str],
    *,
    title: str,
) -> Figure:
    """Numbers of several metrics, coloured within each column from its least to its most.

    Args:
        values: ``(rows, columns)``; NaN is undefined and printed as "-".
        row_titles: One per row.
        column_titles: One per column.
        title: Headline.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    rows, columns = values.shape
    least = np.array([_nan_or(np.min, column) for column in values.T])
    span = np.array([_nan_or(np.ptp, column) for column in values.T])
    shade = np.where(span > 0, (values - least) / np.where(span > 0, span, 1), values * 0 + 0.5)
    names = max(len(line) for t in row_titles for line in textwrap.wrap(t, 34))
    size = (1.4 + 0.075 * names + 1.02 * columns, 1.9 + 0.36 * rows)
    figure = Figure(figsize=size, layout="constrained")
    ax = figure.subplots()
    colours = colormaps["cividis"].with_extremes(bad="#ececec")
    image = ax.imshow(shade, cmap=colours, vmin=0, vmax=1, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        undefined = bool(np.isnan(value))
        dark = not undefined and shade[row, column] <= 0.5
        text = "-" if undefined else f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
        colour = "white" if dark else "black"
        ax.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)
    wrapped = [textwrap.fill(t, 16, break_long_words=False) for t in column_titles]
    ax.set_xticks(range(columns), wrapped, fontsize=7)
    ax.set_yticks(range(rows), [textwrap.fill(t, 34) for t in row_titles], fontsize=8)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=11, fontweight="bold")
    bar = figure.colorbar(image, ax=ax, shrink=0.7, ticks=[0, 1])
    bar.ax.set_yticklabels(["least of\nits column", "most of\nits column"], fontsize=7.5)
    return figure


def curves_figure(
    histories: Mapping[str, Sequence[Sequence[Mapping[str, float]]]], *, most: int = 6
) -> Figure:
    """Losses by epoch of several methods, a panel for each quantity.

    Args:
        histories: Name of each method → the histories of its trainings, which share a colour.
        most: Panels. Those of validation come first, and are all where there are any.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    names = dict.fromkeys(
        name for runs in histories.values() for run in runs for epoch in run for name in epoch
    )
    chosen = [name for name in names if name.startswith("valid")] or list(names)
    chosen = chosen[:most] or ["loss"]
    columns = min(_COLUMNS, len(chosen))
    lines = -(-len(chosen) // columns)
    legend = 0.35 + 0.2 * -(-len(histories) // 2)
    figure = Figure(figsize=(4.2 * columns, 2.9 * lines + legend), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False)
    for ax in axes.flat[len(chosen) :]:
        ax.set_axis_off()
    handles = {}
    for ax, quantity in zip(axes.flat, chosen, strict=False):
        for index, (method, runs) in enumerate(histories.items()):
            for run in runs:
                values = [epoch.get(quantity, np.nan) for epoch in run]
                (line,) = ax.plot(
                    np.arange(1, len(values) + 1), values, linewidth=1.3, **_style(index)
                )
                handles[method] = line
        ax.set_title(quantity.replace("/", " ").replace("_", " "), fontsize=10)
        ax.set_xlabel("epoch", fontsize=9)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.3)
    figure.legend(
        list(handles.values()), list(handles), loc="outside lower center", ncols=2,
        fontsize=8, frameon=False,
    )  # fmt: skip
    return figure


def roc_panels(panels: Mapping[str, Curves], *, title: str) -> Figure:
    """ROC curves of several runs with pointwise bands, a panel for each metric.

    Args:
        panels: Title of each panel → its curves; undefined ones are named with "-".
        title: Headline.
    """
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(4.6 * columns, 4.9 * lines + 0.4), layout="constrained")
    figure.suptitle(title, fontsize=11, fontweight="bold")
    axes = figure.subplots(lines, columns, squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    for ax, (name, curves) in zip(axes.flat, panels.items(), strict=False):
        ax.plot([0, 1], [0, 1], color=_GREY, linestyle=":", linewidth=1)
        for index, (run, (curve, estimate)) in enumerate(curves.items()):
            style = _style(index)
            text = f"{run}: {estimate_text(estimate)}"
            if curve is None:
                ax.plot([], [], label=text, **style)
                continue
            if curve.low is not None and curve.high is not None:
                ax.fill_between(
                    curve.grid, curve.low, curve.high, color=style["color"], alpha=0.12, lw=0
                )
            ax.plot(curve.fpr, curve.tpr, linewidth=1.6, label=text, **style)
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        ax.set_title(textwrap.fill(name, 44), fontsize=9)
        ax.grid(alpha=0.3)
        ax.legend(loc="lower right", fontsize=7)
    figure.supxlabel("1 - specificity (false positive rate)", fontsize=9)
    figure.supylabel("sensitivity (true positive rate)", fontsize=9)
    return figure


def _forest(ax: Axes, rows: Sequence[ForestRow], reference: float | None) -> None:
    for index, row in enumerate(rows):
        known = [(e.value, e) for e in row.estimates if e.value is not None]
        offsets = np.linspace(-0.22, 0.22, len(known)) if len(known) > 1 else [0.0]
        colour = COLOURS[0] if row.reference else COLOURS[5]
        for (value, estimate), offset in zip(known, offsets, strict=False):
            if estimate.low is not None and estimate.high is not None:
                ax.hlines(index + offset, estimate.low, estimate.high, color=colour, linewidth=1.3)
            ax.plot(value, index + offset, "o", color=colour, markersize=4)
        if row.mean is not None:
            ax.plot(
                row.mean, index, "D", color=colour, markersize=7, markeredgecolor="white", zorder=3
            )
        if not known and row.mean is None:
            ax.text(0.5, index, "-", transform=ax.get_yaxis_transform(), va="center")
    if reference is not None:
        ax.axvline(reference, color=_GREY, linestyle="--", linewidth=1, zorder=0)
    ax.set_yticks(range(len(rows)), ["\n".join(_wrapped(row)) for row in rows], fontsize=8)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.tick_params(axis="x", labelsize=8)
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)


def _wrapped(row: ForestRow) -> list[str]:
    return textwrap.wrap(row.title, 34) or [""]


def _style(index: int) -> dict[str, Any]:
    """Colour and dashes: as many as there are colours times dashes look different."""
    dashes = ("-", "--", ":", "-.")[index // len(COLOURS) % 4]
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": dashes}


def _nan_or(function: Any, column: npt.NDArray[np.float64]) -> float:
    known = column[~np.isnan(column)]
    return float(function(known)) if known.size else float("nan")
