"""Reports: Findings sections → sentences → labels → abnormality matrices (E1).

Everything about language comes from the anatomy's lexicons; everything about labelling from a
:class:`~crossdl.interfaces.ReportDiscretizer`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.labels import LabelSet
from crossdl.lexicon import Lexicon, any_of
from crossdl.types import AbnormalityMatrix, SentenceLabels

if TYPE_CHECKING:
    from crossdl.interfaces import ReportDiscretizer

_CLOSING = r"[ \t]*(?:[】\]][ \t]*[:：]?|[:：]|(?=\r?\n))"
"""What makes a word at the start of a line or sentence a header."""


def split_findings(text: str, anatomy: LabelSet) -> list[str]:
    """The sentences of a report's Findings section, in order.

    Where the text has headers, only its Findings sections are used; without a Findings header,
    what stands before the first header, and if that is nothing, the Impression. Numbers and
    bullets of lists are removed. Text that no lexicon knows is one sentence.
    """
    lexicons = tuple(
        lexicon for lexicon in anatomy.lexicon.values() if any_of([lexicon.detect]).search(text)
    )
    if not lexicons:
        return [text.strip()] if any(character.isalpha() for character in text) else []
    breaks = any_of(p for lexicon in lexicons for p in lexicon.sentence_breaks)
    before = [re.compile(p, re.IGNORECASE) for lexicon in lexicons for p in lexicon.split_before]
    markers = re.compile(
        rf"(?:\s*(?:{any_of(p for lexicon in lexicons for p in lexicon.list_markers).pattern}))+"
    )
    sentences = []
    for part in breaks.split(_findings_section(text, lexicons)):
        cuts = sorted({m.start() for pattern in before for m in pattern.finditer(part)})
        for start, end in zip([0, *cuts], [*cuts, len(part)], strict=True):
            piece = part[start:end].strip(" \t\r\n,，.、")
            piece = markers.sub("", piece, count=1) if markers.match(piece) else piece
            piece = " ".join(piece.split()).strip(" ,，.、")
            if any(character.isalpha() for character in piece):
                sentences.append(piece)
    return sentences


def merge(labels: SentenceLabels, anatomy: LabelSet) -> AbnormalityMatrix:
    """Merges the sentences of one report: A = max over sentences s of r_s t_sᵀ (E1).

    Args:
        labels: ``(n, N + 2)`` and ``(n, M)`` probabilities; n may be 0. Where they carry links,
            only linked cells of r_s t_sᵀ count.
        anatomy: Gives N and M.

    Returns:
        A 0/1 matrix; its evidence lists the sentences behind each positive cell.
    """
    values = np.zeros((len(anatomy.label_names), anatomy.n_types), dtype=np.float32)
    evidence: dict[tuple[int, int], list[int]] = {}
    for s, row, column in np.argwhere(labels.cells):
        values[row, column] = 1.0
        evidence.setdefault((int(row), int(column)), []).append(int(s))
    return AbnormalityMatrix(values, {cell: tuple(found) for cell, found in evidence.items()})


def label_sentences(
    discretizer: ReportDiscretizer[Any], sentences: Sequence[str]
) -> SentenceLabels:
    """Labels of sentences with their thresholds, linked by clause where so configured."""
    labels = replace(discretizer.label(sentences), thresholds=discretizer.thresholds)
    if discretizer.config.linking == "sentence":
        return labels
    return replace(labels, links=discretizer.link(labels))


def label_reports(
    discretizer: ReportDiscretizer[Any], findings: Sequence[str | None]
) -> list[SentenceLabels | None]:
    """Labels of every report's sentences; None for a report that is None.

    Templates repeat: each different sentence is labelled once.
    """

    def units(text: str) -> list[str]:
        if discretizer.level == "sentence":
            return split_findings(text, discretizer.labels)
        return [text.strip()] if text.strip() else []

    reports = [None if text is None else units(text) for text in findings]
    unique = list(dict.fromkeys(s for sentences in reports if sentences for s in sentences))
    labels = label_sentences(discretizer, unique)
    at = {sentence: i for i, sentence in enumerate(unique)}
    return [
        None if sentences is None else labels.take([at[s] for s in sentences])
        for sentences in reports
    ]


def discretize_reports(
    discretizer: ReportDiscretizer[Any], findings: Sequence[str | None]
) -> list[AbnormalityMatrix | None]:
    """Abnormality matrices of reports (E1), one per item; None for a report that is None."""
    return [
        None if labels is None else merge(labels, discretizer.labels)
        for labels in label_reports(discretizer, findings)
    ]


def mirror_text(text: str, anatomy: LabelSet) -> str:
    """Swaps the side words of every language; labels become those of the mirrored scan.

    A word keeps its capitals: "Left frontal" becomes "Right frontal".
    """
    partner = dict(anatomy.side_partners)
    swaps: list[tuple[int, int, str]] = []
    for lexicon in anatomy.lexicon.values():
        for side, patterns in lexicon.side_patterns.items():
            if side not in partner:
                continue
            for pattern, new in zip(patterns, lexicon.sides[partner[side]], strict=True):
                swaps += [(m.start(), m.end(), _cased(new, m[0])) for m in pattern.finditer(text)]
    swaps.sort(key=lambda swap: (swap[0], -swap[1]))
    pieces, at = [], 0
    for start, end, new in swaps:
        if start >= at:
            pieces += [text[at:start], new]
            at = end
    return "".join([*pieces, text[at:]])


def _cased(word: str, like: str) -> str:
    if word != word.lower() or like == like.lower():
        return word
    return word.upper() if like == like.upper() and len(like) > 1 else word[:1].upper() + word[1:]


def _findings_section(text: str, lexicons: tuple[Lexicon, ...]) -> str:
    headers = list(_header_pattern(lexicons).finditer(text))
    if not headers:
        return text
    sections: dict[str, list[str]] = {"findings": [], "impression": [], "others": []}
    ends = [*(h.start() for h in headers[1:]), len(text)]
    for header, end in zip(headers, ends, strict=True):
        sections[str(header.lastgroup)].append(text[header.end() : end])
    if sections["findings"]:
        return "\n".join(sections["findings"])
    opening = text[: headers[0].start()]
    return opening if opening.strip() else "\n".join(sections["impression"])


@lru_cache(maxsize=8)
def _headers(sections: tuple[tuple[str, tuple[str, ...]], ...]) -> re.Pattern[str]:
    groups = "|".join(
        rf"(?P<{name}>(?:{'|'.join(patterns) or '(?!)'}){_CLOSING})" for name, patterns in sections
    )
    return re.compile(rf"(?:^|[\n.,;。；，、])[ \t]*[【\[]?(?:{groups})", re.IGNORECASE)


def _header_pattern(lexicons: Iterable[Lexicon]) -> re.Pattern[str]:
    """Finds headers; the name of the group that matched says which section begins."""
    chosen = list(lexicons)
    return _headers(
        tuple(
            (name, tuple(p for lexicon in chosen for p in getattr(lexicon.sections, name)))
            for name in ("findings", "impression", "others")
        )
    )
