"""Labelled texts on disk: sentences or reports with their labels, as ``.csv`` or ``.jsonl``.

One line of ``.jsonl`` is ``{"id": ..., "sentence": ..., "regions": [...], "types": [...]}``, with
``findings`` instead of ``sentence`` for whole reports and ``annotator`` where it is known. Labels
are lists of names, or ``{name: probability}``. A report may have ``matrix`` instead of both:
``{region: {type: probability}}`` or a list of ``[region, type]`` pairs. A ``.csv`` has columns of
the same names, labels separated by ``;`` and soft ones as ``name=probability``.

Rows with ``usable`` 0 are those that an annotator found unfit; they are left out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.errors import InputError
from crossdl.files import write_text
from crossdl.labels import LabelSet, Level
from crossdl.text.label_rows import (
    SEPARATOR,
    TEXT_KEYS,
    known_ending,
    read_label_rows,
    text_column,
)
from crossdl.types import FloatArray, SentenceLabels


@dataclass(frozen=True, eq=False)
class LabelledTexts:
    """n texts with labels; R region and T type labels.

    Attributes:
        ids: n different names, none empty.
        texts: n sentences or reports.
        regions: ``(n, R)`` float32 in [0, 1].
        types: ``(n, T)`` float32 in [0, 1].
        annotators: n names of who labelled, None where unknown.
        level: What the texts are.
    """

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    regions: FloatArray
    types: FloatArray
    annotators: tuple[str | None, ...]
    level: Level = "sentence"

    def __post_init__(self) -> None:
        """Checks that the columns belong together.

        Raises:
            ValueError: Lengths differ, an id is empty or used twice, an annotator is "".
        """
        n = len(self.ids)
        if {len(self.texts), len(self.regions), len(self.types), len(self.annotators)} != {n}:
            raise ValueError("ids, texts, regions, types and annotators differ in length")
        if len(set(self.ids)) != n or not all(self.ids):
            raise ValueError("ids must be different, and not empty")
        if "" in self.annotators:
            raise ValueError("an unknown annotator is None, not ''")

    def __len__(self) -> int:
        """How many texts there are."""
        return len(self.ids)

    @property
    def labels(self) -> SentenceLabels:
        """The texts and labels as discretizers take them."""
        return SentenceLabels(self.texts, self.regions, self.types)

    def take(self, index: Sequence[int] | npt.NDArray[np.int64]) -> LabelledTexts:
        """Some of the texts, in the order of ``index``."""
        at = np.asarray(index, dtype=np.int64)
        return LabelledTexts(
            tuple(self.ids[int(i)] for i in at),
            tuple(self.texts[int(i)] for i in at),
            self.regions[at],
            self.types[at],
            tuple(self.annotators[int(i)] for i in at),
            self.level,
        )


def read_labelled(
    path: Path, labels: LabelSet, *, column: str | None = None, encoding: str | None = None
) -> LabelledTexts:
    """Reads labelled texts.

    Args:
        path: ``.jsonl`` or ``.csv``.
        labels: Gives the names and their order.
        column: Column or key of the text; ``sentence`` or ``findings`` without it. One called
            ``sentence`` holds sentences, any other holds reports.
        encoding: UTF-8 if not given.

    Returns:
        The usable rows in their order. A row without id gets its number, counted from 1.

    Raises:
        InputError: The file is missing, malformed, of another encoding, lacks a column, has an
            id twice, or a label or probability that cannot be; the message names file and row.
    """
    rows = read_label_rows(path, encoding)
    column = column or text_column(rows)
    rows = [row for row in rows if row.usable]
    texts = tuple(row.text(column) for row in rows)
    found = [row.labels(labels) for row in rows]
    regions = np.zeros((len(rows), len(labels.label_names)), dtype=np.float32)
    types = np.zeros((len(rows), labels.n_types), dtype=np.float32)
    for i, (r, t) in enumerate(found):
        regions[i], types[i] = r, t
    return LabelledTexts(
        tuple(row.id for row in rows),
        texts,
        regions,
        types,
        tuple(row.annotator for row in rows),
        "sentence" if column == TEXT_KEYS[0] else "report",
    )


def write_labelled(path: Path, data: LabelledTexts, labels: LabelSet) -> None:
    """Writes labelled texts, whole or not at all; reading gives the same back.

    Raises:
        InputError: ``path`` ends neither in ``.jsonl`` nor in ``.csv``, or the name of a label
            does not fit into a ``.csv``.
    """
    key = TEXT_KEYS[0] if data.level == "sentence" else TEXT_KEYS[1]
    rows = [
        {
            "id": data.ids[i],
            key: data.texts[i],
            "regions": named_labels(labels.label_names, data.regions[i]),
            "types": named_labels(labels.type_names, data.types[i]),
            "annotator": data.annotators[i],
        }
        for i in range(len(data))
    ]
    if known_ending(path) == ".csv":
        columns = ["id", key, "regions", "types", "annotator"]
        write_text(path, _csv_text(path, columns, rows))
    else:
        write_text(path, json_lines(rows))


def named_labels(names: Sequence[str], values: FloatArray) -> list[str] | dict[str, float]:
    """Labels as ``.jsonl`` has them: names if all are 0 or 1, else probabilities above 0."""
    found = {name: _shortest(p) for name, p in zip(names, values, strict=True) if p}
    return list(found) if all(p == 1 for p in found.values()) else found


def json_lines(rows: Sequence[dict[str, Any]]) -> str:
    """One object a line, without the values that are None."""
    return "".join(
        json.dumps(
            {key: value for key, value in row.items() if value is not None},
            ensure_ascii=False,
            allow_nan=False,
        )
        + "\n"
        for row in rows
    )


def _csv_text(path: Path, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)  # its line ends make it quote texts with either kind
    writer.writerow(columns)
    for row in rows:
        cells = {key: _cell(path, row[key]) for key in ("regions", "types")}
        writer.writerow([{**row, **cells}[column] for column in columns])
    return stream.getvalue()


def _cell(path: Path, named: list[str] | dict[str, float]) -> str:
    for name in named:
        if SEPARATOR in name or name != name.strip():
            raise InputError(
                f"{path.name}: the label {name!r} does not fit into a .csv, where {SEPARATOR!r} "
                "separates labels; write .jsonl"
            )
    if isinstance(named, list):
        return SEPARATOR.join(named)
    return SEPARATOR.join(f"{name}={p!r}" for name, p in named.items())


def _shortest(p: np.float32) -> float:
    """The shortest decimal that reads back as the same float32."""
    short = float(str(p))
    return short if np.float32(short) == p else float(p)
