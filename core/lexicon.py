"""Terms of one language, as data of an anatomy (``[lexicon.LANGUAGE]``).

The tables say how reports of that language name sides, regions and findings, how they negate
and how they divide text. Code that reads them knows no term, region or type itself. Patterns are
Python regular expressions, matched without regard to case.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    return pattern


def _says_something(pattern: str) -> str:
    if pattern == "":
        raise ValueError("a pattern must not be empty")
    return _compiles(pattern)


Pattern = Annotated[str, AfterValidator(_says_something)]
Patterns = tuple[Pattern, ...]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Place(_Frozen):
    """Words for a place that is one of the anatomy's labels without voxels."""

    label: str = Field(description="name of the label, such as other or unclear")
    patterns: Patterns
    admits: tuple[str, ...] = Field((), description="types found there; empty means any")
    weak: bool = Field(False, description="only counts where no other place is named")


class Part(_Frozen):
    """Words for a part of the anatomy; its side comes from words around it."""

    part: str = Field(description="part of the anatomy's regions")
    patterns: Patterns
    admits: tuple[str, ...] = Field((), description="types found there; empty means any")
    needs_side: bool = Field(False, description="without a side these words are unclear")
    adjacent: bool = Field(False, description="sides only count right before these words")


class Finding(_Frozen):
    """Words for something seen.

    A finding without types (infarct, fracture, calcification) uses up the places named with it.
    """

    patterns: Patterns
    types: tuple[tuple[str, ...], ...] = Field(
        (),
        description="one entry per type stated, each a list of alternatives between which "
        "compartment words decide; the first possible one where there are none",
    )
    place: str | None = Field(None, description="label that the words themselves imply")
    unless: Pattern | None = Field(
        None, description="where a sentence has this, its places are meant, not the implied label"
    )
    describes: bool = Field(
        False, description="describe what a neighbouring finding names, and follow its types"
    )
    onward: bool = Field(False, description="only places named after these words are meant")


class Compartment(_Frozen):
    """Words that decide between a finding's alternatives."""

    patterns: Patterns
    admits: tuple[str, ...] = Field(min_length=1, description="types that lie there")


class Negation(_Frozen):
    """Cues that deny findings."""

    before: Patterns = Field(default=(), description="deny what follows, up to an end")
    after: Patterns = Field(default=(), description="deny what precedes, back to an end")
    ends: Patterns = Field(default=(), description="where a denial stops")


class Sections(_Frozen):
    """Headers of a report's sections, without their colon."""

    findings: Patterns = ()
    impression: Patterns = ()
    others: Patterns = ()


class Lexicon(_Frozen):
    """How one language writes about this anatomy."""

    detect: Pattern = Field(description="a text in which this is found is read by this lexicon")
    sides: Mapping[str, tuple[str, ...]] = Field(
        description="side key → words; the n-th words of the sides mirror each other"
    )
    word_edges: bool = Field(description="whether side words are separate words")
    both: Patterns = Field((), description="words for all sides")
    joins: Pattern = Field(description="what may stand between two sides meant together")
    trailing: Patterns = Field((), description="what may stand between a place and its side")
    single: Patterns = Field((), description="words that say there is one lesion only")
    parts: tuple[Part, ...] = ()
    places: tuple[Place, ...] = ()
    outside: Patterns = Field((), description="places whose findings do not count")
    findings: tuple[Finding, ...] = ()
    compartments: tuple[Compartment, ...] = ()
    negation: Negation = Field(default_factory=Negation)
    ignored: Patterns = Field((), description="text that is blanked out before anything else")
    locatives: Patterns = Field((), description="words between a finding and its place after it")
    inherits: Patterns = Field((), description="mark a finding without place as at the last one")
    clause_breaks: Patterns = Field(description="end a clause")
    item_breaks: Patterns = Field(description="separate the items of a clause")
    sentence_breaks: Patterns = Field(description="end a sentence")
    split_before: Patterns = Field(
        default=(), description="also end a sentence; what follows is kept"
    )
    list_markers: Patterns = Field((), description="numbers and bullets that open an item")
    sections: Sections = Sections()

    @model_validator(mode="after")
    def _aligned(self) -> Lexicon:
        if len({len(words) for words in self.sides.values()}) > 1:
            raise ValueError("sides: every side needs as many words, in the same order")
        words = [w for words in self.sides.values() for w in words]
        if len(set(words)) != len(words) or not all(words):
            raise ValueError("sides: words must be unique and not empty")
        return self

    @cached_property
    def side_patterns(self) -> Mapping[str, tuple[re.Pattern[str], ...]]:
        """Side key → one pattern per word, in order.

        A word in small letters is found in any case, one with a capital only as it is.
        """
        edge = (r"(?<![^\W_])", r"(?![^\W_])") if self.word_edges else ("", "")
        return {
            side: tuple(
                re.compile(
                    edge[0] + re.escape(word) + edge[1],
                    re.IGNORECASE if word == word.lower() else 0,
                )
                for word in words
            )
            for side, words in self.sides.items()
        }

    def unknown_names(
        self,
        sides: Collection[str],
        parts: Collection[str],
        labels: Collection[str],
        types: Collection[str],
    ) -> list[str]:
        """One sentence per name in the tables that the anatomy does not have.

        Args:
            sides: Side keys of the anatomy's regions.
            parts: Parts of the anatomy's regions.
            labels: Names of the labels without voxels.
            types: Names of the types.
        """
        problems: list[str] = []

        def check(where: str, names: Iterable[str], known: Collection[str]) -> None:
            problems.extend(
                f"{where}: there is no {name!r}; there are {', '.join(sorted(known))}"
                for name in names
                if name not in known
            )

        check("sides", self.sides, sides)
        for i, part in enumerate(self.parts):
            check(f"parts.{i}.part", [part.part], parts)
            check(f"parts.{i}.admits", part.admits, types)
        for i, place in enumerate(self.places):
            check(f"places.{i}.label", [place.label], labels)
            check(f"places.{i}.admits", place.admits, types)
        for i, finding in enumerate(self.findings):
            check(f"findings.{i}.types", [t for group in finding.types for t in group], types)
            check(f"findings.{i}.place", [finding.place] if finding.place else [], labels)
        for i, compartment in enumerate(self.compartments):
            check(f"compartments.{i}.admits", compartment.admits, types)
        return problems


def any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """One compiled pattern that finds any of ``patterns``; none at all for an empty list."""
    joined = "|".join(f"(?:{p})" for p in patterns)
    return re.compile(joined or r"(?!)", re.IGNORECASE)
