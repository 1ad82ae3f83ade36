"""Statements put into words: one line of a report with what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_findings import Story
from crossdl.plugins.cohorts._phantom_grammar import Dice, Text
from crossdl.plugins.cohorts._phantom_language import Language
from crossdl.plugins.cohorts._phantom_places import Phrase, Spot, Writer, spots_of
from crossdl.plugins.cohorts._phantom_statements import FlawKind, Statement, main_side

LEAST_SHIFT_MM = 2.0
"""Midline shift below it is not told."""

_PRIOR, _FIRM, _ASIDE, _SHARED = 0.06, 0.12, 0.07, 0.4
"""Shares of findings with a comparison, a firm diagnosis, a denial; of pairs in one sentence."""


@dataclass(frozen=True)
class Line:
    """One sentence before it is typed.

    Attributes:
        text: Its words.
        regions: Rows of the labels it names as abnormal.
        types: Columns it says are there.
        flaw: ``(kind, how)``.
        cells: Cells of the truth that the flaw concerns.
    """

    text: str
    regions: tuple[int, ...] = ()
    types: tuple[int, ...] = ()
    flaw: tuple[FlawKind, str] | None = None
    cells: frozenset[tuple[int, int]] = frozenset()

    def with_text(self, text: str) -> Line:
        """The same said in other words."""
        return replace(self, text=text)


class Wording:
    """The words of one report.

    Args:
        words: The language.
        anatomy: Regions, types and side words.
        data: Tables of ``phantom.toml``.
        story: What the scan shows.
        code: Code of the language.
        hedge_rate: Share of findings with a hedged diagnosis.
        absent: A list of what is not there.
        dice: Decides.
    """

    def __init__(
        self,
        words: Language,
        anatomy: Anatomy,
        data: Mapping[str, Any],
        story: Story,
        code: str,
        hedge_rate: float,
        absent: Callable[[], str],
        dice: Dice,
    ) -> None:
        """Draws what stays the same in one report: how sides are written."""
        self.words, self.anatomy, self.data, self.story = words, anatomy, data, story
        self.code, self.hedge_rate, self.absent, self.dice = code, hedge_rate, absent, dice
        layout = words.tables["layout"]
        chosen = int(dice.pick(layout["side_words"]))
        lexicon = anatomy.lexicon[code].sides
        self.sides = {side: forms[0] for side, forms in lexicon.items()}
        self.writer = Writer(
            words.tables["places"],
            {side: forms[chosen] for side, forms in lexicon.items()},
            dice.chance(0.25),
            dice,
        )
        self.sided = str(layout["sided"])
        self.main = main_side(story, anatomy, data["sides"])
        self._regions = frozenset(range(anatomy.n_regions))

    def lines(self, told: Sequence[Statement]) -> list[Line]:
        """Statements as sentences; two about the same regions may share one."""
        left, lines = list(told), []
        while left:
            one = left.pop(0)
            line = self._line(one, self._where(one))
            near = [other for other in left if _same_place(one, other)]
            if near and one.rows <= self._regions and self.dice.chance(_SHARED):
                left.remove(near[0])
                layout = self.words.tables["layout"]
                more = self._line(near[0], Phrase(self.dice.pick(layout["same"])))
                text = (
                    more.text if more.text[1:2].isupper() else more.text[:1].lower() + more.text[1:]
                )
                types = tuple(sorted({*line.types, *more.types}))
                line = replace(line, text=line.text + str(layout["also"]) + text, types=types)
            lines.append(line)
        return lines

    def _line(self, one: Statement, phrase: Phrase) -> Line:
        types = tuple(self.anatomy.type_names[c] for c in one.columns)
        slots = self._slots(one, phrase)
        kind, how = one.flaw or (None, "")
        if how == "no density":
            forms = self.words.silent[one.kind].choice(False, bool(phrase.adjective))
            text = self.words.rules.say(self.dice.pick(forms), self.dice, slots)
            return Line(text, flaw=one.flaw, cells=one.truth)
        if kind == "vague":
            forms = self.words.vaguely(one.chapter, types).choice(False, False)
        else:
            ways = self.words.ways(one.kind, one.chapter, types)
            forms = ways.choice(one.count > 1, bool(phrase.adjective))
        text = self.words.rules.say(self.dice.pick(forms), self.dice, slots)
        text += self._tail(text, slots)
        return Line(text, tuple(sorted(one.rows)), one.columns, one.flaw, one.truth)

    def say(self, text: Text, **extra: str | Callable[[], str]) -> str:
        """A text that is about no finding."""
        return self.words.rules.say(text, self.dice, {**self._common(), **extra})

    def diagnosis(self, one: Statement) -> dict[str, str | Callable[[], str]]:
        """Slots of an Impression's line."""
        return self._slots(one, self._where(one))

    def shift(self) -> list[Line]:
        """Sentences about the mass effect, one or two, or none."""
        moved = self.story.midline_shift_mm
        if abs(moved) < LEAST_SHIFT_MM or not self.dice.chance(0.9):
            return []
        keys = self.data["sides"]
        toward = keys["positive" if moved > 0 else "negative"]
        source = keys["negative" if moved > 0 else "positive"]
        slots = {
            "toward": self.sides[toward],
            "side": self.sides[source],
            "shift": f"{abs(moved):.0f}",
        }
        which = ["shift", "ventricle"] if self.dice.chance(0.4) else ["shift"]
        return [
            Line(self.say(self.dice.pick(self.words.effect[name].forms), **slots)) for name in which
        ]

    def _tail(self, text: str, slots: Mapping[str, str | Callable[[], str]]) -> str:
        rules, dice, detail = self.words.rules, self.dice, str(self.words.tables["detail"])
        u = dice.random()
        tail = ""
        name = "hedge" if u < self.hedge_rate else "plain" if u < self.hedge_rate + _FIRM else ""
        if name:
            dx = slots["dx"]
            said = (dx if isinstance(dx, str) else dx()).strip()
            if said.lower() not in text.lower():
                tail += detail + rules.rule(name, dice, {**slots, "dx": said})
        u = dice.random()
        if u < _PRIOR:
            tail += detail + rules.rule("prior", dice, slots)
        elif u < _PRIOR + _ASIDE and (absent := self.absent()):
            tail += detail + rules.rule("aside", dice, {**slots, "absent": absent})
        return tail

    def _where(self, one: Statement) -> Phrase:
        tables, n = self.words.tables["places"], self.anatomy.n_regions
        if one.flaw and one.flaw[0] == "vague":
            return Phrase(self._vague(one))
        names = {**tables["parts"], **tables.get(one.chapter, {})}
        if one.chapter == "plate":
            names = {**names, **tables["fluid"], **tables["plate"]}
        spots = spots_of([r for r in one.rows if r < n], names, self.anatomy)
        if n in one.rows:
            spots.append(self._elsewhere(one))
        return self.writer.phrase(spots, one.chapter)

    def _vague(self, one: Statement) -> str:
        vague, n = self.words.vague, self.anatomy.n_regions
        sides = {self.anatomy.regions[r].side for r, _ in one.truth if r < n}
        after = "post_operative" in self.story.confounders
        side = next(iter(sides)) if len(sides) == 1 else None
        if after and self.dice.chance(0.6):
            texts = vague["surgery"]
        else:
            texts = vague["bilateral" if side is None else "hemisphere"]
        return self.say(self.dice.pick(texts), side="" if side is None else self.sides[side])

    def _elsewhere(self, one: Statement) -> Spot:
        """The place outside all regions where most of a type lies."""
        known = {column: (place, side) for column, place, side in self.story.other_places}
        place, side = next((known[c] for c in one.columns if c in known), (-1, None))
        tables = self.words.tables
        entry = self.data["elsewhere"][place] if place >= 0 else {"en": "nowhere"}
        if one.chapter == "parts":
            words = tables["elsewhere"].get(entry["en"]) or [entry[self.code]]
            return Spot(entry["en"], words, side, side is None)
        if one.chapter != "ventricle" and entry["en"] in tables["beside"]:
            return Spot("space", tables["beside"][entry["en"]], side, side is None)
        spaces = tables["spaces"].get(one.kind, tables["spaces"]["any"])
        if side is not None and spaces["sided"]:
            return Spot("space", spaces["sided"], side)
        return Spot("space", spaces["midline"])

    def _common(self) -> dict[str, str | Callable[[], str]]:
        dice = self.dice
        sided = self.sided.format(side=self.sides[self.main]) if self.main else ""
        return {
            "n": lambda: str(2 + dice.below(12)),
            "smm": lambda: str(3 + dice.below(7)),
            "sided": sided,
        }

    def _slots(self, one: Statement, phrase: Phrase) -> dict[str, str | Callable[[], str]]:
        dice, rules = self.dice, self.words.rules
        a = max(3.0, one.size_mm * dice.between(0.9, 1.1))
        b, c = (max(2.0, a * dice.between(0.5, 0.95)) for _ in range(2))
        t = min(30.0, max(2.0, a * dice.between(0.08, 0.22)))
        low, high = self.data["types"][self.anatomy.type_names[one.columns[0]]]["hu"]
        size = "small" if a < 12.0 else "mid" if a < 40.0 else "large"
        slots = self._common()
        for name, value in (("a", a), ("b", b), ("c", c), ("t", t)):
            slots[f"{name}mm"] = f"{value:.0f}"
            slots[f"{name}cm"] = f"{value / 10:.1f}"
        slots |= {
            "where": phrase.where,
            "adj": phrase.adjective,
            "hu": lambda: f"{dice.between(low, high):.0f}",
            "ml": f"{max(1.0, a * b * c / 2000.0):.0f}",
            "blob": lambda: rules.rule(f"blob_{size}", dice, slots),
            "patch": lambda: rules.rule(f"patch_{size}", dice, slots),
            "age": lambda: self._age(one),
            "dx": lambda: self._dx(one, slots),
        }
        return slots

    def _dx(self, one: Statement, slots: Mapping[str, str | Callable[[], str]]) -> str:
        types = [self.anatomy.type_names[c] for c in one.columns]
        texts: Sequence[Text] = self.words.ways(one.kind, one.chapter, types).dx
        return self.words.rules.say(self.dice.pick(texts), self.dice, slots)

    def _age(self, one: Statement) -> str:
        """The age of blood or of an infarct, where its types do not contradict it."""
        dense = [
            min(self.data["types"][self.anatomy.type_names[c]]["hu"]) > 30.0 for c in one.columns
        ]
        old = one.acuity in ("chronic", "mixed")
        if (
            one.acuity is None
            or (old and any(dense))
            or (not old and not any(dense) and one.chapter != "parts")
        ):
            return ""
        return self.say(self.dice.pick(self.words.age[one.acuity]))


def _same_place(one: Statement, other: Statement) -> bool:
    """Whether two statements, both without flaw, say different types of the same regions."""
    unflawed = one.flaw is None and other.flaw is None
    return unflawed and one.rows == other.rows and one.columns != other.columns
