"""How reports name places: spots grouped by side and written in the word order of a language."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_grammar import Dice


@dataclass(frozen=True)
class Spot:
    """One place, or both of a pair.

    Attributes:
        key: Part of the anatomy, or name of a place outside all regions.
        words: What it may be called.
        side: Side key; None where it has none or both are meant.
        both: Both sides are meant.
    """

    key: str
    words: Sequence[str]
    side: str | None = None
    both: bool = False


@dataclass(frozen=True)
class Phrase:
    """A place as text: a noun phrase, and adjectives where every spot has one, else ""."""

    where: str
    adjective: str = ""


def spots_of(
    rows: Collection[int], names: Mapping[str, Sequence[str]], anatomy: Anatomy
) -> list[Spot]:
    """Regions as spots, both sides of a pair as one, in the anatomy's order of parts.

    Args:
        rows: Regions, less than N.
        names: Part → words.
        anatomy: Whose rows they are.
    """
    spots = []
    for part in anatomy.parts:
        here = [anatomy.regions[r] for r in sorted(rows) if anatomy.regions[r].part == part]
        if here:
            side = here[0].side if len(here) == 1 else None
            spots.append(Spot(part, names[part], side, len(here) > 1))
    return spots


class Writer:
    """Writes spots in one language.

    Args:
        tables: The language's table ``places``.
        sides: Side key → word, as this report writes it.
        brief: Leave out what a side word may lack (左 for 左侧).
        dice: Chooses among the words.
    """

    def __init__(
        self, tables: Mapping[str, Any], sides: Mapping[str, str], brief: bool, dice: Dice
    ) -> None:
        """Keeps the tables."""
        self.tables, self.sides, self.dice = tables, sides, dice
        self.one = str(tables["brief" if brief else "one"])
        self.articles = "plurals" in tables

    def phrase(self, spots: Sequence[Spot], chapter: str) -> Phrase:
        """Spots as text; those of the same side go together."""
        groups: dict[tuple[str | None, bool], list[Spot]] = {}
        for spot in spots:
            groups.setdefault((spot.side, spot.both), []).append(spot)
        write = self._with_articles if self.articles else self._without_articles
        parts = [write(group, side, both, chapter) for (side, both), group in groups.items()]
        return Phrase(self._listed(parts), self._adjective(groups) if chapter in _TELLING else "")

    def side_word(self, side: str) -> str:
        """A side as it stands before a noun."""
        return self.one.format(side=self.sides[side])

    def _listed(self, parts: Sequence[str]) -> str:
        if len(parts) == 1:
            return parts[0]
        join, last = self.dice.pick(self.tables["join"]), self.dice.pick(self.tables["last"])
        return str(join).join(parts[:-1]) + str(last) + parts[-1]

    def _short(self, group: Sequence[Spot], chapter: str) -> tuple[str, str] | None:
        """Names drawn together (额颞, frontotemp-) and what follows them."""
        short, ends = self.tables["short"], self.tables["short_end"].get(chapter)
        together = ends and len(group) > 1 and all(spot.key in short for spot in group)
        if not together or not self.dice.chance(0.6):
            return None
        join = self.dice.pick(self.tables["short_join"]["words"])
        names = [short[spot.key] for spot in group]
        if self.articles:
            names[-1] = self.tables["adjectives"][group[-1].key]
            join = "-" if names[-1][0] in "aeiou" else join
        return join.join(names), str(self.dice.pick(ends))

    def _without_articles(
        self, group: Sequence[Spot], side: str | None, both: bool, chapter: str
    ) -> str:
        dice = self.dice
        short = self._short(group, chapter)
        text = "".join(short) if short else self._listed([dice.pick(s.words) for s in group])
        if both:
            return str(dice.pick(self.tables["both"])) + text
        if side is None:
            return text
        if len(group) == 1 and chapter in _TELLING and dice.chance(0.05):
            return text + str(self.tables["one"]).format(side=self.sides[side])
        return self.side_word(side) + text

    def _with_articles(
        self, group: Sequence[Spot], side: str | None, both: bool, chapter: str
    ) -> str:
        dice = self.dice
        short = self._short(group, chapter)
        names = [" ".join(short)] if short else [dice.pick(spot.words) for spot in group]
        ends = {name.rpartition(" ")[2] for name in names}
        if len(names) > 1 and len(ends) == 1 and all(" " in name for name in names):
            text = self._listed([name.rpartition(" ")[0] for name in names])
            text += " " + self._plural(ends.pop())
        else:
            many = self.tables["always_plural"]["words"]
            names = [self._plural(n) if both or n.rpartition(" ")[2] in many else n for n in names]
            text = self._listed(names)
        if both:
            way = dice.below(4)
            if way == 0 and len(group) == 1:
                return f"both {text}"
            return f"the {text} bilaterally" if way == 1 else f"the bilateral {text}"
        if side is None:
            return f"the {text}"
        if dice.chance(0.12):
            if len(names) > 1 and ", " in text:
                head, _, last = text.rpartition(", ")
                text = f"{head} and {last}" if " and " not in last else text
            return f"the {text} on the {self.sides[side]}"
        return f"the {self.side_word(side)} {text}"

    def _plural(self, name: str) -> str:
        head, space, last = name.rpartition(" ")
        return head + space + str(self.tables["plurals"].get(last, f"{last}s"))

    def _adjective(self, groups: Mapping[tuple[str | None, bool], Sequence[Spot]]) -> str:
        known = self.tables.get("adjectives", {})
        if not all(spot.key in known for group in groups.values() for spot in group):
            return ""
        parts = []
        for (side, both), group in groups.items():
            short = self._short(group, "parts")
            text = short[0] if short else self._listed([known[spot.key] for spot in group])
            if both:
                text = f"bilateral {text}"
            elif side is not None:
                text = f"{self.side_word(side)} {text}"
            parts.append(text)
        return self._listed(parts)


_TELLING = ("parts", "plate")
"""Chapters whose places are regions named as such."""
