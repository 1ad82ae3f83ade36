"""Rows of files of labelled texts: reading ``.csv`` and ``.jsonl``, and the labels of one row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.decoding import writable
from crossdl.errors import InputError
from crossdl.hints import did_you_mean, suggest
from crossdl.labels import LabelSet
from crossdl.types import FloatArray

TEXT_KEYS = ("sentence", "findings")
"""Columns or keys that hold a text if no other is named: single sentences, whole reports."""
ENDINGS = (".jsonl", ".csv")
SEPARATOR = ";"
"""Between the labels in one cell of a ``.csv``."""
_CSV_FIELD = 2**31 - 1  # characters; the standard library's own limit is shorter than reports


@dataclass(frozen=True)
class Row:
    """One row of a file.

    Attributes:
        where: File and line, for messages.
        number: Counted from 1 among the rows.
        values: What the row says, by column or key.
    """

    where: str
    number: int
    values: Mapping[str, Any]

    @property
    def id(self) -> str:
        """What the file says, or the row's number."""
        return clean(self.values.get("id")) or str(self.number)

    @property
    def annotator(self) -> str | None:
        """Who labelled it, or None."""
        return clean(self.values.get("annotator")) or None

    @property
    def usable(self) -> bool:
        """False where the row says ``usable`` 0.

        Raises:
            InputError: It says something else than 0 or 1.
        """
        said = self.values.get("usable", 1)
        if said in (0, 1) or said in ("0", "1", ""):
            return said in (1, "1", "")
        raise InputError(f"{self.where}: 'usable' must be 0 or 1, not {said!r:.40}")

    def text(self, column: str) -> str:
        """The text in a column.

        Raises:
            InputError: There is no such column, or no text in it.
        """
        value = self._required(column)
        if not isinstance(value, str):
            raise InputError(f"{self.where}: {column!r} must be a text, not {value!r:.40}")
        return clean(value)

    def labels(self, labels: LabelSet) -> tuple[FloatArray, FloatArray]:
        """Labels ``(R,)`` and ``(T,)``: of ``regions`` and ``types``, or else of ``matrix``.

        Of a matrix, a region has its highest type's probability and a type its highest region's.

        Raises:
            InputError: A column is missing, a name unknown, or a probability not in [0, 1].
        """
        names = (labels.label_names, labels.type_names)
        matrix = self.values.get("matrix")
        if matrix is not None and not {"regions", "types"} & set(self.values):
            values = self._matrix(matrix, *names)
            return values.max(axis=1), values.max(axis=0)
        regions, types = (
            self._vector(key, known) for key, known in zip(("regions", "types"), names, strict=True)
        )
        return regions, types

    def _required(self, key: str) -> Any:
        if key not in self.values:
            known = [k for k in self.values if k]
            raise InputError(
                f"{self.where}: there is no {key!r}; there are {', '.join(known) or 'none'}"
                + did_you_mean(key, known)
            )
        return self.values[key]

    def _vector(self, key: str, known: Sequence[str]) -> FloatArray:
        said = self._required(key)
        if isinstance(said, str):
            said = self._cell(said, known)
        if isinstance(said, list):
            said = {str(name): 1 for name in said}
        if not isinstance(said, dict):
            raise InputError(
                f"{self.where}: {key!r} must be a list of names, or name: probability, "
                f"not {said!r:.40}"
            )
        values = np.zeros(len(known), dtype=np.float32)
        for name, p in said.items():
            values[self._place(key, name, known)] = self._probability(f"{key}.{name}", p)
        return values

    def _cell(self, text: str, known: Sequence[str]) -> dict[str, Any]:
        """``"a;b=0.7"`` as probabilities by name."""
        found: dict[str, Any] = {}
        for token in filter(None, (token.strip() for token in text.split(SEPARATOR))):
            name, equals, p = token.rpartition("=")
            if token in known or not equals:
                found[token] = 1
                continue
            try:
                found[name.strip()] = float(p)
            except ValueError as error:
                raise InputError(f"{self.where}: {p!r} in {token!r} is not a number") from error
        return found

    def _matrix(self, said: Any, regions: Sequence[str], types: Sequence[str]) -> FloatArray:
        pairs: list[tuple[str, str, Any]]
        if isinstance(said, dict) and all(isinstance(row, dict) for row in said.values()):
            pairs = [(r, t, p) for r, row in said.items() for t, p in row.items()]
        elif isinstance(said, list) and all(isinstance(p, list) and len(p) == 2 for p in said):
            pairs = [(str(r), str(t), 1) for r, t in said]
        else:
            raise InputError(
                f"{self.where}: 'matrix' must be region: {{type: probability}} or a list of "
                f"[region, type], not {said!r:.40}"
            )
        values = np.zeros((len(regions), len(types)), dtype=np.float32)
        for region, kind, p in pairs:
            at = self._place("matrix", region, regions), self._place("matrix", kind, types)
            values[at] = self._probability(f"matrix.{region}.{kind}", p)
        return values

    def _place(self, key: str, name: str, known: Sequence[str]) -> int:
        if name not in known:
            raise InputError(f"{self.where}: {key}: no label {name!r}{suggest(name, known)}")
        return known.index(name)

    def _probability(self, key: str, p: Any) -> float:
        if not isinstance(p, int | float) or not 0 <= p <= 1:
            raise InputError(f"{self.where}: {key} must be from 0 to 1, not {p!r:.40}")
        return float(p)


def read_label_rows(path: Path, encoding: str | None = None) -> list[Row]:
    """All rows of a ``.jsonl`` or ``.csv`` file; no id occurs twice.

    Raises:
        InputError: The file is missing, has no rows, is malformed or of another encoding, or
            has an id twice.
    """
    read = {".jsonl": _jsonl, ".csv": _csv}[known_ending(path)]
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    rows = list(read(path.name, _decoded(path, encoding)))
    if not rows:
        raise InputError(f"{path.name}: has no rows")
    seen: dict[str, Row] = {}
    for row in rows:
        first = seen.setdefault(row.id, row)
        if first is not row:
            line = first.where.removeprefix(f"{path.name}: ")
            raise InputError(f"{row.where}: id {row.id!r} is already in {line}; make it unique")
    return rows


def text_column(rows: Sequence[Row]) -> str:
    """The column of the text where none is named: whichever of the usual ones there is.

    Raises:
        InputError: There is none of them, or more than one.
    """
    found = [key for key in TEXT_KEYS if key in rows[0].values]
    if len(found) == 1:
        return found[0]
    problem = "more than one" if found else "none"
    raise InputError(
        f"{rows[0].where}: has {problem} of {' and '.join(map(repr, TEXT_KEYS))}; say which column "
        f"holds the text: {', '.join(k for k in rows[0].values if k) or 'there are none'}"
    )


def known_ending(path: Path) -> str:
    """The ending of a file of labelled texts.

    Raises:
        InputError: It is not one of them.
    """
    ending = path.suffix.lower()
    if ending in ENDINGS:
        return ending
    raise InputError(
        f"{path.name}: ending {path.suffix or '(none)'} is not known; labelled texts are "
        f"{' or '.join(ENDINGS)}"
    )


def clean(value: Any) -> str:
    """A value as text that UTF-8 can hold."""
    return "" if value is None else writable(str(value))


def _jsonl(name: str, text: str) -> Iterator[Row]:
    number = 0
    for line_number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        number += 1
        where = f"{name}: line {line_number}"
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: is not JSON ({error})") from error
        if not isinstance(values, dict):
            raise InputError(f'{where}: is not an object such as {{"{TEXT_KEYS[0]}": "..."}}')
        yield Row(where, number, values)


def _csv(name: str, text: str) -> Iterator[Row]:
    csv.field_size_limit(_CSV_FIELD)
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [column.strip() for column in next(lines, [])]
        twice = [column for column in header if column and header.count(column) > 1]
        if twice:
            raise InputError(f"{name}: more than one column is called {twice[0]!r}; rename one")
        number = 0
        for line in lines:
            if not line:
                continue
            number += 1
            where = f"{name}: row {number}, line {lines.line_num}"
            if len(line) != len(header):
                raise InputError(
                    f"{where}: has {len(line)} fields and the header {len(header)}; put quotes "
                    "around texts that hold commas or line breaks"
                )
            yield Row(where, number, dict(zip(header, line, strict=True)))
    except csv.Error as error:
        raise InputError(f"{name}: line {lines.line_num}: {error}") from error


def _decoded(path: Path, encoding: str | None) -> str:
    data = path.read_bytes()
    try:
        return data.decode(encoding or "utf-8").removeprefix("\ufeff")
    except LookupError as error:
        raise InputError(f"encoding {encoding!r} is not known; try utf-8 or gb18030") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path.name}: is not {encoding or 'UTF-8'} (byte 0x{data[error.start]:02X} at "
            f"{error.start}); say its encoding"
        ) from error
