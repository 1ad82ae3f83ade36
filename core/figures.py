"""Pictures for a person: a scan with its findings, training curves, matrices, ROC curves.

Figures are matplotlib objects without global state; they draw with the Agg backend, on any
machine. Words come from the anatomy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossdl.anatomy import Anatomy
from crossdl.display import (
    COLOURS,
    body_box,
    choose_slices,
    draw_ct,
    draw_findings,
    draw_legend,
)
from crossdl.evaluation.cases import Estimate
from crossdl.files import replacing
from crossdl.geometry import canonical, canonical_axes
from crossdl.statistics.auroc import RocCurve
from crossdl.types import FloatArray, Grid, LabelArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 4
_PANEL_INCHES = 2.9
_LAYOUT_DIGITS = 4


def overlay_figure(
    volume_array: FloatArray,
    region_labels: LabelArray,
    abnormality_maps: npt.NDArray[Any],
    anatomy: Anatomy,
    *,
    title: str,
    grid: Grid,
    step: float = 1.0,
    scores: Sequence[float] | None = None,
    slices: int = 8,
    threshold: float = 0.3,
) -> Figure:
    """Axial slices, plain and with region outlines and heat maps, in radiological convention.

    The patient's right is on the picture's left, anterior is up, millimetres are to scale. Each
    slice is shown twice: plain CT above, the same slice with the findings below.

    Args:
        volume_array: ``(D, H, W)`` HU.
        region_labels: ``(D, H, W)``; 0 is none, i + 1 is region i of the anatomy.
        abnormality_maps: ``(M, D, H, W)``, in [0, 1] after multiplication by ``step``.
        anatomy: Titles, intensity window and parts.
        title: Headline.
        grid: Grid of all three arrays, in any orientation.
        step: Probability of one unit of the maps.
        scores: ``(M,)`` scan scores to print; by default the maximum of each map.
        slices: How many slices; chosen where the maps are highest, and spread over the head.
        threshold: Probabilities below it are not coloured.

    Raises:
        ValueError: Shapes do not fit each other or the anatomy.
    """
    from matplotlib.figure import Figure

    if not volume_array.shape == region_labels.shape == abnormality_maps.shape[1:] == grid.shape:
        raise ValueError("volume, labels and maps must be on the given grid")
    if len(abnormality_maps) != anatomy.n_types:
        raise ValueError(f"{len(abnormality_maps)} maps given, the anatomy has {anatomy.n_types}")
    order, signs = canonical_axes(grid)
    h_mm, w_mm = grid.spacing[order[1]], grid.spacing[order[2]]
    full = canonical(volume_array, grid)[0]
    box = body_box(full, anatomy.tissue_threshold, margin=round(8 / min(h_mm, w_mm)))
    ct, labels = full[box], canonical(region_labels, grid)[0][box]
    maps = canonical(abnormality_maps, grid)[0][(slice(None), *box)]
    drawn = np.flatnonzero(labels.any(axis=(1, 2)))
    extent = (int(drawn[0]), int(drawn[-1])) if drawn.size else (0, len(ct) - 1)
    height = maps.max(axis=(2, 3)) * np.float32(step)
    chosen = choose_slices(height, extent, slices, threshold)
    if scores is None:
        scores = height.max(axis=1).tolist()

    tall, wide = ct.shape[1] * h_mm, ct.shape[2] * w_mm
    columns = min(_COLUMNS, len(chosen))
    blocks = -(-len(chosen) // columns)
    panel = _PANEL_INCHES * min(1.5, max(0.6, tall / wide))
    figure = Figure(
        figsize=(_COLUMNS * _PANEL_INCHES, 2 * blocks * panel + 2.0), layout="constrained"
    )
    figure.suptitle(title, fontsize=14, fontweight="bold")
    heights = (2 * blocks * panel + 0.4, 1.4)
    pictures, legend = figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0]
    axes = pictures.subplots(2 * blocks, columns, squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
        ax.set_title("", fontsize=9, y=1.0)  # a place of its own saves the search for one
    mm = (0.0, wide, tall, 0.0)
    for position, index in enumerate(chosen):
        block, column = divmod(position, columns)
        plain, marked = axes[2 * block, column], axes[2 * block + 1, column]
        for ax in (plain, marked):
            draw_ct(ax, ct[index], anatomy, mm)
        here = maps[:, index] * np.float32(step)
        draw_findings(marked, labels[index], here, anatomy, mm, threshold)
        number = box[0].start + index
        z = grid.index_to_world(_source_index(number, full.shape[0], order[0], signs[0], grid))[2]
        plain.set_title(f"slice {number + 1} of {full.shape[0]}, z = {z:.0f} mm", fontsize=9, y=1.0)
    draw_legend(legend, anatomy, scores, threshold, np.unique(labels[chosen]))
    return figure


def _source_index(
    number: int, n_slices: int, axis: int, sign: int, grid: Grid
) -> npt.NDArray[np.float64]:
    """The middle ``(d, h, w)`` of canonical slice ``number`` in the array as it was given."""
    index = (np.array(grid.shape) - 1) / 2
    index[axis] = number if sign > 0 else n_slices - 1 - number
    return index


def fix_layout(figure: Figure) -> None:
    """Solves the constrained layout for good and rounds it.

    The solver starts from the order of objects in memory, and its last digits differ from time to
    time.
    """
    from matplotlib.transforms import Bbox

    if figure.get_layout_engine() is None:
        return
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for part in figure.subfigs:
        part.bbox_relative.set_points(part.bbox_relative.get_points().round(_LAYOUT_DIGITS))
    for axes in figure.axes:
        place = axes.get_position(original=True).get_points()
        axes.set_position(Bbox(place.round(_LAYOUT_DIGITS)))


def save_figure(figure: Figure, path: Path, dpi: float = 110) -> None:
    """Writes a PNG, whole or not at all; equal figures give equal bytes."""
    fix_layout(figure)
    with replacing(path) as working:
        figure.savefig(
            working,
            dpi=dpi,
            metadata={"Software": None},
            pil_kwargs={"compress_level": 3},  # no larger than the default 6, in half the time
        )


def training_curves(history: Sequence[Mapping[str, float]]) -> Figure:
    """One panel per quantity, with training and validation in the same panel.

    Args:
        history: One mapping of named values per epoch; names that differ only in a leading
            ``train`` or ``valid`` share a panel. A name may be missing in some epochs.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    panels: dict[str, list[tuple[str, str]]] = {}
    for name in dict.fromkeys(name for epoch in history for name in epoch):
        split, rest = _split_name(name)
        panels.setdefault(rest, []).append((split, name))
    columns = min(3, max(1, len(panels)))
    rows = max(1, -(-len(panels) // columns))
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    epochs = np.arange(1, len(history) + 1)
    for ax, (quantity, lines) in zip(axes, panels.items(), strict=False):
        for split, name in lines:
            values = np.array([epoch.get(name, np.nan) for epoch in history], dtype=np.float64)
            colour = COLOURS[0] if split == "validation" else COLOURS[5]
            ax.plot(epochs, values, marker="o", markersize=3, color=colour, label=split or None)
        ax.set_title(quantity.replace("_", " "), fontsize=10)
        ax.set_xlabel("epoch", fontsize=9)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.3)
        if any(split for split, _ in lines):
            ax.legend(fontsize=8, frameon=False)
    for ax in axes[len(panels) :]:
        ax.set_axis_off()
    return figure


def _split_name(name: str) -> tuple[str, str]:
    """``"valid/region_loss"`` → ``("validation", "region_loss")``."""
    for prefix, split in (("train", "training"), ("valid", "validation"), ("val", "validation")):
        for mark in "/_.":
            if name.startswith(prefix + mark):
                return split, name[len(prefix) + 1 :]
    return "", name


def heat_map(
    values: npt.NDArray[np.float64],
    row_titles: Sequence[str],
    column_titles: Sequence[str],
    *,
    title: str,
    label: str,
    limits: tuple[float, float] = (0.5, 1.0),
) -> Figure:
    """A matrix of numbers as colours with the numbers in it; the last row and column are margins.

    Args:
        values: ``(rows, columns)``; NaN is undefined and printed as "-".
        row_titles: One per row.
        column_titles: One per column.
        title: Headline.
        label: What the colours mean.
        limits: Values of the darkest and lightest colour.
    """
    import textwrap

    from matplotlib import colormaps
    from matplotlib.figure import Figure

    rows, columns = values.shape
    figure = Figure(figsize=(2.6 + 1.25 * columns, 1.7 + 0.34 * rows), layout="constrained")
    ax = figure.subplots()
    colours = colormaps["cividis"].with_extremes(bad="#ececec")
    image = ax.imshow(values, cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto")
    middle = sum(limits) / 2
    for (row, column), value in np.ndenumerate(values):
        undefined = bool(np.isnan(value))
        ax.text(
            column, row, "-" if undefined else f"{value:.3f}", ha="center", va="center",
            fontsize=8, color="black" if undefined or value > middle else "white",
        )  # fmt: skip
    ax.set_xticks(range(columns), [textwrap.fill(t, 18) for t in column_titles], fontsize=8)
    ax.set_yticks(range(rows), row_titles, fontsize=8)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.axhline(rows - 1.5, color="white", linewidth=3)
    ax.axvline(columns - 1.5, color="white", linewidth=3)
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=11, fontweight="bold")
    below = bool((values < limits[0]).any())
    figure.colorbar(image, ax=ax, label=label, shrink=0.7, extend="min" if below else "neither")
    return figure


def roc_figure(curves: Mapping[str, tuple[RocCurve | None, Estimate]], *, title: str) -> Figure:
    """ROC curves with pointwise bands; undefined ones are named in the legend with "-".

    Args:
        curves: Title of each curve → the curve and its AUROC.
        title: Headline.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 6.0), layout="constrained")
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], color="#888888", linestyle=":", linewidth=1)
    for index, (name, (curve, estimate)) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        text = f"{name}: {estimate_text(estimate)}"
        if curve is None:
            ax.plot([], [], color=colour, label=text)
            continue
        if curve.low is not None and curve.high is not None:
            ax.fill_between(curve.grid, curve.low, curve.high, color=colour, alpha=0.15, lw=0)
        ax.plot(curve.fpr, curve.tpr, color=colour, linewidth=1.8, label=text)
    ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    ax.set_xlabel("1 - specificity (false positive rate)")
    ax.set_ylabel("sensitivity (true positive rate)")
    ax.set_title(title, fontsize=11, fontweight="bold")
    ax.grid(alpha=0.3)
    ax.legend(loc="lower right", fontsize=8, title="AUROC (interval)", title_fontsize=8)
    return figure


def estimate_text(estimate: Estimate) -> str:
    """``"0.962 (0.951, 0.970)"``; "-" where undefined, no bracket without an interval."""
    if estimate.value is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.low:.3f}, {estimate.high:.3f})"
