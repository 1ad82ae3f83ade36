"""Reading sentences and reports from ``.txt``, ``.csv``, ``.xlsx`` and ``.jsonl`` files."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from crossdl.decoding import Line, read_lines, writable
from crossdl.errors import InputError
from crossdl.hints import did_you_mean
from crossdl.workbooks import sheet_rows

Kind = Literal["sentence", "findings"]
KINDS: tuple[Kind, ...] = ("sentence", "findings")

csv.field_size_limit(1 << 28)  # a report may be long; the limit is one of the whole process


@dataclass(frozen=True)
class ReportRow:
    """One row of a file.

    Attributes:
        index: 0-based position among the rows.
        id: What the file's ``id`` column or key says, or None.
        text: The text, without white space around it; may be empty.
        kind: ``"sentence"``: labelled as it is. ``"findings"``: a Findings section, to be split.
        problem: Why the row cannot be read; its text is then empty. None if it can.
    """

    index: int
    id: str | None
    text: str
    kind: Kind
    problem: str | None = None


def read_rows(
    path: Path, *, column: str | None, encoding: str | None, keep_bad: bool = False
) -> Iterator[ReportRow]:
    """Yields the rows of a file, a few at a time in memory.

    Args:
        path: ``.txt`` has a sentence a line; ``.csv`` and ``.xlsx`` have a header row;
            ``.jsonl`` has an object with ``sentence`` or ``findings`` a line.
        column: Column (or key) that holds the text; one called ``sentence`` holds sentences, any
            other holds Findings sections. Without it, ``sentence`` or ``findings`` is used.
        encoding: Of text files; UTF-8 if not given. See :func:`crossdl.decoding.read_lines`.
        keep_bad: Whether a row that cannot be read is yielded with its problem, not an error.

    Raises:
        InputError: The file is missing, empty, malformed, of unknown ending or other encoding;
            raised when the iteration comes to it.
    """
    readers: dict[str, Callable[[Path, str | None, str | None], Iterator[ReportRow]]]
    readers = {".txt": _txt, ".csv": _csv, ".xlsx": _xlsx, ".jsonl": _jsonl}
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give a file ({', '.join(readers)})")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path.name}: ending {path.suffix or '(none)'} is not known; "
            f"give a file that ends in {', '.join(readers)}"
        )
    index = -1
    for index, row in enumerate(reader(path, column, encoding)):
        if row.problem is not None and not keep_bad:
            raise InputError(f"{path.name}: {row.problem}")
        yield replace(row, index=index)
    if index < 0:
        raise InputError(f"{path.name}: has no rows")


def _row(cell: Any, identity: Any, column: str) -> ReportRow:
    return ReportRow(0, _text(identity) or None, _text(cell), _kind(column))


def _bad(problem: str, column: str) -> ReportRow:
    return ReportRow(0, None, "", _kind(column), problem)


def _txt(path: Path, column: str | None, encoding: str | None) -> Iterator[ReportRow]:
    if column is not None:
        raise InputError(f"{path.name}: a .txt file has no columns; leave --column out")
    for line in read_lines(path, encoding):
        if line.problem is not None:
            yield _bad(line.problem, KINDS[0])
        else:
            yield from (_row(part, None, KINDS[0]) for part in line.text.splitlines())


def _csv(path: Path, column: str | None, encoding: str | None) -> Iterator[ReportRow]:
    bad: list[str] = []

    def texts() -> Iterator[str]:
        for line in read_lines(path, encoding):
            if line.problem is not None:
                bad.append(line.problem)
            yield line.text

    lines = csv.reader(texts(), strict=True)
    table: _Table | None = None
    while True:
        bad.clear()
        first = lines.line_num + 1
        problem: str | None
        try:
            cells = next(lines, None)
        except csv.Error as error:
            cells, problem = [], f"line {lines.line_num}: {error}"
        else:
            problem = bad[0] if bad else None
        if cells is None:
            break
        if table is None:
            if problem is not None:
                raise InputError(f"{path.name}: {problem}")
            table = _Table(path, cells, column)
        elif problem is None and cells and len(cells) != table.width:
            yield _bad(
                f"line {lines.line_num} has {len(cells)} fields and the header {table.width}; "
                "put quotes around texts that hold commas or line breaks",
                table.column,
            )
        elif problem is not None:
            last = lines.line_num
            extent = f" (of a row from line {first} to {last})" if last > first else ""
            yield _bad(problem + extent, table.column)
        elif cells:
            yield table.row(cells)


def _xlsx(path: Path, column: str | None, encoding: str | None) -> Iterator[ReportRow]:
    if encoding is not None:
        raise InputError(f"{path.name}: an .xlsx file has no encoding; leave --encoding out")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name}: has no rows")
    lines = sheet_rows(path)
    header = next(lines, None)
    if header is None:
        return
    table = _Table(path, ["" if cell is None else str(cell) for cell in header], column)
    empty = 0
    for cells in lines:
        if not cells:
            empty += 1  # empty rows at the end are none
            continue
        yield from (table.row(()) for _ in range(empty))
        yield table.row(cells)
        empty = 0


class _Table:
    """Which columns of a table hold what.

    Attributes:
        width: Number of columns.
        column: Name of the column with the text.
    """

    def __init__(self, path: Path, header: Sequence[str], column: str | None) -> None:
        names = [name.strip() for name in header]
        listing = ", ".join(n for n in names if n) or "none"
        if column is None:
            found = [kind for kind in KINDS if kind in names]
            if len(found) != 1:
                what = "both of them" if found else "neither"
                raise InputError(
                    f"{path.name}: --column is needed, as the file has {what} of the columns "
                    f"{' and '.join(KINDS)}; its columns are {listing}"
                )
            column = found[0]
        if column not in names:
            raise InputError(
                f"{path.name}: there is no column {column!r}; its columns are {listing}"
                + did_you_mean(column, names)
            )
        if names.count(column) > 1:
            raise InputError(f"{path.name}: more than one column is called {column!r}; rename one")
        self.width = len(names)
        self.column = column
        self._text_at = names.index(column)
        self._id_at = names.index("id") if "id" in names else len(names)

    def row(self, cells: Sequence[Any]) -> ReportRow:
        """The row of some cells; missing ones are empty."""
        text, identity = (
            cells[k] if k < len(cells) else None for k in (self._text_at, self._id_at)
        )
        return _row(text, identity, self.column)


def _jsonl(path: Path, column: str | None, encoding: str | None) -> Iterator[ReportRow]:
    for line in read_lines(path, encoding):
        if line.problem is None and not line.text.strip():
            continue
        try:
            yield _item(line, column)
        except InputError as error:
            yield _bad(str(error), column or KINDS[-1])


def _item(line: Line, column: str | None) -> ReportRow:
    """The row of one line of JSON.

    Raises:
        InputError: It is none.
    """
    if line.problem is not None:
        raise InputError(line.problem)
    where = f"line {line.number}"
    try:
        item = json.loads(line.text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:  # digits or brackets without end
        raise InputError(f"{where} is not JSON that can be read") from error
    if not isinstance(item, dict):
        raise InputError(f'{where} is not an object such as {{"{KINDS[0]}": "..."}}')
    keys = [column] if column is not None else list(KINDS)
    found = [key for key in keys if key in item]
    if len(found) != 1:
        wanted = " or ".join(repr(key) for key in keys)
        hint = did_you_mean(keys[0], list(item)) if column is not None else ""
        problem = "has both of the keys" if found else "has no key"
        raise InputError(
            f"{where} {problem} {wanted}; its keys are {', '.join(item) or 'none'}{hint}"
        )
    text = item[found[0]]
    if text is not None and not isinstance(text, str):
        raise InputError(f"{where}: {found[0]!r} must be a text, not {text!r:.40}")
    return _row(text, item.get("id"), found[0])


def _text(value: Any) -> str:
    """A cell as text that UTF-8 can hold."""
    return "" if value is None else writable(str(value)).strip()


def _kind(column: str) -> Kind:
    return "sentence" if column == "sentence" else "findings"
