"""Checks of :class:`crossdl.interfaces.ReportDiscretizer`."""

from __future__ import annotations

import re

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.testing.checks import Subject, check, ensure
from crossdl.types import SentenceLabels

TOLERANCE = 1e-4


@check("discretizer")
def shapes_and_ranges(subject: Subject) -> None:
    """Regions ``(n, N + 2)`` and types ``(n, M)`` are float32 in [0, 1], also for n = 0."""
    for sentences in (example_sentences(subject.anatomy), []):
        labels: SentenceLabels = subject.build().label(sentences)
        ensure(labels.sentences == tuple(sentences), "the sentences are not returned as given")
        for name, values, width in (
            ("regions", labels.regions, subject.anatomy.n_regions + 2),
            ("types", labels.types, subject.anatomy.n_types),
        ):
            expected = (len(sentences), width)
            ensure(values.shape == expected, f"{name} have shape {values.shape}, not {expected}")
            ensure(values.dtype == np.float32, f"{name} are {values.dtype}, not float32")
            inside = np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()
            ensure(bool(inside), f"{name} have a probability outside [0, 1]")


@check("discretizer")
def independent_of_neighbours(subject: Subject) -> None:
    """A sentence's labels are the same alone, and in any order."""
    sentences = example_sentences(subject.anatomy)
    discretizer = subject.build()
    together: SentenceLabels = discretizer.label(sentences)
    backwards: SentenceLabels = discretizer.label(sentences[::-1])
    for i, sentence in enumerate(sentences):
        for other, row in ((discretizer.label([sentence]), 0), (backwards, -1 - i)):
            same = np.allclose(together.regions[i], other.regions[row], atol=TOLERANCE)
            same = same and np.allclose(together.types[i], other.types[row], atol=TOLERANCE)
            ensure(same, f"the labels of {sentence!r} depend on its neighbours")


@check("discretizer")
def empty_sentences(subject: Subject) -> None:
    """Empty sentences, and such of blanks, have no labels."""
    labels: SentenceLabels = subject.build().label(["", " \t\u3000"])
    ensure(not labels.regions.any() and not labels.types.any(), "an empty sentence has labels")


@check("discretizer")
def mirror_symmetry(subject: Subject) -> None:
    """Swapping the words for the sides swaps the labels of the paired regions."""
    from crossdl.reports import mirror_text

    anatomy = subject.anatomy
    sentences = example_sentences(anatomy)
    mirrored = [mirror_text(sentence, anatomy) for sentence in sentences]
    sided = any(region.side for region in anatomy.regions)
    ensure(not sided or mirrored != sentences, "no example sentence names a side")
    discretizer = subject.build()
    plain: SentenceLabels = discretizer.label(sentences)
    swapped: SentenceLabels = discretizer.label(mirrored)
    for i, sentence in enumerate(sentences):
        same = np.allclose(
            plain.regions[i][anatomy.mirror_index], swapped.regions[i], atol=TOLERANCE
        ) and np.allclose(plain.types[i], swapped.types[i], atol=TOLERANCE)
        ensure(same, f"mirroring {sentence!r} does not mirror its labels")


def example_sentences(anatomy: Anatomy, limit: int = 40) -> list[str]:
    """Sentences made of side, part and finding words that stand plainly in the lexicons."""
    sentences: list[str] = []
    for lexicon in anatomy.lexicon.values():
        blank = " " if lexicon.word_edges else ""
        parts = [word for part in lexicon.parts for word in _plain(part.patterns)] or [""]
        findings = [word for f in lexicon.findings for word in _plain(f.patterns)] or [""]
        made = [
            blank.join(word for word in (side, part, findings[i % len(findings)]) if word)
            for i, part in enumerate(parts)
            for words in lexicon.sides.values()
            for side in words[:1]
        ]
        step = max(1, len(made) // limit)
        sentences += made[::step][:limit]
    return sentences


def _plain(patterns: tuple[str, ...]) -> list[str]:
    """Patterns that are words rather than expressions."""
    return [pattern for pattern in patterns if re.fullmatch(r"[\w -]+", pattern)]
