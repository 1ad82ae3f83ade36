"""Reads the words of a lexicon in a sentence."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from crossdl.anatomy import Anatomy
from crossdl.lexicon import Finding, Lexicon, Part, Place, any_of
from crossdl.plugins.discretizers._sides import add_ellipses, sides_of
from crossdl.plugins.discretizers._terms import Span, Terms
from crossdl.plugins.discretizers._tokens import (
    Clause,
    Item,
    Mention,
    Seen,
    Sides,
    between,
    inside,
)

STRETCH = re.compile(r"(?:[A-Za-z0-9]{1,40}|[^A-Za-z0-9]){1,400}")
"""As much of a clause as is read at once, in words, so that time grows with length alone and
swapping left and right cuts at the same words."""


class Reader:
    """The compiled form of one lexicon for one anatomy."""

    def __init__(self, lexicon: Lexicon, anatomy: Anatomy) -> None:
        """Compiles every table once."""
        self._rows = {name: i for i, name in enumerate(anatomy.label_names)}
        self._type = {name: i for i, name in enumerate(anatomy.type_names)}
        self._sides = {
            part: {r.side: self._rows[r.name] for r in anatomy.regions if r.part == part}
            for part in anatomy.parts
        }
        self._unclear = self._rows[anatomy.unclear.name]
        self._compartments = [self._types(c.admits) for c in lexicon.compartments]
        self._joins = any_of([lexicon.joins])
        self._inherits, self._trailing = any_of(lexicon.inherits), any_of(lexicon.trailing)
        self._unless = {f.unless: any_of([f.unless]) for f in lexicon.findings if f.unless}
        self._clauses, self._items = any_of(lexicon.clause_breaks), any_of(lexicon.item_breaks)
        self._terms = self._collect(lexicon)

    def _collect(self, lexicon: Lexicon) -> Terms:
        """All words of the tables."""
        terms = Terms()
        for part in lexicon.parts:
            terms.add("place", part.patterns, part)
        for place in lexicon.places:
            terms.add("place", place.patterns, place)
        terms.add("place", lexicon.outside)
        for finding in lexicon.findings:
            terms.add("finding", finding.patterns, finding)
        for compartment, admits in zip(lexicon.compartments, self._compartments, strict=True):
            terms.add("compartment", compartment.patterns, admits)
        for side, patterns in lexicon.side_patterns.items():
            terms.add("side", patterns, frozenset([side]))
        terms.add("side", lexicon.both, frozenset(lexicon.sides))
        terms.add("before", lexicon.negation.before)
        terms.add("after", lexicon.negation.after)
        terms.add("ends", lexicon.negation.ends)
        terms.add("ignored", lexicon.ignored)
        terms.add("locative", lexicon.locatives)
        terms.add("single", lexicon.single)
        return terms

    def clauses(self, sentence: str) -> list[list[Item]]:
        """Clauses of a sentence, each a list of items with their tokens.

        There are none where nothing but denied findings and those without types is named.
        """
        read = [
            Clause(stretch[0], self._terms, self._items)
            for start, end in between(self._clauses, sentence)
            for stretch in STRETCH.finditer(sentence, start, end)
        ]
        if not any(clause.typed for clause in read):
            return []
        denials = [clause.denials() for clause in read]
        settled = {key for key, found in self._unless.items() if found.search(sentence)}
        for clause, denied in zip(read, denials, strict=True):
            self._add_findings(clause, denied, settled)
        if not any(f.positive for clause in read for item in clause.items for f in item.findings):
            return []
        for clause, denied in zip(read, denials, strict=True):
            self._add_mentions(clause, denied)
        add_ellipses(read)
        return [clause.items for clause in read]

    def inherits(self, item: Item) -> bool:
        """Whether an item without place speaks of the last one."""
        return self._inherits.search(item.text) is not None

    def together(self, some: Iterable[int], others: Iterable[int]) -> bool:
        """Whether types of both lie in the same compartment, or one of them has none."""
        first, second = frozenset(some), frozenset(others)
        if not (first and second and self._compartments):
            return True
        return any(admits & first and admits & second for admits in self._compartments)

    def alongside(self, types: frozenset[int]) -> frozenset[int]:
        """Types of the same compartments."""
        return types.union(*(admits for admits in self._compartments if admits & types))

    def moved(self, mention: Mention, sides: Sides) -> Mention:
        """The same place on other sides; places that have no sides stay as they are."""
        found: dict[int, None] = {}
        for row in mention.rows:
            homes = (by_side for by_side in self._sides.values() if row in by_side.values())
            home = next(homes, {None: row})
            chosen = home if None in home else {s: r for s, r in home.items() if s in sides}
            found |= dict.fromkeys(chosen.values())
        return replace(mention, rows=tuple(found), sides=frozenset())

    def _add_findings(
        self, clause: Clause, denials: Sequence[Span], settled: Collection[str | None]
    ) -> None:
        for span, finding in clause.find("finding"):
            seen = self._seen(span, finding, denials)
            if finding.unless in settled:
                seen = replace(seen, settled=True)
            clause.item(span).findings.append(seen)
        for cue in clause.spans("before"):
            clause.item(cue).findings.append(Seen(cue.start, cue.end, denied=True))
        for item in clause.items:
            item.findings.sort(key=lambda s: s.start)

    def _add_mentions(self, clause: Clause, denials: Sequence[Span]) -> None:
        for word in clause.spans("locative"):
            clause.item(word).locatives.append(word)
        for word in clause.spans("single"):
            clause.item(word).single = True
        clause.sides = clause.find("side")
        for side in clause.sides:
            clause.item(side[0]).sides.append(side)
        for span, admits in clause.find("compartment"):
            clause.item(span).mentions.append(Mention(span.start, span.end, (), admits))
        places = clause.find("place")
        words = [span for span, _ in places]
        for span, entry in places:
            if not inside(span, denials):
                clause.item(span).mentions.append(self._mention(span, entry, clause, words))
        for item in clause.items:
            item.mentions.sort(key=lambda m: m.start)

    def _seen(self, span: Span, finding: Finding, denials: Sequence[Span]) -> Seen:
        types = tuple(tuple(self._type[t] for t in group) for group in finding.types)
        row = None if finding.place is None else self._rows[finding.place]
        denied = inside(span, denials)
        return Seen(
            span.start,
            span.end,
            types,
            row,
            describes=finding.describes,
            onward=finding.onward,
            denied=denied,
        )

    def _mention(
        self, span: Span, entry: Part | Place | None, clause: Clause, words: Sequence[Span]
    ) -> Mention:
        """A place named; None is one outside."""
        if entry is None:
            return Mention(span.start, span.end, outside=True)
        types = self._types(entry.admits)
        if isinstance(entry, Place):
            row = self._rows[entry.label]
            unclear = row == self._unclear
            return Mention(span.start, span.end, (row,), types, unclear=unclear, weak=entry.weak)
        named = sides_of(span, clause, words, self._joins, self._trailing, entry.adjacent)
        rows = self._part_rows(entry, named, clause.item(span).single)
        unclear = rows == (self._unclear,)
        return Mention(span.start, span.end, rows, types, bag=not unclear, unclear=unclear)

    def _part_rows(self, part: Part, named: Sides | None, single: bool) -> tuple[int, ...]:
        """Regions of a part: those of the sides named, or all of them, or *unclear*."""
        rows = self._sides[part.part]
        if None in rows:
            return tuple(rows.values())
        if named is None and (part.needs_side or single):
            return (self._unclear,)
        return tuple(row for side, row in rows.items() if named is None or side in named)

    def _types(self, names: Iterable[str]) -> frozenset[int]:
        return frozenset(self._type[name] for name in names)
