"""Figures of a worklist: where each disease's scans are, and how long they wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.display import COLOURS
from crossdl.evaluation.cases import Estimate
from crossdl.types import Float64Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ROW_INCHES = 0.27


@dataclass(frozen=True, eq=False)
class Strip:
    """One disease in one sorting of the list.

    Attributes:
        title: The disease.
        note: What stands at the end of the row, such as a p value.
        ranks: ``(P,)`` of the scans that have it, 0 is the top of the list.
        quartiles: Of the ranks, or None without scans.
        apart: Whether the row stands apart, as a sum of others does.
    """

    title: str
    note: str
    ranks: Float64Array
    quartiles: tuple[float, float, float] | None
    apart: bool = False


def strip_figure(
    panels: Sequence[tuple[str, Sequence[Strip]]], *, note: str, columns: int = 1
) -> Figure:
    """A panel per score, a row per disease, a tick per scan that has it (the paper's Fig. 5A).

    Below each row of ticks a line joins the quartiles of their ranks, with a point at the median.

    Args:
        panels: Title of each score and the rows of its panel.
        note: Heading of the notes.
        columns: Panels side by side.
    """
    from matplotlib.figure import Figure

    lines = -(-len(panels) // columns)
    deepest = max(len(strips) for _, strips in panels)
    figure = Figure(
        figsize=(7.6 if columns == 1 else 6.4 * columns, lines * (1.15 + _ROW_INCHES * deepest)),
        layout="constrained",
    )
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax, (title, strips) in zip(axes, panels, strict=False):
        _draw_strips(ax, title, strips, note)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    return figure


def _draw_strips(ax: Any, title: str, strips: Sequence[Strip], note: str) -> None:
    from matplotlib.collections import LineCollection

    ink = "#222222"
    for place, strip in enumerate(strips):
        colour = "#777777" if strip.apart else COLOURS[(5, 0, 3, 1)[place % 4]]
        ax.axhspan(place - 0.4, place + 0.44, color="#f3f3f3", linewidth=0)
        ticks = np.empty((len(strip.ranks), 2, 2))
        ticks[:, :, 0], ticks[:, :, 1] = strip.ranks[:, None], (place - 0.4, place + 0.18)
        thin = 0.8 if len(ticks) < 200 else 0.4
        lines = LineCollection(list(ticks), colors=colour, linewidths=thin)
        ax.add_collection(lines, autolim=False)
        if strip.quartiles is not None:
            low, middle, high = strip.quartiles
            ax.hlines(place + 0.31, low, high, color=ink, linewidth=1.4)
            ax.plot(middle, place + 0.31, "o", color=ink, markersize=3.6)
        ax.text(
            1.012, place, strip.note, transform=ax.get_yaxis_transform(), fontsize=7.5,
            va="center", color=ink,
        )  # fmt: skip
    ax.text(
        1.012, -0.75, note, transform=ax.get_yaxis_transform(), fontsize=7.5, style="italic",
        va="center",
    )  # fmt: skip
    ax.set_yticks(range(len(strips)), [strip.title for strip in strips], fontsize=8)
    ax.set_ylim(len(strips) - 0.45, -0.55)
    ax.set_xlim(0, 1)
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["first", "25 %", "50 %", "75 %", "last"], fontsize=8)
    ax.set_xlabel("place in the worklist", fontsize=8.5)
    ax.tick_params(axis="y", length=0)
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=10, fontweight="bold", pad=12)


def waiting_figure(
    rows: Sequence[tuple[str, Sequence[Estimate]]],
    in_order: Sequence[float],
    measures: Sequence[str],
    *,
    title: str,
) -> Figure:
    """Minutes that scans wait by priority, beside what all wait in order of arrival (lines).

    Args:
        rows: Title of each disease, and an estimate for each measure.
        in_order: The measures in order of arrival.
        measures: What is measured, such as the mean.
        title: Headline.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(7.6, 1.7 + 0.33 * len(rows)), layout="constrained")
    ax = figure.subplots()
    shift = 0.24
    for number, (measure, reference) in enumerate(zip(measures, in_order, strict=True)):
        colour = COLOURS[(5, 0, 3)[number % 3]]
        ax.axvline(reference, color=colour, linestyle="--", linewidth=1.1, alpha=0.8)
        offset = (number - (len(measures) - 1) / 2) * shift
        ax.plot([], [], "o-", color=colour, markersize=4.5, label=measure)
        for place, (_, estimates) in enumerate(rows):
            found, at = estimates[number], place + offset
            if found.value is None:
                continue
            ax.plot(found.value, at, "o", color=colour, markersize=4.5)
            if found.low is not None and found.high is not None:
                ax.hlines(at, found.low, found.high, color=colour, linewidth=1.5)
    ax.plot([], [], "--", color="#555555", linewidth=1.1, label="in order of arrival")
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_xlabel("minutes from arrival to reading, by priority", fontsize=9)
    ax.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8.5)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=8.5)
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right", "left"]].set_visible(False)
    figure.suptitle(title, fontsize=11, fontweight="bold")
    figure.legend(loc="outside lower center", ncols=len(measures) + 1, fontsize=8.5, frameon=False)
    return figure
