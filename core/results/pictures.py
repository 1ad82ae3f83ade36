"""Figures as files: PNG for pages, SVG for papers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from crossdl.evaluation.cases import Evaluation
from crossdl.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NO_DATES = {"Date": None, "Creator": None, "Format": None, "Type": None}


def save_picture(figure: Figure, folder: Path, name: str) -> None:
    """Writes ``NAME.png`` and ``NAME.svg``; equal figures give equal bytes.

    Letters of the SVG are shapes, so that it looks the same wherever it is opened.
    """
    from matplotlib import rc_context

    from crossdl.figures import save_figure

    save_figure(figure, folder / f"{name}.png")
    with (
        replacing(folder / f"{name}.svg") as working,
        rc_context({"svg.hashsalt": "crossdl", "svg.fonttype": "path"}),
    ):
        figure.savefig(working, metadata=_NO_DATES)


def save_figures(evaluations: Mapping[str, Evaluation], folder: Path) -> None:
    """Writes every figure of every evaluator under its :func:`picture_name`."""
    for kind, evaluation in evaluations.items():
        for name, figure in evaluation.figures.items():
            save_picture(figure, folder, picture_name(kind, name))


def picture_name(kind: str, name: str) -> str:
    """Stem of the files of an evaluator's figure, and of its table."""
    return f"{kind}_{name}"
