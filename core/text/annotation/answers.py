"""Texts to be labelled, and what one person answers, safe on disk after every answer."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossdl.errors import InputError
from crossdl.files import replacing
from crossdl.labels import LabelSet
from crossdl.text.label_rows import Row, read_label_rows, text_column
from crossdl.text.labelled import json_lines


@dataclass(frozen=True)
class Answer:
    """What one person says of one text.

    Attributes:
        regions: Names of the region labels.
        types: Names of the type labels.
        usable: False where the text should not be used at all; then there are no labels.
    """

    regions: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    usable: bool = True

    @property
    def one_sided(self) -> bool:
        """Regions without types, or types without regions: rarely what is meant."""
        return bool(self.regions) != bool(self.types)


NOT_USABLE = Answer(usable=False)


@dataclass(frozen=True)
class Item:
    """One text to be labelled.

    Attributes:
        id: Unique in its file.
        key: ``"sentence"`` or ``"findings"``.
        text: The text.
        suggestion: What a model would answer, or None.
        given: What others answered, by their names.
    """

    id: str
    key: str
    text: str
    suggestion: Answer | None = None
    given: Mapping[str, Answer] = field(default_factory=dict)

    @property
    def agreed(self) -> Answer | None:
        """Labels that all others gave, or None where nobody else was asked."""
        if not self.given:
            return None
        answers = list(self.given.values())
        return Answer(
            frozenset.intersection(*(answer.regions for answer in answers)),
            frozenset.intersection(*(answer.types for answer in answers)),
            any(answer.usable for answer in answers),
        )


def read_items(path: Path, labels: LabelSet) -> list[Item]:
    """The texts of a sample; any file of texts with ids will do.

    Raises:
        InputError: The file cannot be read, or a suggestion has unknown labels.
    """
    rows = read_label_rows(path)
    key = text_column(rows)
    items = []
    for row in rows:
        said = row.values.get("suggestion")
        if said is not None and not isinstance(said, dict):
            raise InputError(f"{row.where}: 'suggestion' must have regions and types")
        suggestion = row_answer(Row(row.where, row.number, said), labels) if said else None
        items.append(Item(row.id, key, row.text(key), suggestion))
    return items


def row_answer(row: Row, labels: LabelSet) -> Answer:
    """The labels of a row with a probability above 0.5.

    Raises:
        InputError: The row's labels cannot be read.
    """
    if not row.usable:
        return NOT_USABLE
    regions, types = row.labels(labels)
    return Answer(
        frozenset(name for name, p in zip(labels.label_names, regions, strict=True) if p > 0.5),
        frozenset(name for name, p in zip(labels.type_names, types, strict=True) if p > 0.5),
    )


class AnswerBook:
    """The answers of one person, in a file that :func:`crossdl.text.labelled.read_labelled` reads.

    Every answer is on disk before :meth:`save` returns: the file is written anew beside the old
    one, forced to the disk and renamed, so it is whole at any moment.
    """

    def __init__(
        self,
        path: Path,
        annotator: str,
        items: Sequence[Item],
        labels: LabelSet,
        agreed: Sequence[tuple[Item, Answer]] = (),
    ) -> None:
        """Opens the file, or a new one, which is written with the first answer.

        Args:
            path: Of the answers, ``.jsonl``.
            annotator: Who answers.
            items: What is asked, in order.
            labels: The label set.
            agreed: Texts whose answers are known, which are not asked.

        Raises:
            InputError: The file is no ``.jsonl``, is damaged, holds answers of somebody else, or
                other texts under the same ids.
        """
        if path.suffix.lower() != ".jsonl":
            raise InputError(f"--out {path}: answers are saved as .jsonl; give such a name")
        if path.is_dir():
            raise InputError(f"--out {path}: is a folder; give a file name")
        if not annotator.strip():
            raise InputError("--annotator: must not be empty; give the name of who answers")
        self.path, self.annotator, self.items, self.labels = path, annotator.strip(), items, labels
        self.answers: dict[str, Answer] = {}
        self._others: list[dict[str, Any]] = []
        self._known = [
            self._row(item, answer, "+".join(item.given) or self.annotator)
            for item, answer in agreed
        ]
        if path.exists():
            self._read({item.id: item for item, _ in agreed})
        self._seen = self._state()

    @property
    def open(self) -> list[int]:
        """Positions of the items that have no answer yet."""
        return [i for i, item in enumerate(self.items) if item.id not in self.answers]

    def save(self, item: Item, answer: Answer) -> None:
        """Keeps an answer, in place of an earlier one to the same item.

        Raises:
            InputError: Another program wrote into the file meanwhile.
        """
        before = dict(self.answers)
        self.answers[item.id] = answer
        try:
            self.write()
        except BaseException:
            self.answers = before
            raise

    def write(self) -> None:
        """Writes the file: known answers and those given so far."""
        if self._state() != self._seen:
            raise InputError(
                f"{self.path}: was changed by another program, perhaps a second form; end one of "
                "them, and start this one again to go on"
            )
        rows = [*self._others, *self._known]
        for item in self.items:
            answer = self.answers.get(item.id)
            if answer is not None:
                rows.append(self._row(item, answer, self.annotator))
        with replacing(self.path) as working, working.open("w", encoding="utf-8") as stream:
            stream.write(json_lines(rows))
            stream.flush()
            os.fsync(stream.fileno())
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._seen = self._state()

    def _row(self, item: Item, answer: Answer, annotator: str) -> dict[str, Any]:
        return {
            "id": item.id,
            item.key: item.text,
            "regions": [name for name in self.labels.label_names if name in answer.regions],
            "types": [name for name in self.labels.type_names if name in answer.types],
            "annotator": annotator,
            "usable": None if answer.usable else 0,
        }

    def _read(self, known: Mapping[str, Item]) -> None:
        asked = {item.id: item for item in self.items}
        for row in read_label_rows(self.path) if self.path.stat().st_size else ():
            item = asked.get(row.id) or known.get(row.id)
            if item is not None and row.text(item.key) != item.text:
                raise InputError(
                    f"{row.where}: {row.id!r} is another text in the sample; give the sample that "
                    "was labelled, or another name with --out"
                )
            if row.id in known or (item is not None and row.annotator == "+".join(item.given)):
                continue
            if row.annotator != self.annotator and (item is not None or not known):
                raise InputError(
                    f"{row.where}: was labelled by {row.annotator!r}, not {self.annotator!r}; "
                    "give each annotator a file of their own with --out"
                )
            if item is None:
                self._others.append(dict(row.values))
            else:
                self.answers[row.id] = row_answer(row, self.labels)

    def _state(self) -> tuple[int, ...] | None:
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            return None
        return stat.st_ino, stat.st_size, stat.st_mtime_ns
