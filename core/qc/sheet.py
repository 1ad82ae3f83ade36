"""A contact sheet: every scan of a cohort on one picture, the worst first."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from crossdl.anatomy import Anatomy
from crossdl.qc.assess import Assessed
from crossdl.qc.pictures import View, draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = (3, 6)
"""Which of :func:`crossdl.qc.pictures.views` a scan shows: above the middle, and the coronal."""

_COLUMNS = 6
_WIDTH, _HEIGHT = 2.6, 1.85  # inches of a scan with its text


def sheet_figure(
    scans: Sequence[tuple[Assessed, Sequence[View]]], anatomy: Anatomy, *, title: str
) -> Figure:
    """Draws two slices of each scan with its name, score and doubts.

    Args:
        scans: In the order of the sheet, with their views; without views a scan is only named.
        anatomy: Window and colours.
        title: Headline.
    """
    import numpy as np
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, max(1, len(scans)))
    rows = -(-len(scans) // columns)
    size = (max(2, columns) * _WIDTH, rows * _HEIGHT + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    figure.suptitle(title, fontsize=10, fontweight="bold")
    axes = figure.subplots(max(1, rows), columns, squeeze=False).ravel()
    for ax in axes:
        ax.set_axis_off()
    for ax, (one, views) in zip(axes, scans, strict=False):
        if views:
            ax.imshow(np.hstack([draw(views[k], anatomy) for k in SHOWN]))
        score = "" if one.score is None else f"  {one.score:.2f}"
        doubts = one.failure or "; ".join(one.flags)
        text = textwrap.shorten(doubts, 110, placeholder=" ...")
        lines = [f"{one.scan}{score}", *textwrap.wrap(text, 48)[:2]]
        colour = "#b00020" if one.failure else "#b35c00" if one.flags else "black"
        ax.set_title("\n".join(lines), fontsize=6.5, color=colour, loc="left", parse_math=False)
    figure.supxlabel("R = the patient's right. Not for clinical use.", fontsize=7)
    return figure
