"""Rows of a file with their labels, a few at a time, whatever single rows hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.errors import CatalogError, ConfigError
from crossdl.label_cache import LabelCache
from crossdl.reports import Sentence, find_units, merge, whole
from crossdl.types import AbnormalityMatrix, FloatArray, SentenceLabels

if TYPE_CHECKING:
    from crossdl.interfaces import ReportDiscretizer
    from crossdl.report_files import ReportRow

ROWS = 256
"""Rows labelled at a time: enough for a model to batch, few enough for a bar to move."""

CHARACTERS = 4_000_000
"""And characters, where rows are long."""

GIVE_UP = 20
"""Failures in a row that are no longer the rows' fault."""


@dataclass(frozen=True, eq=False)
class LabelledRow:
    """A row and what was found in it.

    Attributes:
        row: The row; where ``problem`` is set it has no labels.
        units: Its sentences, or itself where it is labelled as a whole.
        labels: Their labels.
        matrix: The merged labels (E1), or None where reports are labelled as a whole.
    """

    row: ReportRow
    units: tuple[Sentence, ...]
    labels: SentenceLabels
    matrix: AbnormalityMatrix | None

    @property
    def regions(self) -> FloatArray:
        """``(R,)``: per region label the highest probability behind a positive cell."""
        return self._behind(self.labels.regions, 0)

    @property
    def types(self) -> FloatArray:
        """``(T,)``: per type the highest probability behind a positive cell."""
        return self._behind(self.labels.types, 1)

    def _behind(self, values: FloatArray, axis: int) -> FloatArray:
        found = np.zeros(values.shape[1], dtype=np.float32)
        if self.matrix is None or self.row.kind == "sentence":
            return values.max(axis=0, initial=0.0, out=found)
        for cell, sentences in self.matrix.evidence.items():
            at = cell[axis]
            found[at] = max(found[at], values[list(sentences), at].max())
        return found


def label_rows(
    discretizer: ReportDiscretizer[Any], rows: Iterable[ReportRow]
) -> Iterator[LabelledRow]:
    """Labels rows in their order; memory does not grow with their number.

    A row that the discretizer fails at gets a problem, and the next ones are labelled; a row
    that has a problem already is passed on.

    Raises:
        Exception: What the discretizer raised, where it did so for :data:`GIVE_UP` rows in
            succession.
        ConfigError: The discretizer cannot label at all.
    """
    labeller = _Labeller(discretizer)
    for chunk in _chunks(rows):
        yield from labeller.label(chunk)


class _Labeller:
    def __init__(self, discretizer: ReportDiscretizer[Any]) -> None:
        self._discretizer = discretizer
        self._cache = LabelCache(discretizer)
        self._failures = 0

    def label(self, chunk: list[ReportRow]) -> list[LabelledRow]:
        try:
            units = [self._units(row) for row in chunk]
            found = self._cache.label_each([[unit.text for unit in row] for row in units])
        except (ConfigError, CatalogError):
            raise
        except Exception as error:
            if len(chunk) > 1:
                return [labelled for row in chunk for labelled in self.label([row])]
            self._failures += 1
            if self._failures >= GIVE_UP:
                raise
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            return self.label([replace(chunk[0], problem=f"cannot be labelled ({reason})")])
        if any(units):
            self._failures = 0
        return [
            LabelledRow(row, tuple(of_row), labels, self._merged(labels))
            for row, of_row, labels in zip(chunk, units, found, strict=True)
            if labels is not None
        ]

    def _units(self, row: ReportRow) -> list[Sentence]:
        if row.problem is not None:
            return []
        if row.kind == "sentence":
            return whole(row.text)
        return find_units(self._discretizer, row.text)

    def _merged(self, labels: SentenceLabels) -> AbnormalityMatrix | None:
        if self._discretizer.level == "report":
            return None
        return merge(labels, self._discretizer.labels)


def _chunks(rows: Iterable[ReportRow]) -> Iterator[list[ReportRow]]:
    chunk: list[ReportRow] = []
    characters = 0
    for row in rows:
        chunk.append(row)
        characters += len(row.text)
        if len(chunk) >= ROWS or characters >= CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk
