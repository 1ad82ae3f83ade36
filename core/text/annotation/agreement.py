"""How far annotators agree: Cohen's kappa and F1 per label, and where they differ."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from crossdl.errors import InputError
from crossdl.labels import LabelSet
from crossdl.text.annotation.answers import Answer, Item, row_answer
from crossdl.text.label_rows import read_label_rows, text_column
from crossdl.text.scores import f1
from crossdl.types import BoolArray


@dataclass(frozen=True)
class Answered:
    """The same texts, answered by several people.

    Attributes:
        items: Texts that everybody answered, in the order of the first file, with the answers.
        partial: Number of texts that only some of them answered.
    """

    items: tuple[Item, ...]
    partial: int

    @property
    def annotators(self) -> tuple[str, ...]:
        """Their names, in the order of the files."""
        return tuple(self.items[0].given)

    @property
    def agreed(self) -> list[tuple[Item, Answer]]:
        """Texts to which all gave the same answer, with it."""
        return [
            (item, next(iter(item.given.values())))
            for item in self.items
            if len(set(item.given.values())) == 1
        ]

    @property
    def disputed(self) -> list[Item]:
        """Texts to which they gave different answers."""
        return [item for item in self.items if len(set(item.given.values())) > 1]


@dataclass(frozen=True)
class LabelAgreement:
    """Agreement on one label.

    Attributes:
        name: The label.
        positives: How many texts each annotator gave it to.
        kappa: Cohen's kappa, mean over pairs of annotators; None where both of every pair gave
            it always or never, and chance explains everything.
        f1: F1 of one against the other, mean over pairs; None where nobody gave it.
    """

    name: str
    positives: tuple[int, ...]
    kappa: float | None
    f1: float | None


@dataclass(frozen=True)
class Agreement:
    """Agreement of all annotators on texts that all found usable.

    Attributes:
        n: Number of these texts.
        unusable: Number of texts that at least one found not usable.
        same: Part of all texts with one and the same answer.
        labels: Per label.
        kappa: Mean over the labels that have one.
        micro_f1: Over all cells of text and label, mean over pairs; of regions, types and both.
    """

    n: int
    unusable: int
    same: float
    labels: tuple[LabelAgreement, ...]
    kappa: float | None
    micro_f1: Mapping[str, float | None]


def read_answered(paths: Sequence[Path], labels: LabelSet) -> Answered:
    """Reads the files of two or more annotators.

    Raises:
        InputError: Fewer than two files, one cannot be read, two have the same annotator, an id
            stands for different texts, or they have no text in common.
    """
    if len(paths) < 2:
        raise InputError("give the files of two annotators or more")
    books: dict[str, dict[str, tuple[Item, Answer]]] = {}
    for path in paths:
        rows = read_label_rows(path)
        key = text_column(rows)
        who = rows[0].annotator or path.stem
        if who in books:
            raise InputError(f"{path.name}: is by {who!r}, as another of the files is")
        books[who] = {
            row.id: (Item(row.id, key, row.text(key)), row_answer(row, labels)) for row in rows
        }
    everything = {name for book in books.values() for name in book}
    first = next(iter(books.values()))
    items = []
    for name, (item, _) in first.items():
        if not all(name in book for book in books.values()):
            continue
        if any(book[name][0].text != item.text for book in books.values()):
            raise InputError(f"id {name!r} is of different texts in {paths[0].name} and the others")
        given = {who: book[name][1] for who, book in books.items()}
        items.append(Item(item.id, item.key, item.text, None, given))
    if not items:
        names = ", ".join(path.name for path in paths)
        raise InputError(f"{names}: have no text in common; label the same sample")
    return Answered(tuple(items), len(everything) - len(items))


def measure(answered: Answered, labels: LabelSet) -> Agreement:
    """Kappa and F1 on the texts that all found usable."""
    usable = [x for x in answered.items if all(a.usable for a in x.given.values())]
    names = (*labels.label_names, *labels.type_names)
    given = {who: _table([x.given[who] for x in usable], labels) for who in answered.annotators}
    pairs = list(combinations(given.values(), 2))
    found = []
    for i, name in enumerate(names):
        columns = [(a[:, i], b[:, i]) for a, b in pairs]
        found.append(
            LabelAgreement(
                name,
                tuple(int(table[:, i].sum()) for table in given.values()),
                _mean([kappa(a, b) for a, b in columns]),
                _mean([f1(a, b) for a, b in columns]),
            )
        )
    n_regions = len(labels.label_names)
    parts = {
        "regions": slice(None, n_regions),
        "types": slice(n_regions, None),
        "all labels": slice(None),
    }
    return Agreement(
        n=len(usable),
        unusable=len(answered.items) - len(usable),
        same=len(answered.agreed) / len(answered.items),
        labels=tuple(found),
        kappa=_mean([label.kappa for label in found]),
        micro_f1={
            part: _mean([f1(a[:, columns], b[:, columns]) for a, b in pairs])
            for part, columns in parts.items()
        },
    )


def kappa(a: BoolArray, b: BoolArray) -> float | None:
    """Cohen's kappa of two annotators, ``(n,)`` each; None where it is 0 / 0."""
    from sklearn.metrics import cohen_kappa_score

    if len(a) == 0 or (a.all() and b.all()) or not (a.any() or b.any()):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(cohen_kappa_score(a, b))


def _table(answers: Sequence[Answer], labels: LabelSet) -> BoolArray:
    """``(n, R + T)``."""
    width = len(labels.label_names) + labels.n_types
    rows = [
        [name in x.regions for name in labels.label_names]
        + [name in x.types for name in labels.type_names]
        for x in answers
    ]
    return np.array(rows, dtype=np.bool_).reshape(len(answers), width)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
