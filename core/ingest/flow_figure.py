"""The flow of a cohort as a picture in the manner of CONSORT: kept on the left, dropped right."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from crossdl.ingest.flow import FlowRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_POINTS = 10.0
_CELL = 0.5 * _POINTS / 72  # inches, half of a Chinese character
_LINE = 1.4 * _POINTS / 72
_PAD, _GAP, _EDGE = 0.12, 0.22, 0.15  # inches inside a box, between boxes, around all
_KEPT_CELLS, _DROPPED_CELLS = 40, 60  # columns after which lines are broken
_DPI = 110  # at which text is measured; it is a little wider at others
_COLOURS = {"kept": "#E8F1FA", "dropped": "#FBF1E6"}
_INDENT = "\u00a0"  # a space that SVG keeps
_FONTS = (
    "Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN",
    "Microsoft YaHei", "PingFang SC", "Hiragino Sans GB", "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei", "SimHei", "SimSun", "Noto Sans CJK JP",
)  # fmt: skip
"""Fonts with Chinese characters, for words that a hospital writes in its own rules."""
_WORDS = {
    "modality": "other modality",
    "image_type": "localizer or secondary capture",
    "description": "SeriesDescription not accepted",
    "excluded_description": "SeriesDescription excluded",
    "no_patient": "no PatientID",
    "mixed_patients": "several patients in one series",
    "no_time": "no time of acquisition or exam",
    "no_report": "no report of the patient",
    "too_far": "nearest report too long before or after",
    "not_paired": "not the nearest report of any scan",
    "few_slices": "too few slices",
    "other_series": "another series of the study was chosen",
    "took_too_long": "reading took too long",
    "worker_died": "reading ended in a crash",
}
"""What a picture calls reasons; others appear as they are."""


@dataclass(frozen=True)
class _Box:
    lines: tuple[str, ...]
    titled: bool = True

    @property
    def height(self) -> float:
        """Inches."""
        return len(self.lines) * _LINE + 2 * _PAD


def flow_figure(rows: Sequence[FlowRow], *, drawn: bool = True) -> Figure:
    """Draws the flow from top to bottom.

    What is left after each step is a box on the left; what the step dropped, by reason, is a box
    on the right, beside the arrow to the next. Nothing overlaps however long the reasons are:
    lines are broken and the picture grows.

    Args:
        rows: Of ``flow.csv``, the first and the last without a drop.
        drawn: Whether characters become shapes, as in PNG. A reason with characters that no
            installed font has is then shown as its line of ``flow.csv``.

    Raises:
        ValueError: There are no rows.
    """
    from matplotlib.figure import Figure

    if not rows:
        raise ValueError("a flow needs at least one row")
    steps = _steps(_legible(rows) if drawn else rows)
    left = _width(kept for kept, _ in steps)
    right = _width(dropped for _, dropped in steps if dropped)
    height = 2 * _EDGE + sum(
        kept.height + (dropped.height + 2 * _GAP if dropped else 0) for kept, dropped in steps
    )
    width = 2 * _EDGE + left + 2 * _GAP + right
    figure = Figure(figsize=(width, height))
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.axis("off")
    top, middle, beside = _EDGE, _EDGE + left / 2, _EDGE + left + 2 * _GAP
    for kept, dropped in steps:
        _draw(ax, kept, "kept", (_EDGE, top), left)
        top += kept.height
        if dropped is None:
            continue
        below = top + dropped.height + 2 * _GAP
        at = (top + below) / 2
        _arrow(ax, (middle, top), (middle, below))
        _arrow(ax, (middle, at), (beside, at))
        _draw(ax, dropped, "dropped", (beside, top + _GAP), right)
        top = below
    return figure


def _steps(rows: Sequence[FlowRow]) -> list[tuple[_Box, _Box | None]]:
    """What is left, and what the next step drops; the last drops nothing."""
    groups = [(step, list(group)) for step, group in groupby(rows, key=lambda row: row.step)]
    steps: list[tuple[_Box, _Box | None]] = []
    title, before = words(groups[0][0]), groups[0][1][-1]
    for step, group in groups[1:]:
        drops = [row for row in group if row.dropped_scans or row.dropped_reports]
        if drops:
            steps.append((_kept(title, before), _dropped(step, drops)))
            title = ""
        before = group[-1]
    if len(groups) > 1:
        title = words(groups[-1][0])
    return [*steps, (_kept(title, before), None)]


def _kept(title: str, row: FlowRow) -> _Box:
    counts = f"{count(row.left_scans, 'scan')} of {count(row.left_patients, 'patient')}"
    parts = [title, counts, count(row.left_reports, "report")]
    lines = [line for part in parts if part for line in _wrapped(part, _KEPT_CELLS)]
    return _Box(tuple(lines), titled=bool(title))


def _dropped(step: str, rows: Sequence[FlowRow]) -> _Box:
    total = _counts(sum(r.dropped_scans for r in rows), sum(r.dropped_reports for r in rows))
    lines = _wrapped(f"{words(step)}: dropped {total}", _DROPPED_CELLS)
    for row in rows:
        text = f"{reason_words(row.reason)}: {_counts(row.dropped_scans, row.dropped_reports)}"
        first, *more = _wrapped(text, _DROPPED_CELLS - 4)
        lines += [f"{_INDENT * 2}• {first}", *(f"{_INDENT * 5}{line}" for line in more)]
    return _Box(tuple(lines))


def reason_words(name: str) -> str:
    """What people call a reason of the flow."""
    for prefix, wording in (("require_", "{} not accepted"), ("exclude_", "{} excluded")):
        if name.startswith(prefix):
            return words(wording.format(name.removeprefix(prefix)))
    return words(_WORDS.get(name, name))


def words(name: str) -> str:
    """A name such as ``too_few_slices`` as words that begin with a capital."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def count(number: int, what: str) -> str:
    """``"1 scan"``, ``"1,234 scans"``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _counts(scans: int, reports: int) -> str:
    found = [count(n, what) for n, what in ((scans, "scan"), (reports, "report")) if n]
    return ", ".join(found) or "none"


def _wrapped(text: str, cells: int) -> list[str]:
    """Lines of at most ``cells`` columns; Chinese characters take two."""
    from rich.console import Console
    from rich.text import Text

    lines = Text(text).wrap(Console(width=cells), cells)
    return [line.plain.rstrip() for line in lines]


def _width(boxes: Iterable[_Box]) -> float:
    """Inches that the widest line needs; 0 without boxes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from rich.cells import cell_len

    canvas, widest = FigureCanvasAgg(Figure(dpi=_DPI)), 0.0
    with quiet_fonts():
        for box in boxes:
            for k, line in enumerate(box.lines):
                text = canvas.figure.text(0, 0, line, **_style(box, k))
                drawn = text.get_window_extent().width / _DPI
                widest = max(widest, drawn, cell_len(line) * _CELL)
    return 1.04 * widest + 2 * _PAD if widest else 0.0


@contextmanager
def quiet_fonts() -> Iterator[None]:
    """No warning of characters that no installed font has, where that does not matter."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        yield


def _style(box: _Box, line: int) -> dict[str, Any]:
    """How a line of a box is written."""
    weight = "bold" if box.titled and line == 0 else "normal"
    return {
        "fontsize": _POINTS,
        "fontweight": weight,
        "fontfamily": _families(),
        "parse_math": False,
    }


def _draw(ax: Axes, box: _Box, kind: str, corner: tuple[float, float], width: float) -> None:
    from matplotlib.patches import Rectangle

    x, y = corner
    patch = Rectangle(corner, width, box.height, facecolor=_COLOURS[kind], edgecolor="#555555")
    ax.add_patch(patch)
    centred = kind == "kept"
    for k, line in enumerate(box.lines):
        ax.text(
            x + width / 2 if centred else x + _PAD,
            y + _PAD + (k + 0.5) * _LINE,
            line,
            ha="center" if centred else "left",
            va="center",
            **_style(box, k),
        )


def _legible(rows: Sequence[FlowRow]) -> list[FlowRow]:
    """Rows whose reasons the installed fonts can show; the header of the table is line 1."""
    return [
        row if _has_shapes(row.reason) else replace(row, reason=f"line {number} of flow.csv")
        for number, row in enumerate(rows, start=2)
    ]


def _has_shapes(text: str) -> bool:
    """Whether the installed fonts have a shape for every character."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = [get_font(findfont(FontProperties(family=[name]))) for name in _families()]
    return all(any(font.get_char_index(ord(c)) for font in fonts) for c in text)


@cache
def _families() -> list[str]:
    """The default font, then those with Chinese characters that are installed."""
    from matplotlib.font_manager import fontManager

    installed = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _FONTS if name in installed), "sans-serif"]


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    style = {"arrowstyle": "-|>", "color": "#555555", "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", xy=end, xytext=start, arrowprops=style)
