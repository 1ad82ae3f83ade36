"""What the words of a sentence are, once they are found."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossdl.plugins.discretizers._terms import Span, Terms, find

Sides = frozenset[str]

BLANK = "\ufffc"
"""Stands for ignored text: neither a letter nor a separator."""


@dataclass(frozen=True)
class Mention(Span):
    """Words for a place, or for a compartment.

    Attributes:
        rows: Indices of region labels; empty for compartments and places outside.
        admits: Indices of types found there; empty means any.
        bag: Whether the rows are regions with voxels.
        unclear: Whether the place is a vague one.
        outside: Whether findings there do not count.
        weak: Whether it only counts where no other place is named.
        sides: Sides named without a part: the last place is meant, on these sides.
    """

    rows: tuple[int, ...] = ()
    admits: frozenset[int] = frozenset()
    bag: bool = False
    unclear: bool = False
    outside: bool = False
    weak: bool = False
    sides: Sides = frozenset()

    @property
    def compartment(self) -> bool:
        """Whether this says no place but only on which side of the surface."""
        return not (self.rows or self.outside or self.sides)


@dataclass(frozen=True)
class Seen(Span):
    """Words for a finding.

    Attributes:
        types: One entry per type stated, each a tuple of alternatives (type indices).
        row: Region label that the words themselves imply, or None.
        settled: Whether other places of the sentence are meant, if there are any, not that label.
        describes: Whether it follows the types of the findings next to it.
        onward: Whether only places named after it are meant.
        denied: Whether a negation reaches it.
    """

    types: tuple[tuple[int, ...], ...] = ()
    row: int | None = None
    settled: bool = False
    describes: bool = False
    onward: bool = False
    denied: bool = False

    @property
    def cue(self) -> bool:
        """Whether these are the words of a denial themselves."""
        return self.denied and not self.types

    @property
    def positive(self) -> bool:
        """Whether it states a type."""
        return bool(self.types) and not self.denied

    @property
    def open(self) -> bool:
        """Whether it leaves a choice between types."""
        return any(len(group) > 1 for group in self.types)


@dataclass
class Item:
    """The tokens between two separators, in order of the text."""

    text: str
    start: int
    bracket: bool = False
    single: bool = False
    findings: list[Seen] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    locatives: list[Span] = field(default_factory=list)
    sides: list[tuple[Span, Sides]] = field(default_factory=list)

    @property
    def places(self) -> bool:
        """Whether a place is named."""
        return any(not m.compartment for m in self.mentions)


class Clause:
    """A clause, or as much of a very long one as is read at once.

    Attributes:
        text: Its text, with what is to be ignored blanked out.
        items: Its items, in order.
        sides: Its words for sides, in order.
    """

    def __init__(self, text: str, terms: Terms, separators: re.Pattern[str]) -> None:
        """Divides a text and looks which terms it can hold."""
        self._active = terms.active(text)
        for span in self.spans("ignored", text):
            text = text[: span.start] + BLANK * (span.end - span.start) + text[span.end :]
        self.text = text
        self.items = [
            Item(text[s:e], s, bracket=s > 0 and text[s - 1] in "(（")
            for s, e in between(separators, text)
        ]
        self._ends = [item.start + len(item.text) for item in self.items]
        self.sides: list[tuple[Span, Sides]] = []

    @property
    def typed(self) -> bool:
        """Whether it may name a finding with a type."""
        return any(finding.types for _, finding in self._active.get("finding", ()))

    def find(self, group: str) -> list[tuple[Span, Any]]:
        """Terms of a group with what they stand for, in order and without overlaps."""
        return find(self._active.get(group, ()), self.text)

    def spans(self, group: str, text: str | None = None) -> list[Span]:
        """Where terms of a group stand."""
        found = find(self._active.get(group, ()), self.text if text is None else text)
        return [span for span, _ in found]

    def number(self, span: Span) -> int:
        """Of the item in which a span begins; one that begins in a separator counts to the next."""
        return min(bisect_right(self._ends, span.start), len(self.items) - 1)

    def item(self, span: Span) -> Item:
        """The item in which a span begins."""
        return self.items[self.number(span)]

    def denials(self) -> list[Span]:
        """Stretches in which findings are denied."""
        before, after = self.spans("before"), self.spans("after")
        if not (before or after):
            return []
        ends = self.spans("ends")
        denials = []
        for cue in before:
            stop = min((e.start for e in ends if e.start >= cue.end), default=len(self.text))
            denials.append(Span(cue.start, stop))
        for cue in after:
            begin = max((e.end for e in ends if e.end <= cue.start), default=0)
            denials.append(Span(begin, cue.end))
        return denials


def between(separator: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    """Bounds of the stretches of a text between separators."""
    at = 0
    for match in separator.finditer(text):
        if match.end() > match.start():
            yield at, match.start()
            at = match.end()
    yield at, len(text)


def inside(span: Span, outers: Sequence[Span]) -> bool:
    """Whether a span lies within any of others."""
    return any(outer.start <= span.start and span.end <= outer.end for outer in outers)
