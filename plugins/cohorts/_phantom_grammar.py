"""Sentence grammars: texts with choices, named rules and slots, and the dice that decide them.

A text may hold ``[a|b|]`` (one of the alternatives, which may be empty and may nest), ``<name>``
(one alternative of the rule of that name) and ``{name}`` (a slot that the caller fills).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

_T = TypeVar("_T")
_CLOSERS = {"[": "]", "<": ">", "{": "}"}


class Dice:
    """Many cheap decisions from one generator: uniform numbers are drawn in blocks."""

    def __init__(self, rng: np.random.Generator, block: int = 256) -> None:
        """Takes what it needs from ``rng``, ``block`` numbers at a time."""
        self._rng, self._block = rng, block
        self._numbers: Iterator[float] = iter(())

    def random(self) -> float:
        """Uniform in [0, 1)."""
        for number in self._numbers:
            return number
        self._numbers = iter(self._rng.random(self._block).tolist())
        return next(self._numbers)

    def below(self, n: int) -> int:
        """One of 0 … n - 1."""
        return int(self.random() * n)

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return self.random() < share

    def pick(self, items: Sequence[_T]) -> _T:
        """One of the items."""
        return items[int(self.random() * len(items))]

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self.random()

    def shuffle(self, items: MutableSequence[_T]) -> None:
        """Puts the items in a random order."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]


@dataclass(frozen=True)
class _Choice:
    options: tuple[Text, ...]


@dataclass(frozen=True)
class _Rule:
    name: str


@dataclass(frozen=True)
class _Slot:
    name: str


@dataclass(frozen=True, eq=False)
class Text:
    """A parsed text.

    Attributes:
        parts: Literals, choices, rules and slots, in order.
        uses: Slots, as ``{name}``, and rules, as ``<name>``, that it names itself.
    """

    parts: tuple[str | _Choice | _Rule | _Slot, ...]
    uses: frozenset[str]


Slots = Mapping[str, "str | Callable[[], str]"]


def parse(source: str) -> Text:
    """A text as data.

    Raises:
        ValueError: A bracket is not closed, or closed without having been opened.
    """
    text, end = _parse(source, 0, "")
    if end != len(source):
        raise ValueError(f"{source!r}: nothing opens {source[end]!r}")
    return text


def _parse(source: str, at: int, stops: str) -> tuple[Text, int]:
    parts: list[str | _Choice | _Rule | _Slot] = []
    literal = ""
    while at < len(source) and source[at] not in stops:
        mark = source[at]
        if mark not in "[<{]>}":
            literal += mark
            at += 1
            continue
        if mark not in _CLOSERS:
            break
        if literal:
            parts.append(literal)
            literal = ""
        if mark == "[":
            options = []
            while True:
                option, at = _parse(source, at + 1, "|]")
                options.append(option)
                if at >= len(source) or source[at] not in "|]":
                    raise ValueError(f"{source!r}: a bracket is not closed")
                if source[at] == "]":
                    break
            parts.append(_Choice(tuple(options)))
        else:
            end = source.find(_CLOSERS[mark], at)
            if end < 0:
                raise ValueError(f"{source!r}: {mark!r} is not closed")
            name = source[at + 1 : end]
            parts.append(_Rule(name) if mark == "<" else _Slot(name))
            at = end
        at += 1
    if literal:
        parts.append(literal)
    return _text(parts), at


def _text(parts: Sequence[str | _Choice | _Rule | _Slot]) -> Text:
    used: set[str] = set()
    for part in parts:
        if isinstance(part, _Choice):
            used.update(*(option.uses for option in part.options))
        elif isinstance(part, _Rule):
            used.add(f"<{part.name}>")
        elif isinstance(part, _Slot):
            used.add(f"{{{part.name}}}")
    return Text(tuple(parts), frozenset(used))


class Rules:
    """Named rules of one language.

    Args:
        table: Rule name → alternatives.

    Raises:
        ValueError: A text cannot be parsed or names a rule that is not in the table.
    """

    def __init__(self, table: Mapping[str, Sequence[str]]) -> None:
        """Parses every alternative."""
        self.table = {name: tuple(map(parse, texts)) for name, texts in table.items()}
        for name, texts in self.table.items():
            for text in texts:
                self.check(text, name)

    def check(self, text: Text, where: str) -> None:
        """Raises ValueError if a text names an unknown rule."""
        for used in text.uses:
            if used[0] == "<" and used[1:-1] not in self.table:
                raise ValueError(f"{where}: there is no rule {used}")

    def say(self, text: Text, dice: Dice, slots: Slots) -> str:
        """One way of writing a text.

        Raises:
            KeyError: It uses a slot that is not given.
        """
        out: list[str] = []
        for part in text.parts:
            if isinstance(part, str):
                out.append(part)
            elif isinstance(part, _Choice):
                out.append(self.say(dice.pick(part.options), dice, slots))
            elif isinstance(part, _Rule):
                out.append(self.say(dice.pick(self.table[part.name]), dice, slots))
            else:
                value = slots[part.name]
                out.append(value if isinstance(value, str) else value())
        return "".join(out)

    def rule(self, name: str, dice: Dice, slots: Slots) -> str:
        """One way of writing a rule."""
        return self.say(dice.pick(self.table[name]), dice, slots)
