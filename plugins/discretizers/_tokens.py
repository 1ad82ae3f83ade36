"""Finds the words of a lexicon in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from crossdl.anatomy import Anatomy
from crossdl.lexicon import Finding, Lexicon, Part, Place, any_of

EntryT = TypeVar("EntryT")
Sides = frozenset[str]

BLANK = "\ufffc"
"""Stands for ignored text: neither a letter nor a separator."""


@dataclass(frozen=True)
class Span:
    """A stretch of text.

    Attributes:
        start: First character.
        end: One past the last character.
    """

    start: int
    end: int


@dataclass(frozen=True)
class Mention(Span):
    """Words for a place, or for a compartment.

    Attributes:
        rows: Indices of region labels; empty for compartments and places outside.
        admits: Indices of types found there; empty means any.
        bag: Whether the rows are regions with voxels.
        unclear: Whether the place is a vague one.
        outside: Whether findings there do not count.
    """

    rows: tuple[int, ...] = ()
    admits: frozenset[int] = frozenset()
    bag: bool = False
    unclear: bool = False
    outside: bool = False

    @property
    def compartment(self) -> bool:
        """Whether this says no place but only on which side of the surface."""
        return not self.rows and not self.outside


@dataclass(frozen=True)
class Seen(Span):
    """Words for a finding.

    Attributes:
        types: One entry per type stated, each a tuple of alternatives (type indices).
        row: Region label that the words themselves imply, or None.
        describes: Whether it follows the types of the findings next to it.
        denied: Whether a negation reaches it.
    """

    types: tuple[tuple[int, ...], ...] = ()
    row: int | None = None
    describes: bool = False
    denied: bool = False

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
    findings: list[Seen] = field(default_factory=list)
    mentions: list[Mention] = field(default_factory=list)
    locatives: list[Span] = field(default_factory=list)


class Reader:
    """The compiled form of one lexicon for one anatomy."""

    def __init__(self, lexicon: Lexicon, anatomy: Anatomy) -> None:
        """Compiles every table once."""
        self.lexicon = lexicon
        self._rows = {name: i for i, name in enumerate(anatomy.label_names)}
        self._type = {name: i for i, name in enumerate(anatomy.type_names)}
        self._sides = {
            part: {r.side: self._rows[r.name] for r in anatomy.regions if r.part == part}
            for part in anatomy.parts
        }
        self._unclear = self._rows[anatomy.unclear.name]
        self._places: list[tuple[re.Pattern[str], Part | Place | None]] = [
            *((_compiled(p), part) for part in lexicon.parts for p in part.patterns),
            *((_compiled(p), place) for place in lexicon.places for p in place.patterns),
            *((_compiled(p), None) for p in lexicon.outside),
        ]
        self._findings = [(_compiled(p), f) for f in lexicon.findings for p in f.patterns]
        self._compartments = [(any_of(c.patterns), c.admits) for c in lexicon.compartments]
        self._ignored = any_of(lexicon.ignored)
        self._both = any_of(lexicon.both)
        self._joins = _compiled(lexicon.joins)
        self._single = any_of(lexicon.single)
        self._before = any_of(lexicon.negation.before)
        self._after = any_of(lexicon.negation.after)
        self._ends = any_of(lexicon.negation.ends)
        self._locatives = any_of(lexicon.locatives)
        self._inherits = any_of(lexicon.inherits)
        self._clauses = any_of(lexicon.clause_breaks)
        self._items = any_of(lexicon.item_breaks)

    def clauses(self, sentence: str) -> list[list[Item]]:
        """Clauses of a sentence, each a list of items with their tokens."""
        text = self._ignored.sub(lambda m: BLANK * len(m[0]), sentence)
        return [self._items_of(text, s, e) for s, e in _between(self._clauses, text, 0, len(text))]

    def inherits(self, item: Item) -> bool:
        """Whether an item without place speaks of the last one."""
        return self._inherits.search(item.text) is not None

    def _items_of(self, text: str, start: int, end: int) -> list[Item]:
        cut = text[:end]
        items = [
            Item(cut[s:e], s, bracket=s > start and cut[s - 1] in "(（")
            for s, e in _between(self._items, cut, start, end)
        ]
        denials = self._denials(cut, start)
        for word in _matches(self._locatives, cut, start):
            _holder(items, word).locatives.append(word)
        for span, finding in _longest(self._findings, cut, start):
            _holder(items, span).findings.append(self._seen(span, finding, denials))
        for cue in _matches(self._before, cut, start):
            _holder(items, cue).findings.append(Seen(cue.start, cue.end, denied=True))
        for mention in self._mentions(cut, start, items):
            if mention.compartment or not any(_inside(mention, d) for d in denials):
                _holder(items, mention).mentions.append(mention)
        for item in items:
            item.findings.sort(key=lambda s: s.start)
            item.mentions.sort(key=lambda m: m.start)
        return items

    def _seen(self, span: Span, finding: Finding, denials: Sequence[Span]) -> Seen:
        types = tuple(tuple(self._type[t] for t in group) for group in finding.types)
        row = None if finding.place is None else self._rows[finding.place]
        denied = any(_inside(span, d) for d in denials)
        return Seen(span.start, span.end, types, row, finding.describes, denied)

    def _denials(self, text: str, start: int) -> list[Span]:
        ends = _matches(self._ends, text, start)
        denials = []
        for cue in _matches(self._before, text, start):
            stop = min((e.start for e in ends if e.start >= cue.end), default=len(text))
            denials.append(Span(cue.start, stop))
        for cue in _matches(self._after, text, start):
            begin = max((e.end for e in ends if e.end <= cue.start), default=start)
            denials.append(Span(begin, cue.end))
        return denials

    def _mentions(self, text: str, start: int, items: Sequence[Item]) -> list[Mention]:
        found = []
        for pattern, admits in self._compartments:
            types = frozenset(self._type[t] for t in admits)
            found += [Mention(s.start, s.end, (), types) for s in _matches(pattern, text, start)]
        places = _longest(self._places, text, start)
        sides = self._side_words(text, start)
        for span, entry in places:
            types = frozenset(self._type[t] for t in entry.admits) if entry else frozenset()
            if entry is None:
                found.append(Mention(span.start, span.end, outside=True))
            elif isinstance(entry, Place):
                row = self._rows[entry.label]
                vague = row == self._unclear
                found.append(Mention(span.start, span.end, (row,), types, unclear=vague))
            else:
                named = self._sides_before(span, sides, items, text)
                if named is None:
                    named = self._sides_after(span, sides, items, [p for p, _ in places])
                single = self._single.search(_holder(items, span).text) is not None
                rows = self._part_rows(entry, named, single)
                vague = rows == (self._unclear,)
                found.append(
                    Mention(span.start, span.end, rows, types, bag=not vague, unclear=vague)
                )
        return found

    def _part_rows(self, part: Part, named: Sides | None, single: bool) -> tuple[int, ...]:
        """Regions of a part: those of the sides named, or all of them, or *unclear*."""
        rows = self._sides[part.part]
        if None in rows:
            return tuple(rows.values())
        if named is None and (part.needs_side or single):
            return (self._unclear,)
        return tuple(row for side, row in rows.items() if named is None or side in named)

    def _sides_before(
        self, span: Span, sides: Sequence[tuple[Span, Sides]], items: Sequence[Item], text: str
    ) -> Sides | None:
        """Sides named before a place, unless a finding that ended its item used them up."""
        earlier = [(s, n) for s, n in sides if s.end <= span.start]
        if not earlier:
            return None
        last, named = earlier[-1]
        home, here = items.index(_holder(items, last)), items.index(_holder(items, span))
        if here > home and any(f.start >= last.end for i in items[home:here] for f in i.findings):
            return None
        for s, n in reversed(earlier[:-1]):
            if not self._joins.fullmatch(text, s.end, last.start):
                break
            last, named = s, named | n
        return named

    @staticmethod
    def _sides_after(
        span: Span,
        sides: Sequence[tuple[Span, Sides]],
        items: Sequence[Item],
        places: Sequence[Span],
    ) -> Sides | None:
        """Sides named at the end of the item, behind its last place."""
        item = _holder(items, span)
        last = max(p.end for p in places if _holder(items, p) is item)
        named = [n for s, n in sides if s.start >= last and _holder(items, s) is item]
        return frozenset().union(*named) or None

    def _side_words(self, text: str, start: int) -> list[tuple[Span, Sides]]:
        found: list[tuple[Span, Sides]] = []
        for side, patterns in self.lexicon.side_patterns.items():
            for pattern in patterns:
                found += [(s, frozenset([side])) for s in _matches(pattern, text, start)]
        found += [(s, frozenset(self.lexicon.sides)) for s in _matches(self._both, text, start)]
        return sorted(found, key=lambda pair: pair[0].start)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _matches(pattern: re.Pattern[str], text: str, start: int) -> list[Span]:
    return [Span(m.start(), m.end()) for m in pattern.finditer(text, start)]


def _longest(
    entries: Iterable[tuple[re.Pattern[str], EntryT]], text: str, start: int
) -> list[tuple[Span, EntryT]]:
    """All matches, without overlaps: the first one wins, and the longest of those."""
    found = [(s, e) for pattern, e in entries for s in _matches(pattern, text, start)]
    found.sort(key=lambda pair: (pair[0].start, -pair[0].end))
    kept: list[tuple[Span, EntryT]] = []
    for span, entry in found:
        if span.end > span.start and (not kept or span.start >= kept[-1][0].end):
            kept.append((span, entry))
    return kept


def _between(
    separator: re.Pattern[str], text: str, start: int, end: int
) -> Iterable[tuple[int, int]]:
    """Bounds of the stretches of ``text[start:end]`` between separators."""
    at = start
    for match in separator.finditer(text, start, end):
        if match.end() > match.start():
            yield at, match.start()
            at = match.end()
    yield at, end


def _holder(items: Sequence[Item], span: Span) -> Item:
    """The item in which a span begins; one that begins in a separator counts to the next."""
    for item in items:
        if span.start < item.start + len(item.text):
            return item
    return items[-1]


def _inside(span: Span, outer: Span) -> bool:
    return outer.start <= span.start and span.end <= outer.end
