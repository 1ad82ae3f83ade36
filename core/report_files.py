"""Reading sentences and reports from ``.txt``, ``.csv``, ``.xlsx`` and ``.jsonl`` files."""

from __future__ import annotations

import codecs
import csv
import difflib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from crossdl.errors import InputError
from crossdl.workbooks import sheet_rows

Kind = Literal["sentence", "findings"]
KINDS: tuple[Kind, ...] = ("sentence", "findings")


@dataclass(frozen=True)
class ReportRow:
    """One row of a file.

    Attributes:
        index: 0-based position among the rows.
        id: What the file's ``id`` column or key says, or None.
        text: The text, without white space around it; may be empty.
        kind: ``"sentence"``: labelled as it is. ``"findings"``: a Findings section, to be split.
    """

    index: int
    id: str | None
    text: str
    kind: Kind


def read_rows(path: Path, *, column: str | None, encoding: str | None) -> list[ReportRow]:
    """Reads all rows of a file.

    Args:
        path: ``.txt`` has a sentence a line; ``.csv`` and ``.xlsx`` have a header row;
            ``.jsonl`` has an object with ``sentence`` or ``findings`` a line.
        column: Column (or key) that holds the text; one called ``sentence`` holds sentences, any
            other holds Findings sections. Without it, ``sentence`` or ``findings`` is used.
        encoding: Of text files; UTF-8 if not given.

    Raises:
        InputError: The file is missing, empty, malformed, of unknown ending or other encoding.
    """
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
    rows = reader(path, column, encoding)
    if not rows:
        raise InputError(f"{path.name}: has no rows")
    return rows


def _txt(path: Path, column: str | None, encoding: str | None) -> list[ReportRow]:
    if column is not None:
        raise InputError(f"{path.name}: a .txt file has no columns; leave --column out")
    lines = _decoded(path, encoding).splitlines()
    return [ReportRow(i, None, line.strip(), "sentence") for i, line in enumerate(lines)]


def _csv(path: Path, column: str | None, encoding: str | None) -> list[ReportRow]:
    lines = csv.reader(io.StringIO(_decoded(path, encoding), newline=""), strict=True)
    try:
        header = next(lines, None)
        table: list[list[Any]] = []
        for line in lines:
            if not line:
                continue
            if header is not None and len(line) != len(header):
                raise InputError(
                    f"{path.name}: line {lines.line_num} has {len(line)} fields and the header "
                    f"{len(header)}; put quotes around texts that hold commas or line breaks"
                )
            table.append(line)
    except csv.Error as error:
        raise InputError(f"{path.name}: line {lines.line_num}: {error}") from error
    return _from_table(path, header, table, column)


def _xlsx(path: Path, column: str | None, encoding: str | None) -> list[ReportRow]:
    if encoding is not None:
        raise InputError(f"{path.name}: an .xlsx file has no encoding; leave --encoding out")
    if path.stat().st_size == 0:
        raise InputError(f"{path.name}: has no rows")
    lines = list(sheet_rows(path))
    while lines and all(cell is None for cell in lines[-1]):
        lines.pop()
    header = ["" if cell is None else str(cell) for cell in lines[0]] if lines else None
    return _from_table(path, header, lines[1:], column)


def _from_table(
    path: Path,
    header: Sequence[str] | None,
    table: Sequence[Sequence[Any]],
    column: str | None,
) -> list[ReportRow]:
    if header is None:
        raise InputError(f"{path.name}: has no rows")
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
            + _hint(column, names)
        )
    if names.count(column) > 1:
        raise InputError(f"{path.name}: more than one column is called {column!r}; rename one")
    at = names.index(column)
    id_at = names.index("id") if "id" in names else None
    rows = []
    for i, line in enumerate(table):
        cells = [line[k] if k is not None and k < len(line) else None for k in (at, id_at)]
        rows.append(ReportRow(i, _text(cells[1]) or None, _text(cells[0]), _kind(column)))
    return rows


def _jsonl(path: Path, column: str | None, encoding: str | None) -> list[ReportRow]:
    rows: list[ReportRow] = []
    for number, line in enumerate(_decoded(path, encoding).split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path.name}: line {number}"
        try:
            item = json.loads(line)
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
            hint = _hint(keys[0], list(item)) if column is not None else ""
            problem = "has both of the keys" if found else "has no key"
            raise InputError(
                f"{where} {problem} {wanted}; its keys are {', '.join(item) or 'none'}{hint}"
            )
        text = item[found[0]]
        if text is not None and not isinstance(text, str):
            raise InputError(f"{where}: {found[0]!r} must be a text, not {text!r:.40}")
        rows.append(
            ReportRow(len(rows), _text(item.get("id")) or None, _text(text), _kind(found[0]))
        )
    return rows


def _decoded(path: Path, encoding: str | None) -> str:
    data = path.read_bytes()
    if encoding is not None:
        try:
            codecs.lookup(encoding)
            return data.decode(encoding).removeprefix("\ufeff")
        except LookupError as error:
            raise InputError(
                f"--encoding {encoding}: is not known; try utf-8, gb18030 or utf-16"
            ) from error
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path.name} is not {encoding} (byte 0x{data[error.start]:02X} at {error.start}); "
                "give its encoding with --encoding"
            ) from error
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        where = f"{path.name} is not UTF-8 (byte 0x{data[error.start]:02X} at {error.start})"
        for name, label in (("utf-16", "UTF-16"), ("gb18030", "GB18030")):
            if name == "utf-16" and not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                continue
            try:
                data.decode(name)
            except UnicodeDecodeError:
                continue
            raise InputError(f"{where}; it reads as {label}: pass --encoding {name}") from error
        raise InputError(f"{where}; give its encoding with --encoding") from error


def _text(value: Any) -> str:
    """A cell as text that UTF-8 can hold: JSON may name halves of characters."""
    return "" if value is None else str(value).encode("utf-8", "replace").decode().strip()


def _kind(column: str) -> Kind:
    return "sentence" if column == "sentence" else "findings"


def _hint(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""
