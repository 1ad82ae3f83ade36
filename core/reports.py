"""Reports: Findings sections → sentences → labels → abnormality matrices (E1).

Everything about language comes from the anatomy's lexicons; everything about labelling from a
:class:`~crossdl.interfaces.ReportDiscretizer`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.labels import LabelSet
from crossdl.lexicon import any_of
from crossdl.splitting import split_rules, visible
from crossdl.types import AbnormalityMatrix, FloatArray, SentenceLabels

if TYPE_CHECKING:
    from crossdl.interfaces import ReportDiscretizer


@dataclass(frozen=True)
class Sentence:
    """A sentence, or whatever else is labelled as one, and where it stands.

    Attributes:
        text: ``report[start:end]``; control characters and runs of blanks are one blank.
        start: First character in the report.
        end: One past the last character.
    """

    text: str
    start: int
    end: int


def find_sentences(text: str, anatomy: LabelSet) -> list[Sentence]:
    """The sentences of a report's Findings section with their positions, in order.

    Where the text has headers, only its Findings sections are used; without a Findings header,
    what stands before the first header, and if that is nothing, the Impression. Numbers and
    bullets of lists are left out. Text that no lexicon knows is one sentence.
    """
    plain = visible(text)
    lexicons = [x for x in anatomy.lexicon.values() if any_of([x.detect]).search(plain)]
    rules = split_rules(lexicons)
    sections = rules.findings(plain) if lexicons else [(0, len(plain))]
    found = []
    for section in sections:
        for piece in rules.pieces(plain, *section):
            start, end = rules.body(plain, *piece)
            if any(character.isalpha() for character in plain[start:end]):
                found.append(Sentence(" ".join(plain[start:end].split()), start, end))
    return found


def split_findings(text: str, anatomy: LabelSet) -> list[str]:
    """The texts of :func:`find_sentences`."""
    return [sentence.text for sentence in find_sentences(text, anatomy)]


def find_units(discretizer: ReportDiscretizer[Any], text: str) -> list[Sentence]:
    """What a discretizer labels of a report: its sentences, or the report as a whole."""
    if discretizer.level == "sentence":
        return find_sentences(text, discretizer.labels)
    return whole(text)


def whole(text: str) -> list[Sentence]:
    """All of a text as one sentence; nothing if there is nothing but blanks."""
    plain = visible(text)
    end = len(plain.rstrip())
    start = end - len(plain[:end].lstrip())
    return [Sentence(" ".join(plain.split()), start, end)] if end else []


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


def matrix_scores(labels: SentenceLabels) -> FloatArray:
    """E1 of the probabilities themselves: max over sentences s of r_s t_sᵀ where they are linked.

    Args:
        labels: ``(n, N + 2)`` and ``(n, M)`` probabilities of one report's sentences.

    Returns:
        ``(N + 2, M)`` float32; zeros of a report without sentences.
    """
    pairs = labels.regions[:, :, None] * labels.types[:, None, :]
    if labels.links is not None:
        pairs = np.where(labels.links, pairs, np.float32(0))
    return np.asarray(pairs.max(axis=0, initial=0.0), dtype=np.float32)


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
    from crossdl.label_cache import LabelCache

    reports = [
        None if text is None else [unit.text for unit in find_units(discretizer, text)]
        for text in findings
    ]
    return LabelCache(discretizer).label_each(reports)


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
