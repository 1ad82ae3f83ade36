"""A document as Markdown, with tables as GitHub and Pandoc read them."""

from __future__ import annotations

import re

from crossdl.results.document import (
    Block,
    Cell,
    Document,
    Facts,
    Heading,
    Link,
    Pictures,
    Source,
    Table,
    Text,
    cell_text,
)

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&$])")
_LIST = re.compile(r"^(\d*)([-+.)])(?=\s)")  # would begin a list


def markdown(document: Document) -> str:
    """The whole document; pictures are links into ``figures/``, tables are shown in full."""
    parts = [f"# {escaped(document.title)}", _paragraph(document.lead)]
    parts.append("**Not for clinical use.** A research result; no diagnosis may rest on it.")
    for section in document.sections:
        parts.append(f"## {escaped(section.title)}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def escaped(text: str) -> str:
    r"""Text in one line whose characters mean only themselves.

    Example:
        >>> print(escaped("a_b | <i>"))
        a\_b \| \<i\>
    """
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _paragraph(text: str) -> str:
    return _LIST.sub(r"\1\\\2", escaped(text))


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f"### {escaped(block.text)}"
        case Text():
            return " ".join([_paragraph(block.text), *([_link(block.link)] if block.link else [])])
        case Facts():
            return "\n".join(f"- {escaped(name)}: {escaped(value)}" for name, value in block.items)
        case Source():
            longest = max(map(len, re.findall("`+", block.text)), default=0)
            fence = "`" * max(3, longest + 1)
            return f"{escaped(block.title)}:\n\n{fence}\n{block.text}\n{fence}"
        case Pictures():
            return "\n\n".join(f"![{escaped(t)}](<figures/{name}.png>)" for name, t in block.items)
        case Table():
            return _table(block)


def _table(table: Table) -> str:
    marks = ["---" if text or k == 0 else "---:" for k, text in enumerate(table.textual)]
    rows = [[escaped(c) for c in table.columns], marks]
    rows += [[_cell(cell) for cell in row] for row in table.rows]
    lines = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return f"{escaped(table.title)}:\n\n{lines}" if table.title else lines


def _cell(cell: Cell) -> str:
    return _link(cell) if isinstance(cell, Link) else escaped(cell_text(cell))


def _link(link: Link) -> str:
    return f"[{escaped(link.text)}](<{link.to}>)"
