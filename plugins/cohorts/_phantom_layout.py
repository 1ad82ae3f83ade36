"""From sentences to a report's text: misspellings, punctuation, lists and headers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crossdl.plugins.cohorts._phantom_grammar import Dice

_WORD = re.compile(r"[A-Za-z]{8,}")
_STRAY = re.compile(r"\s+([,.;:])")
_DOUBLED = re.compile(r"([,，])[,，]+")
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIOU])")
_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


@dataclass(frozen=True)
class Manner:
    """How one report is typed.

    Attributes:
        lines: Each sentence on a line of its own.
        number: Marker of list items with ``{n}``, "" for running text.
        header: What the section opens with.
        opening: What its first sentence opens with.
        half: Half-width punctuation.
        wide: Full-width digits.
    """

    lines: bool
    number: str
    header: str
    opening: str
    half: bool
    wide: bool

    @staticmethod
    def draw(layout: Mapping[str, Any], dice: Dice) -> Manner:
        """A manner that a language's table ``layout`` allows."""
        number = dice.pick(layout["numbers"]) if dice.chance(0.18) else ""
        listed = bool(number) and (dice.chance(0.6) or "{n}" not in number)
        can_be_half = bool(layout["half"])
        return Manner(
            lines=listed or dice.chance(0.15),
            number=number,
            header=dice.pick(layout["headers"]) if dice.chance(0.06) else "",
            opening=dice.pick(layout["opening"]) if dice.chance(0.05) else "",
            half=dice.chance(0.1) and can_be_half,
            wide=dice.chance(0.02) and can_be_half,
        )


def tidy(text: str) -> str:
    """A sentence without doubled or stray blanks and commas, its first letter a capital."""
    text = _STRAY.sub(r"\1", " ".join(text.split()))
    text = _DOUBLED.sub(r"\1", text)
    text = _ARTICLE.sub(r"\1n ", text).strip(" ,，.、")
    return text[:1].upper() + text[1:]


def misspell(
    text: str, typos: Sequence[tuple[str, tuple[str, ...]]], keep: Sequence[str], dice: Dice
) -> str:
    """A sentence with one typing error, or as it is where none fits.

    Args:
        text: A sentence.
        typos: ``(right, wrong ones)``.
        keep: Beginnings of words that must stay readable, as those of sides.
        dice: Chooses.
    """
    lower = text.lower()
    known = [(right, wrong) for right, wrong in typos if right in lower]
    if known and dice.chance(0.6):
        right, wrong = dice.pick(known)
        at = lower.index(right)
        new = dice.pick(wrong)
        new = new[:1].upper() + new[1:] if text[at : at + 1].isupper() else new
        return text[:at] + new + text[at + len(right) :]
    words = [m for m in _WORD.finditer(text) if not m[0].lower().startswith(tuple(keep))]
    if not words:
        return text
    word = dice.pick(words)
    at = word.start() + 2 + dice.below(len(word[0]) - 4)
    way = dice.below(3)
    if way == 0:  # two letters swapped
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if way == 1 else text[:at] + text[at] + text[at:]


def punctuate(text: str, manner: Manner, layout: Mapping[str, Any]) -> str:
    """A sentence with the report's width of punctuation and digits."""
    if manner.half:
        for full, half in layout["half"]:
            text = text.replace(full, half)
    return text.translate(_WIDE) if manner.wide else text


def compose(
    sentences: Sequence[str],
    joined: Sequence[bool],
    manner: Manner,
    layout: Mapping[str, Any],
    dice: Dice,
) -> str:
    """The text of a section.

    Args:
        sentences: In order, without full stops.
        joined: Whether the next sentence goes on after this one's clause; the last is ignored.
        manner: How to type it.
        layout: The language's table.
        dice: Chooses among full stops.
    """
    out = [manner.header]
    count, fresh = 0, True
    stop = str(layout["ends"][0]).strip()
    for i, sentence in enumerate(sentences):
        if fresh and manner.number:
            count += 1
            out.append(manner.number.format(n=count))
        out.append(sentence)
        last = i + 1 == len(sentences)
        fresh = last or not joined[i]
        if not fresh:
            attach = str(layout["attach"])
            out.append(dict(layout["half"]).get(attach, attach) if manner.half else attach)
        elif last:
            out.append(stop if dice.chance(0.95) else "")
        elif manner.lines:
            out.append((stop if dice.chance(0.8) else "") + "\n")
        else:
            out.append(str(dice.pick(layout["ends"])))
    return "".join(out)
