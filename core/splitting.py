"""How the lexicons of a text's languages divide it: sections, sentences, markers of lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from crossdl.lexicon import Lexicon, any_of

Extent = tuple[int, int]
"""First character of a stretch of text, and one past its last."""

_CLOSING = r"[^\S\n]*(?:[】\]][^\S\n]*[:：]?|[:：]|(?=\n))"
"""What makes a word at the start of a line or sentence a header."""

_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]"
)
_LINE_END = re.compile(r"[\r\x0b\x0c\x85\u2028\u2029]")


def visible(text: str) -> str:
    r"""The text with control and zero-width characters as blanks, and line ends as ``\n``.

    It is as long as ``text``, so that positions stay valid.

    >>> visible("left\x00frontal\r\nlobe")
    'left frontal \nlobe'
    """
    return _INVISIBLE.sub(" ", _LINE_END.sub("\n", text.replace("\r\n", " \n")))


def hidden(text: str) -> bool:
    """Whether it has control or zero-width characters."""
    return _INVISIBLE.search(text) is not None


@dataclass(frozen=True)
class SplitRules:
    """Compiled patterns; texts must be :func:`visible`.

    Attributes:
        breaks: Between sentences.
        before: Where a sentence begins without a break.
        markers: Numbers and bullets at the start of a sentence.
        headers: Headers of sections; the name of the group that matched says which begins.
    """

    breaks: re.Pattern[str]
    before: re.Pattern[str]
    markers: re.Pattern[str]
    headers: re.Pattern[str]

    def findings(self, text: str) -> list[Extent]:
        """The Findings sections.

        Without a header of Findings, what stands before the first header, and if that is
        nothing, the Impressions.
        """
        headers = list(self.headers.finditer(text))
        if not headers:
            return [(0, len(text))]
        sections: dict[str, list[Extent]] = {}
        ends = [*(h.start() for h in headers[1:]), len(text)]
        for header, end in zip(headers, ends, strict=True):
            sections.setdefault(str(header.lastgroup), []).append((header.end(), end))
        if "findings" in sections:
            return sections["findings"]
        opening = headers[0].start()
        if any(character.isalpha() for character in text[:opening]):
            return [(0, opening)]
        return sections.get("impression", [])

    def pieces(self, text: str, start: int, end: int) -> Iterator[Extent]:
        """The sentences of a section with what is around them."""
        section = text[start:end]
        cuts = iter([*(m.start() for m in self.before.finditer(section)), len(section)])
        breaks = [(m.start(), m.end()) for m in self.breaks.finditer(section)]
        first, cut = 0, next(cuts)
        for stop, following in [*breaks, (len(section), len(section))]:
            while cut < stop:
                if cut > first:
                    yield start + first, start + cut
                    first = cut
                cut = next(cuts)
            if stop > first:
                yield start + first, start + stop
            first = following

    def body(self, text: str, start: int, end: int) -> Extent:
        """A piece without the markers, blanks and commas at its ends."""
        start, end = _trimmed(text, start, end)
        marker = self.markers.match(text, start, end)
        return _trimmed(text, marker.end(), end) if marker else (start, end)


def split_rules(lexicons: Sequence[Lexicon]) -> SplitRules:
    """The rules of some languages together."""
    return _compiled(
        tuple(p for lexicon in lexicons for p in lexicon.sentence_breaks),
        tuple(p for lexicon in lexicons for p in lexicon.split_before),
        tuple(p for lexicon in lexicons for p in lexicon.list_markers),
        tuple(
            (name, tuple(p for lexicon in lexicons for p in getattr(lexicon.sections, name)))
            for name in ("findings", "impression", "others")
        ),
    )


@lru_cache(maxsize=8)
def _compiled(
    breaks: tuple[str, ...],
    before: tuple[str, ...],
    markers: tuple[str, ...],
    sections: tuple[tuple[str, tuple[str, ...]], ...],
) -> SplitRules:
    marker = any_of(markers).pattern
    groups = "|".join(
        rf"(?P<{name}>{any_of(patterns).pattern}){_CLOSING}" for name, patterns in sections
    )
    header = rf"(?:^|[\n.,;。；，、])[^\S\n]*+(?>(?:{marker})?)[^\S\n]*+[【\[]?(?:{groups})"
    return SplitRules(
        any_of(breaks),
        any_of(before),
        re.compile(rf"(?:\s*(?:{marker}))+", re.IGNORECASE),
        re.compile(header, re.IGNORECASE),
    )


def _trimmed(text: str, start: int, end: int) -> Extent:
    while start < end and (text[start].isspace() or text[start] in ",，.、"):
        start += 1
    while start < end and (text[end - 1].isspace() or text[end - 1] in ",，.、"):
        end -= 1
    return start, end
