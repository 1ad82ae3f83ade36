"""A page's content before it has a form: sections of texts, tables and pictures.

One document becomes ``summary.html`` (one file, pictures inline), ``summary.md``, and a CSV for
each table. Its pictures are in ``figures/`` already, see :mod:`crossdl.results.pictures`.
"""

from __future__ import annotations

import base64
import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from crossdl.files import replacing, write_text
from crossdl.pages import render_page

if TYPE_CHECKING:
    import pandas as pd

_NUMBER = re.compile(r"[-+]?\d")


@dataclass(frozen=True)
class Link:
    """Text that leads to a file beside the page."""

    text: str
    to: str


Cell = str | int | float | Link | None


@dataclass(frozen=True)
class Heading:
    """A title below the section's."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Text:
    """A paragraph, with a link at its end if there is one."""

    text: str
    link: Link | None = None
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    items: Sequence[tuple[str, str]]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True)
class Source:
    """Text in a fixed-width font."""

    title: str
    text: str
    kind: ClassVar[str] = "source"


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side, or one below the other.

    Attributes:
        items: Name in ``figures/`` without its ending, and caption.
        wide: Whether each takes the whole width.
    """

    items: Sequence[tuple[str, str]]
    wide: bool = False
    kind: ClassVar[str] = "pictures"


@dataclass(frozen=True)
class Table:
    """A table that can be sorted.

    Attributes:
        name: Its file is ``tables/NAME.csv``.
        title: Above it.
        columns: Titles.
        rows: As they are shown; see :func:`cell_text`.
        exact: Columns and rows of the file, where it says more than the page.
        folded: Whether the page shows it only when asked.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    exact: tuple[Sequence[str], Sequence[Sequence[Cell]]] | None = None
    folded: bool = False
    kind: ClassVar[str] = "table"

    @property
    def textual(self) -> list[bool]:
        """Which columns hold text rather than numbers."""
        columns = zip(*self.rows, strict=True) if self.rows else iter([()] * len(self.columns))
        return [any(_is_text(cell) for cell in column) for column in columns]


Block = Heading | Text | Facts | Source | Pictures | Table


@dataclass(frozen=True)
class Section:
    """A titled part of the page."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Document:
    """A whole page.

    Attributes:
        title: Headline.
        lead: One sentence below it.
        sections: Those without a block are left out.
    """

    title: str
    lead: str
    sections: Sequence[Section]

    def tables(self) -> Iterator[Table]:
        """All tables in their order."""
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Table))


def cell_text(cell: Cell) -> str:
    """How a table shows a value: three decimals, fewer or more where that says too little.

    Example:
        >>> [cell_text(x) for x in (None, float("nan"), 12, 0.91234, 0.00002, 41234.5, "a")]
        ['-', '-', '12', '0.912', '2e-05', '41,234', 'a']
    """
    if isinstance(cell, Link):
        return cell.text
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return "-"
    if not isinstance(cell, float):
        return str(cell)
    if abs(cell) >= 10_000:
        return f"{cell:,.0f}"
    return f"{cell:.3f}" if cell == 0 or abs(cell) >= 0.001 else f"{cell:.2g}"


def frame_table(name: str, title: str, frame: pd.DataFrame, *, folded: bool = False) -> Table:
    """The table of a DataFrame; its index leads, unless it only counts the rows."""
    import pandas as pd

    counts = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    whole = frame if counts else frame.reset_index()
    columns = [
        ", ".join(str(part) for part in c if part != "") if isinstance(c, tuple) else str(c)
        for c in whole.columns
    ]
    rows = [[_plain(value) for value in row] for row in whole.itertuples(index=False, name=None)]
    return Table(name, title, columns, rows, folded=folded)


def write_document(folder: Path, document: Document) -> Path:
    """Writes ``summary.html``, ``summary.md`` and ``tables/*.csv``.

    Args:
        folder: Holds ``figures/``; pictures that are not there are left out.
        document: The content.

    Returns:
        Path of the HTML page, which needs no other file and no network.
    """
    from crossdl.results.markdown import markdown

    shown = _with_what_is_there(document, folder)
    for table in shown.tables():
        _write_csv(folder / "tables" / f"{table.name}.csv", table)
    write_text(folder / "summary.md", markdown(shown))
    page = render_page(
        "results.html.j2",
        document=shown,
        cell_text=cell_text,
        is_link=lambda cell: isinstance(cell, Link),
        image=lambda name: _inline(folder / "figures" / f"{name}.png"),
    )
    path = folder / "summary.html"
    write_text(path, page)
    return path


def _with_what_is_there(document: Document, folder: Path) -> Document:
    """The document without missing pictures and without empty sections."""
    sections = []
    for section in document.sections:
        blocks: list[Block] = []
        for block in section.blocks:
            if isinstance(block, Pictures):
                here = [i for i in block.items if (folder / "figures" / f"{i[0]}.png").is_file()]
                if here:
                    blocks.append(Pictures(here, block.wide))
            else:
                blocks.append(block)
        if blocks:
            sections.append(Section(section.title, blocks))
    return Document(document.title, document.lead, sections)


def _write_csv(path: Path, table: Table) -> None:
    columns, rows = table.exact or (table.columns, table.rows)
    with replacing(path) as working, working.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_exact(cell) for cell in row] for row in rows)


def _exact(cell: Cell) -> str | int | float:
    """The value itself; nothing where it is undefined."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    return cell.text if isinstance(cell, Link) else cell


def _plain(value: object) -> Cell:
    """A value of a DataFrame as Python's own."""
    import numpy as np
    import pandas as pd

    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return None if math.isnan(value) else float(value)
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    return str(value)


def _is_text(cell: Cell) -> bool:
    if isinstance(cell, Link):
        return True
    return isinstance(cell, str) and cell not in ("", "-") and not _NUMBER.match(cell)


def _inline(path: Path) -> str:
    """A PNG as data URL."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
