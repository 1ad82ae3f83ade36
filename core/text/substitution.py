"""New sentences from old ones: terms exchanged for others of the label set's lexicons.

Reports of one hospital, or of a simulator, use few of the words that reports can use. Here the
places, findings and sides of a sentence give way to others of the same lexicon, so that what
learns from the result meets every term in every kind of sentence. The labels of the new
sentences are not known; a rule-based discretizer tells them.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossdl.labels import LabelSet
from crossdl.lexicon import Lexicon, any_of

if TYPE_CHECKING:
    from rstr import Rstr

EXCHANGE = 0.7
"""Chance of a term to be exchanged."""

_OPEN = re.compile(r"(?<!\\)\.|\[\^|\\[SWDwd][*+{]")
"""Marks patterns that leave open how a word goes on; what they found is written instead."""

_GAPS = re.compile(r"([-\s])[-\s]+")


@dataclass(frozen=True)
class _Terms:
    """Terms of one class.

    Attributes:
        found: Finds any of them.
        groups: Patterns to write with, by entry.
    """

    found: re.Pattern[str]
    groups: tuple[tuple[str, ...], ...]


def substituted(texts: Sequence[str], labels: LabelSet, count: int, seed: int) -> list[str]:
    """At most ``count`` different new sentences, none of them in ``texts``.

    Args:
        texts: Sentences to start from.
        labels: Whose lexicons give the terms.
        count: How many are wanted.
        seed: Equal seeds give equal sentences.
    """
    import rstr

    chance = random.Random(seed)
    write = rstr.Rstr(chance)
    classes = {name: _classes(x, texts) for name, x in labels.lexicon.items()}
    known = set(texts)
    made: dict[str, None] = {}
    if not texts or not classes:
        return []
    for _ in range(3 * count):
        if len(made) >= count:
            break
        text = texts[chance.randrange(len(texts))]
        language = labels.language_of(text)
        if language is None:
            continue
        for terms in classes[language]:
            text = _exchange(text, terms, chance, write)
        if text not in known:
            made[text] = None
    return list(made)


def _classes(lexicon: Lexicon, texts: Sequence[str]) -> list[_Terms]:
    """Findings, places and sides; the words of one class can stand for each other."""
    every = "\n".join(texts)

    def written(groups: Iterable[Sequence[str]]) -> list[tuple[str, ...]]:
        """Patterns to write with, without groups that have none."""
        kept = []
        for group in groups:
            ways = [p for p in group if not _OPEN.search(p)]
            for pattern in group:
                if _OPEN.search(pattern):
                    seen = {m[0] for m in re.finditer(pattern, every, re.IGNORECASE)}
                    ways += [re.escape(word) for word in sorted(seen) if "\n" not in word]
            if ways:
                kept.append(tuple(ways))
        return kept

    typed = [f.patterns for f in lexicon.findings if f.types]
    others = [f.patterns for f in lexicon.findings if not f.types]
    places = [*(p.patterns for p in lexicon.parts), *(p.patterns for p in lexicon.places)]
    sides = [tuple(re.escape(w) for w in words) for words in lexicon.sides.values()]
    side_words = [p.pattern for found in lexicon.side_patterns.values() for p in found]
    stating, rest = written(typed), written(others)
    return [
        _Terms(any_of(found), tuple(groups))
        for found, groups in (
            (
                [p for group in (*typed, *others) for p in group],
                stating + rest[:: 1 + len(rest) // 5],
            ),
            ([p for group in places for p in group], written(places)),
            (side_words, written([*sides, lexicon.both])),
        )
        if groups
    ]


def _exchange(text: str, terms: _Terms, chance: random.Random, write: Rstr) -> str:
    """``text`` with some of its terms exchanged."""

    def other(match: re.Match[str]) -> str:
        if chance.random() >= EXCHANGE or not match[0]:
            return match[0]
        pattern = chance.choice(chance.choice(terms.groups))
        word = _GAPS.sub(r"\1", str(write.xeger(pattern))).strip()
        return word if word and word.isprintable() else match[0]

    return terms.found.sub(other, text)
