"""Which sides a place is on: from side words in, before or after its own words."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from crossdl.plugins.discretizers._terms import Span
from crossdl.plugins.discretizers._tokens import Clause, Item, Mention, Sides, inside

LISTED = 8
"""Items of a list whose last one may name the side of all."""


def sides_of(
    span: Span,
    clause: Clause,
    places: Sequence[Span],
    joins: re.Pattern[str],
    trailing: re.Pattern[str],
    adjacent: bool,
) -> Sides | None:
    """Sides named in a place's words, else before, else after them, else None.

    Args:
        span: The place's words.
        clause: Where they stand.
        places: The words of all places of the clause, in order.
        joins: What may stand between two sides meant together.
        trailing: What may stand between a place and its side.
        adjacent: Whether sides before only count right before the words.
    """
    within = [named for side, named in clause.item(span).sides if inside(side, [span])]
    if within:
        return frozenset().union(*within)
    named = _behind(span, clause, trailing)
    if named is None:
        named = _before(span, clause, joins, adjacent)
    return _after(span, clause, places, joins) if named is None else named


def _behind(span: Span, clause: Clause, trailing: re.Pattern[str]) -> Sides | None:
    """The side right behind a place ("the frontal lobe on the left")."""
    passed = bisect_left(clause.sides, span.end, key=lambda side: side[0].start)
    for side, named in clause.sides[passed : passed + 1]:
        if trailing.fullmatch(clause.text, span.end, side.start):
            return named
    return None


def _before(span: Span, clause: Clause, joins: re.Pattern[str], adjacent: bool) -> Sides | None:
    """Sides named before a place, unless a finding that ended its item used them up."""
    passed = bisect_right(clause.sides, span.start, key=lambda side: side[0].end)
    if not passed:
        return None
    last, named = clause.sides[passed - 1]
    if adjacent and clause.text[last.end : span.start].strip():
        return None
    home, here = clause.number(last), clause.number(span)
    between = clause.items[home:here]
    if any(f.start >= last.end for item in between for f in item.findings):
        return None
    for s, n in reversed(clause.sides[: passed - 1]):
        if not joins.fullmatch(clause.text, s.end, last.start):
            break
        last, named = s, named | n
    return named


def _after(
    span: Span, clause: Clause, places: Sequence[Span], joins: re.Pattern[str]
) -> Sides | None:
    """Sides named behind the last place of the item, or alone in the item after it."""
    number = clause.number(span)
    item = clause.items[number]
    end = item.start + len(item.text)
    last = places[bisect_right(places, end, key=lambda place: place.start) - 1].end
    named = [n for s, n in item.sides if s.start >= last]
    following = clause.items[number + 1 : number + LISTED]
    if not named and following and _only_sides(following[0], joins):
        named = [n for _, n in following[0].sides]
    for item in () if named else following:
        if item.findings:
            break
        if item.sides:
            end = item.start + len(item.text)
            last = places[bisect_right(places, end, key=lambda place: place.start) - 1].end
            if last > item.start and item.sides[0][0].start >= last:
                named = [n for _, n in item.sides]
            break
    return frozenset().union(*named) or None


def _only_sides(item: Item, joins: re.Pattern[str]) -> bool:
    """Whether an item consists of side words."""
    at = 0
    for span, _ in item.sides:
        if not joins.fullmatch(item.text, at, span.start - item.start):
            return False
        at = span.end - item.start
    return bool(item.sides) and joins.fullmatch(item.text, at) is not None


def add_ellipses(clauses: Sequence[Clause]) -> None:
    """Lets sides without a part speak of the place before ("oedema in the right")."""
    earlier = False
    for item in (item for clause in clauses for item in clause.items):
        if earlier and item.sides and not item.places and any(f.positive for f in item.findings):
            sides = frozenset().union(*(named for _, named in item.sides))
            span = item.sides[-1][0]
            item.mentions.append(Mention(span.start, span.end, sides=sides))
            item.mentions.sort(key=lambda m: m.start)
        earlier = earlier or any(m.rows for m in item.mentions)
