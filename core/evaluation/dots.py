"""Dot plots: one row per item, its value with the interval, and how often it occurs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from crossdl.display import COLOURS
from crossdl.evaluation.cases import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def dot_plot(
    groups: Mapping[str, Mapping[str, Estimate]],
    *,
    title: str,
    label: str,
    summaries: Mapping[str, Estimate] | None = None,
) -> Figure:
    """A dot per item with its interval; the number of positives stands at the right.

    Args:
        groups: Title of each group → title of each of its items → what was measured. Undefined
            items get their row without a dot.
        title: Headline.
        label: What the dots mean; the axis ends at 0 and 1 at most.
        summaries: Group → the value drawn as a line behind the dots of the group.
    """
    from matplotlib.figure import Figure

    rows = [(g, name, e) for g, items in groups.items() for name, e in items.items()]
    gap = 0.8
    figure = Figure(
        figsize=(7.2, 1.3 + 0.235 * (len(rows) + gap * len(groups))), layout="constrained"
    )
    ax = figure.subplots()
    place, ticks, titles, lowest = 0.0, [], [], 1.0
    for number, (group, items) in enumerate(groups.items()):
        colour = COLOURS[(5, 0, 3)[number % 3]]
        summary = (summaries or {}).get(group)
        if summary is not None and summary.value is not None:
            ends = (place - 0.5, place + len(items) - 0.5)
            ax.vlines(summary.value, *ends, color=colour, alpha=0.5, linewidth=1.2, linestyle="--")
            ax.text(
                summary.value, ends[0] - 0.05, f"{group}: {summary.value:.3f}", color=colour,
                fontsize=7.5, ha="right", va="bottom",
            )  # fmt: skip
        for name, estimate in items.items():
            ticks.append(place)
            titles.append(name)
            ax.text(
                1.02, place, f"{estimate.positives:,}", transform=ax.get_yaxis_transform(),
                fontsize=8, va="center", color="#444444",
            )  # fmt: skip
            if estimate.value is not None:
                if estimate.low is not None and estimate.high is not None:
                    ax.hlines(place, estimate.low, estimate.high, color=colour, linewidth=1.6)
                    lowest = min(lowest, estimate.low)
                ax.plot(estimate.value, place, "o", color=colour, markersize=5, clip_on=False)
                lowest = min(lowest, estimate.value)
            place += 1
        place += gap
    ax.set_yticks(ticks, titles, fontsize=8)
    ax.set_ylim(place - gap - 0.3, -1.2)
    ax.set_xlim(max(0.0, lowest - 0.05), 1.01)
    ax.text(
        1.02, -0.75, "positives", transform=ax.get_yaxis_transform(), fontsize=8, style="italic"
    )
    ax.set_xlabel(label)
    ax.grid(axis="x", alpha=0.3)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_title(title, fontsize=11, fontweight="bold")
    return figure
