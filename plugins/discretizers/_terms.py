"""Finds many patterns in short texts, trying only those whose letters are there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

_parser: Any = import_module("re._parser")


@dataclass(frozen=True)
class Span:
    """A stretch of text.

    Attributes:
        start: First character.
        end: One past the last character.
    """

    start: int
    end: int


Term = tuple[re.Pattern[str], Any]
Active = Mapping[str, Sequence[Term]]


class Terms:
    """Patterns in groups, each with what it stands for."""

    def __init__(self) -> None:
        """There are none yet."""
        self._terms: list[tuple[str, Term]] = []
        self._always: list[int] = []
        self._by_needle: dict[str, list[int]] = {}

    def add(self, group: str, patterns: Iterable[str | re.Pattern[str]], entry: Any = None) -> None:
        """Adds patterns that stand for the same; where equal text is found, earlier ones win."""
        for pattern in patterns:
            compiled = re.compile(pattern, re.IGNORECASE) if isinstance(pattern, str) else pattern
            needed = needles(compiled.pattern)
            for needle in needed:
                self._by_needle.setdefault(needle, []).append(len(self._terms))
            if not needed:
                self._always.append(len(self._terms))
            self._terms.append((group, (compiled, entry)))

    def active(self, text: str) -> Active:
        """Group → the terms that can be in a text, in the order in which they were added."""
        folded = text.casefold()
        chosen = set(self._always)
        for needle, terms in self._by_needle.items():
            if needle in folded:
                chosen.update(terms)
        groups: dict[str, list[Term]] = {}
        for i in sorted(chosen):
            group, term = self._terms[i]
            groups.setdefault(group, []).append(term)
        return groups


def find(terms: Sequence[Term], text: str) -> list[tuple[Span, Any]]:
    """All matches, without overlaps: the first one wins, and the longest of those."""
    found = [
        (match.start(), -match.end(), i)
        for i, (pattern, _) in enumerate(terms)
        for match in pattern.finditer(text)
    ]
    found.sort()
    kept: list[tuple[Span, Any]] = []
    at = 0
    for start, end, i in found:
        if -end > start >= at:
            kept.append((Span(start, -end), terms[i][1]))
            at = -end
    return kept


def needles(pattern: str) -> frozenset[str]:
    """Strings of which every text that the pattern fits holds one, in small letters.

    Empty where there are none.
    """
    return _needed(_parser.parse(pattern, re.IGNORECASE)) or frozenset()


def _needed(parsed: Any) -> frozenset[str] | None:
    """The best such set of a parsed pattern: the one whose shortest string says most."""
    choices: list[frozenset[str]] = []
    word = ""
    for operator, value in [*parsed, (None, None)]:
        name = str(operator)
        if name == "LITERAL":
            word += chr(value).casefold()
            continue
        if name in ("AT", "ASSERT_NOT"):
            continue
        if word:
            choices.append(frozenset([word]))
            word = ""
        inner = _needed_inside(name, value)
        if inner:
            choices.append(inner)
    return max(choices, key=_worth, default=None)


def _needed_inside(name: str, value: Any) -> frozenset[str] | None:
    if name == "SUBPATTERN":
        return _needed(value[-1])
    if name == "ASSERT":
        return _needed(value[1])
    if name.endswith("_REPEAT"):
        return _needed(value[2]) if value[0] else None
    if name == "IN" and all(str(operator) == "LITERAL" for operator, _ in value):
        return frozenset(chr(code).casefold() for _, code in value)
    if name == "BRANCH":
        branches = [_needed(branch) for branch in value[1]]
        known = [b for b in branches if b]
        return frozenset().union(*known) if len(known) == len(branches) else None
    return None


def _worth(strings: frozenset[str]) -> tuple[int, int]:
    """How rarely a text holds one; a Chinese character says as much as three letters."""
    return min(sum(1 if c.isascii() else 3 for c in s) for s in strings), -len(strings)
