"""Pictures of voxel-level results: Dice of every scan, Dice by threshold, FROC curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crossdl.display import COLOURS
from crossdl.evaluation.cases import Estimate
from crossdl.evaluation.froc import FrocCurve
from crossdl.evaluation.voxels import N_STEPS
from crossdl.figures import estimate_text
from crossdl.types import Float64Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def dice_figure(scans: Mapping[str, tuple[Float64Array, Estimate]]) -> Figure:
    """A box and a dot per scan for each type, with the mean and its interval beside.

    Args:
        scans: Title of each type → ``(n,)`` Dice of the scans that have it, and their mean.
    """
    from textwrap import fill

    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.6 + 1.5 * len(scans), 4.6), layout="constrained")
    ax = figure.subplots()
    shift = np.random.default_rng(0)
    for place, (values, estimate) in enumerate(scans.values()):
        colour = COLOURS[place % len(COLOURS)]
        if values.size:
            ax.boxplot(
                values, positions=[place], widths=0.5, showfliers=False, manage_ticks=False,
                medianprops={"color": "black"}, boxprops={"color": "#666666"},
                whiskerprops={"color": "#666666"}, capprops={"color": "#666666"},
            )  # fmt: skip
            at = place + shift.uniform(-0.17, 0.17, values.size)
            ax.scatter(at, values, s=13, color=colour, alpha=0.65, linewidths=0)
        if estimate.value is not None:
            ax.plot(place + 0.36, estimate.value, "D", color=colour, markersize=5, zorder=3)
            if estimate.low is not None and estimate.high is not None:
                ax.vlines(place + 0.36, estimate.low, estimate.high, color=colour, linewidth=1.6)
    names = [
        f"{fill(title, 18)}\n{estimate_text(estimate)}\nn = {values.size}"
        for title, (values, estimate) in scans.items()
    ]
    ax.set_xticks(range(len(scans)), names, fontsize=8)
    ax.set(xlim=(-0.55, len(scans) - 0.4), ylim=(-0.02, 1.02), ylabel="Dice")
    ax.grid(axis="y", alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(
        "Dice of each scan that has the type (diamond: mean with interval)",
        fontsize=10, fontweight="bold",
    )  # fmt: skip
    return figure


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Mean Dice of one type at every threshold.

    Attributes:
        test: ``(256,)`` of the test scans, or None where none has the type.
        valid: ``(256,)`` of the validation scans, or None.
        chosen: The step that is used, or None.
    """

    test: Float64Array | None
    valid: Float64Array | None
    chosen: int | None


def threshold_figure(curves: Mapping[str, ThresholdCurve]) -> Figure:
    """Mean Dice by threshold; the chosen one is marked, the validation scans are dashed.

    Args:
        curves: Title of each type → its curves.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.0), layout="constrained")
    ax = figure.subplots()
    probability = np.arange(N_STEPS) / (N_STEPS - 1)
    for index, (title, curve) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        name = title if curve.test is not None or curve.valid is not None else f"{title}: -"
        ax.plot([], [], color=colour, label=name)
        if curve.valid is not None:
            ax.plot(probability[1:], curve.valid[1:], "--", color=colour, linewidth=1.1)
        if curve.test is not None:
            ax.plot(probability[1:], curve.test[1:], color=colour, linewidth=1.8)
        marked = curve.test if curve.test is not None else curve.valid
        if curve.chosen is not None and marked is not None:
            at = (probability[curve.chosen], marked[curve.chosen])
            ax.plot(*at, "o", color=colour, markeredgecolor="black", markersize=7, zorder=3)
    ax.plot([], [], "--", color="#444444", linewidth=1.1, label="on validation scans")
    ax.plot([], [], "o", color="white", markeredgecolor="black", label="threshold used")
    ax.set(xlim=(0, 1), ylim=(0, None), xlabel="threshold (probability)", ylabel="mean Dice")
    ax.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside lower center", ncols=2)
    ax.set_title("Mean Dice at every threshold", fontsize=11, fontweight="bold")
    return figure


def froc_figure(
    curves: Mapping[str, tuple[FrocCurve | None, Estimate]], rates: Sequence[float]
) -> Figure:
    """FROC curves with bands; undefined ones are named in the legend with "-".

    Args:
        curves: Title of each type → its curve and its mean sensitivity at ``rates``.
        rates: False alarms per scan that the mean is of.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 5.8), layout="constrained")
    ax = figure.subplots()
    first, last = min(rates) / 4, max(rates) * 1.15
    for index, (title, (curve, estimate)) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        text = f"{title}: {estimate_text(estimate)}"
        if curve is None:
            ax.plot([], [], color=colour, label=text)
            continue
        if curve.low is not None and curve.high is not None:
            ax.fill_between(curve.grid, curve.low, curve.high, color=colour, alpha=0.12, lw=0)
        at = np.geomspace(first, last, 400)
        drawn = np.interp(at, curve.rate, curve.sensitivity)
        reached = at <= max(curve.rate[-1], first)
        ax.plot(at[reached], drawn[reached], color=colour, linewidth=1.8, label=text)
        ax.plot(at[~reached], drawn[~reached], ":", color=colour, linewidth=1.4)
    ax.set_xscale("log", base=2)
    ax.set_xticks(rates, [f"{rate:g}" for rate in rates])
    ax.minorticks_off()
    ax.set(xlim=(first, last), ylim=(-0.01, 1.01))
    ax.set_xlabel("false alarms per scan (dotted: the maps have no further candidates)")
    ax.set_ylabel("share of lesions found")
    ax.grid(alpha=0.3)
    figure.legend(
        loc="outside lower center", fontsize=8, title="mean at the marked rates (interval)",
        title_fontsize=8,
    )  # fmt: skip
    ax.set_title("Lesions found, by type (FROC)", fontsize=11, fontweight="bold")
    return figure
