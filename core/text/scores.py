"""How well labels of texts agree with the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from crossdl.labels import LabelSet
from crossdl.statistics.auroc import auroc
from crossdl.types import BoolArray, SentenceLabels


@dataclass(frozen=True)
class LabelScore:
    """One label.

    Attributes:
        f1: 2 TP / (2 TP + FP + FN); None where nothing is and nothing is said.
        auroc: Of its probabilities; None where one class is missing.
        positives: Texts that have it.
    """

    f1: float | None
    auroc: float | None
    positives: int


@dataclass(frozen=True)
class TextScores:
    """What :func:`score` measures.

    Attributes:
        n: Texts.
        exact: Texts of which every label is right.
        micro: F1 over all cells, by group and over ``"all"``.
        macro: Mean F1 of the labels that have one, by group; the paper's figures.
        labels: By name, regions first.
    """

    n: int
    exact: int
    micro: Mapping[str, float | None]
    macro: Mapping[str, float | None]
    labels: Mapping[str, LabelScore]


def score(truth: SentenceLabels, said: SentenceLabels, labels: LabelSet) -> TextScores:
    """Compares labels of the same texts.

    Args:
        truth: At least 0.5 is true.
        said: Counts by its thresholds.
        labels: Names.
    """
    groups = {
        "regions": (labels.label_names, truth.regions >= 0.5, said.stated_regions, said.regions),
        "types": (labels.type_names, truth.types >= 0.5, said.stated_types, said.types),
    }
    each: dict[str, LabelScore] = {}
    micro: dict[str, float | None] = {}
    macro: dict[str, float | None] = {}
    for group, (names, true, stated, probabilities) in groups.items():
        found = [
            LabelScore(
                f1(true[:, j], stated[:, j]),
                auroc(true[:, j], probabilities[:, j]),
                int(true[:, j].sum()),
            )
            for j in range(len(names))
        ]
        each |= dict(zip(names, found, strict=True))
        defined = [one.f1 for one in found if one.f1 is not None]
        micro[group] = f1(true, stated)
        macro[group] = float(np.mean(defined)) if defined else None
    true, stated = (np.hstack([groups[g][k] for g in groups]) for k in (1, 2))
    micro["all"] = f1(true, stated)
    return TextScores(len(true), int((true == stated).all(axis=1).sum()), micro, macro, each)


def f1(truth: BoolArray, stated: BoolArray) -> float | None:
    """2 TP / (2 TP + FP + FN) over all cells, the same both ways; None where there is nothing.

    Example:
        >>> import numpy as np
        >>> f1(np.array([True, True, False]), np.array([True, False, False]))
        0.6666666666666666
    """
    found, wrong = 2 * int((truth & stated).sum()), int((truth != stated).sum())
    return found / (found + wrong) if found + wrong else None


def languages(truth: SentenceLabels, labels: LabelSet) -> list[str]:
    """The language of each text: the first lexicon that knows it, or ``"-"``."""
    return [labels.language_of(text) or "-" for text in truth.sentences]
