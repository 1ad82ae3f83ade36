"""Findings text of a phantom, written from its gold matrix by a small grammar.

All regions of a sentence share its types, and the sentences together say exactly the matrix (E1),
but for sentences that are vague on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_lesions import Seat
from crossdl.types import FloatArray

_CHOICE = re.compile(r"\[([^\[\]]*)\]")


def write_findings(
    truth: FloatArray,
    seats: Mapping[str, Seat],
    calcified: bool,
    anatomy: Anatomy,
    data: Mapping[str, Any],
    language: str,
    rng: np.random.Generator,
    vague_rate: float,
) -> str:
    """Writes the text of one report.

    Args:
        truth: Gold ``(N + 2, M)``.
        seats: Where lesions outside all regions are, by type name.
        calcified: Whether a harmless calcification is to be mentioned.
        anatomy: Regions and types.
        data: Tables of ``phantom.toml``.
        language: Which of them.
        rng: Chooses words and order.
        vague_rate: Chance that a sentence names only a hemisphere.
    """
    grammar = _Grammar(anatomy, data, language, rng, vague_rate)
    return grammar.report(truth, seats, calcified)


class _Grammar:
    """The words of one language and the choices made among them."""

    def __init__(
        self,
        anatomy: Anatomy,
        data: Mapping[str, Any],
        language: str,
        rng: np.random.Generator,
        vague_rate: float,
    ) -> None:
        self.anatomy, self.data, self.rng, self.vague_rate = anatomy, data, rng, vague_rate
        self.language = language
        self.words: Mapping[str, Any] = data[language]
        sides = anatomy.lexicon[language].sides
        self.spaces = str(self.words["last"]).startswith(" ")
        self.side = {key: words[0] for key, words in sides.items()}

    def report(self, truth: FloatArray, seats: Mapping[str, Seat], calcified: bool) -> str:
        abnormal = self.lesions(truth) + self.elsewhere(truth, seats)
        self.rng.shuffle(abnormal)
        normal = self.words["normal"]
        rest = list(normal["always"])
        self.rng.shuffle(rest)
        healthy = [] if truth.any() else [self.choose(normal["healthy"])]
        if calcified:
            healthy.append(self.choose(normal["calcified"]))
        sentences = abnormal + healthy + rest[: int(self.rng.integers(1, 4))]
        return "".join(self.finish(s) for s in sentences).strip()

    def lesions(self, truth: FloatArray) -> list[str]:
        """Sentences of the regions: rows with the same types and wording go together."""
        groups: dict[tuple[str, str], list[int]] = {}
        for row, region in enumerate(self.anatomy.regions):
            present = [n for n, v in zip(self.anatomy.type_names, truth[row], strict=True) if v > 0]
            chapter = "ventricle" if region.part in self.data["ventricle"] else "lesions"
            for types in self.combined(present, chapter):
                groups.setdefault((chapter, types), []).append(row)
        sentences = []
        for (chapter, types), rows in groups.items():
            forms = self.words[chapter][types]
            extra = self.is_fluid(types) and chapter == "lesions"
            sides = {self.anatomy.regions[row].side for row in rows}
            vague = self.words["vague"].get(types)
            if chapter == "lesions" and len(sides) == 1 and None not in sides and vague:
                if self.rng.random() < self.vague_rate:
                    side = self.side[str(next(iter(sides)))]
                    sentences.append(self.choose(vague).format(side=side))
                    continue
            for part in self.portions(rows):
                where = self.where(part, "plate" if extra else "parts")
                sentences.append(self.choose(forms).format(where=where))
        return sentences

    def combined(self, present: Sequence[str], chapter: str) -> list[str]:
        """Type names of one region as keys of the grammar; a pair often shares a sentence."""
        left = list(present)
        keys = []
        for pair in self.words[chapter]:
            both = pair.split()
            if len(both) > 1 and all(t in left for t in both) and self.rng.random() < 0.6:
                keys.append(pair)
                left = [t for t in left if t not in both]
        return keys + left

    def is_fluid(self, types: str) -> bool:
        return bool(self.data["types"][types.split()[0]]["compartment"] == "fluid")

    def portions(self, rows: Sequence[int]) -> list[list[int]]:
        """Sometimes one sentence for all regions, sometimes one per side."""
        if len(rows) < 2 or self.rng.random() < 0.6:
            return [list(rows)]
        by_side: dict[str | None, list[int]] = {}
        for row in rows:
            by_side.setdefault(self.anatomy.regions[row].side, []).append(row)
        return list(by_side.values())

    def where(self, rows: Sequence[int], table: str) -> str:
        """Names of regions, both sides of a pair named at once."""
        names = {**self.words["parts"], **self.words.get(table, {})}
        plural = {**names, **self.words.get(f"{table}_both", {})}
        left = set(rows)
        by_side: dict[str, list[str]] = {}
        for row in rows:
            region = self.anatomy.regions[row]
            if row not in left:
                continue
            mirror = int(self.anatomy.mirror_index[row])
            left.discard(row)
            if region.side is None:
                prefix = ""
            elif mirror in left:
                left.discard(mirror)
                prefix = self.words["both"]
            else:
                prefix = self.words["one"].format(side=self.side[region.side])
            by_side.setdefault(prefix, []).append(region.part)
        phrases: list[str] = []
        for prefix, parts in by_side.items():
            short = self.words["short"]
            space = " " if prefix and self.spaces else ""
            if len(parts) > 1 and all(p in short for p in parts) and self.rng.random() < 0.6:
                ending = self.words["short_ending"][table]
                phrases.append(prefix + space + "".join(short[p] for p in parts) + ending)
            else:
                called = plural if prefix == self.words["both"] else names
                phrases += [prefix + space + called[p] for p in parts]
        return self.listed(phrases)

    def listed(self, phrases: Sequence[str]) -> str:
        if len(phrases) == 1:
            return phrases[0]
        head: str = self.words["join"].join(phrases[:-1])
        return head + str(self.words["last"]) + phrases[-1]

    def elsewhere(self, truth: FloatArray, seats: Mapping[str, Seat]) -> list[str]:
        """Sentences of lesions outside all regions."""
        sentences = []
        row = truth[self.anatomy.n_regions]
        for name, value in zip(self.anatomy.type_names, row, strict=True):
            if value <= 0:
                continue
            seat = seats[name]
            if self.is_fluid(name):
                place, forms = self.words["elsewhere_extra"], self.words["cistern"][name]
            else:
                place = self.data["elsewhere"][seat.place][self.language]
                forms = self.words["lesions"][name]
            if seat.side is None:
                where = self.words["elsewhere_both"].format(name=place)
            else:
                where = self.words["elsewhere_one"].format(name=place, side=self.side[seat.side])
            sentences.append(self.choose(forms).format(where=where))
        return sentences

    def choose(self, forms: Sequence[str]) -> str:
        """One form with its alternatives decided."""
        text = forms[int(self.rng.integers(len(forms)))]
        return self.decide(text)

    def decide(self, text: str) -> str:
        pick: Callable[[re.Match[str]], str] = lambda m: str(  # noqa: E731
            self.rng.choice(m.group(1).split("|"))
        )
        return _CHOICE.sub(pick, text)

    def finish(self, sentence: str) -> str:
        text = self.decide(sentence).strip()
        return text[:1].upper() + text[1:] + str(self.words["end"])
