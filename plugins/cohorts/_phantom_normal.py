"""What a report says beside its findings: what is normal, harmless or absent; the Impression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_findings import Story
from crossdl.plugins.cohorts._phantom_grammar import Dice, Text
from crossdl.plugins.cohorts._phantom_language import Language, Topic, tables
from crossdl.plugins.cohorts._phantom_layout import Manner, compose, punctuate, tidy
from crossdl.plugins.cohorts._phantom_statements import Statement
from crossdl.plugins.cohorts._phantom_wording import LEAST_SHIFT_MM, Line, Wording

if TYPE_CHECKING:
    from crossdl.plugins.cohorts._phantom_report import ReportStyle


_HARMLESS = 0.85
"""Share of confounders that are told."""


class Normal:
    """Sentences that go with the abnormal ones of one report.

    Args:
        words: The language.
        anatomy: Regions and types.
        data: Tables of ``phantom.toml``.
        story: What the scan shows.
        told: What the report says of it.
        style: Shares.
        dice: Decides.
    """

    def __init__(
        self,
        words: Language,
        anatomy: Anatomy,
        data: Mapping[str, Any],
        story: Story,
        told: Sequence[Statement],
        style: ReportStyle,
        dice: Dice,
    ) -> None:
        """Gathers what the report must not contradict."""
        self.words, self.anatomy, self.story, self.told = words, anatomy, story, told
        self.style, self.dice = style, dice
        self.common = tables("phantom_reports")
        self.said = self._said(data)

    def arranged(self, wording: Wording, abnormal: list[Line]) -> list[Line]:
        """All lines of the Findings, in order.

        Args:
            wording: Words of the report.
            abnormal: Lines about lesions.
        """
        dice = self.dice
        harmless = [
            self._harmless(name, wording)
            for name in self.story.confounders
            if dice.chance(_HARMLESS)
        ]
        dice.shuffle(harmless)
        normal = self._normal(wording, busy=bool(abnormal))
        special = abnormal + wording.shift() + harmless
        u = dice.random()
        if u < 0.12:
            return normal + special
        lines = special + normal
        if u < 0.2:
            dice.shuffle(lines)
        return lines

    def impression(self, wording: Wording, manner: Manner) -> str:
        """The Impression section, as the report was told."""
        dice, table = self.dice, self.words.impression
        texts: list[str] = []
        for one in self.told[:4]:
            slots = wording.diagnosis(one)
            texts.append(self.words.rules.say(dice.pick(table["finding"].forms), dice, slots))
        texts += [
            wording.say(dice.pick(table[name].forms))
            for name in self.story.confounders
            if name in table and dice.chance(0.5)
        ]
        if not texts:
            texts.append(wording.say(dice.pick(table["normal"].forms)))
        elif dice.chance(0.15):
            texts.append(wording.say(dice.pick(table["prior"].forms)))
        layout = self.words.tables["layout"]
        texts = [punctuate(tidy(text), manner, layout) for text in texts]
        number = str(layout["numbers"][0]) if len(texts) > 1 else ""
        plain = Manner(bool(number), number, "", "", manner.half, manner.wide)
        return compose(texts, [False] * len(texts), plain, layout, dice)

    def _said(self, data: Mapping[str, Any]) -> frozenset[str]:
        said: set[str] = set()
        regions, tokens = self.anatomy.regions, self.common["tokens"]
        for one in self.told:
            said |= {"lesion", *tokens.get(one.kind, ())}
            if one.chapter != "parts":
                said.add("extra")
            if one.chapter == "ventricle":
                said.add("ventricle")
            said |= {self.anatomy.type_names[c] for c in one.columns}
            parts = {regions[r].part for r, _ in one.truth if r < len(regions)}
            parts |= {regions[r].part for r in one.rows if r < len(regions)}
            said |= {"below"} if parts & set(data["below"]) else set()
        for name in self.story.confounders:
            said |= set(tokens.get(name, ()))
        if abs(self.story.midline_shift_mm) >= LEAST_SHIFT_MM:
            said.add("shift")
        return frozenset(said)

    def _harmless(self, name: str, wording: Wording) -> Line:
        over = self.words.overcalled.get(name)
        if over and self.dice.chance(self.style.error_rate):
            types = (self.anatomy.type_names.index(self.common["overcalled"][name]),)
            text = wording.say(self.dice.pick(over.forms))
            return Line(text, (self.anatomy.n_regions,), types, ("wrong", "ischaemia"))
        return Line(wording.say(self.dice.pick(self.words.confounders[name].forms)))

    def _normal(self, wording: Wording, busy: bool) -> list[Line]:
        dice = self.dice
        open_ = [t for t in self.words.topics if not t.unless & self.said and t.needs <= self.said]
        open_ = [t for t in open_ if dice.chance(t.share)]
        count = 1 + dice.below(4) if busy else 3 + dice.below(6)
        order = list(range(len(open_)))
        dice.shuffle(order)
        chosen = order[:count]
        if dice.chance(0.7):
            chosen.sort()
        return [Line(self._topic(open_[i], wording)) for i in chosen]

    def _topic(self, topic: Topic, wording: Wording) -> str:
        dice = self.dice
        texts: Sequence[Text] = topic.forms
        if not topic.template_unless & self.said and dice.chance(self.style.template_rate):
            skewed = int(len(topic.template) * dice.random() ** 2)
            return wording.say(topic.template[skewed])
        absent = self.absent(several=topic.name == "absent")
        if not absent:
            texts = [text for text in texts if "{absent}" not in text.uses]
        return wording.say(dice.pick(texts or topic.template), absent=absent)

    def absent(self, several: bool = False) -> str:
        """A list of what is not there; "" where everything is."""
        dice, layout = self.dice, self.words.tables["layout"]
        words = [dice.pick(w) for unless, w in self.words.absent if not unless & self.said]
        dice.shuffle(words)
        least = 2 if several and len(words) > 1 else 1
        words = words[: least + dice.below(3)]
        if len(words) < 2:
            return "".join(words)
        head = str(layout["absent_join"]).join(words[:-1])
        last = layout["absent_pair" if len(words) == 2 else "absent_last"]
        return str(head + dice.pick(last) + words[-1])
