"""How well labels of texts agree with the truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossdl.labels import LabelSet
from crossdl.statistics.auroc import auroc
from crossdl.statistics.quotients import divided
from crossdl.types import BoolArray, Float64Array, SentenceLabels


@dataclass(frozen=True, eq=False)
class Counts:
    """How many texts have a label, are said to have it, and both; arrays of one shape.

    Attributes:
        both: TP.
        true: TP + FN.
        stated: TP + FP.

    Example:
        >>> found = Counts.of(np.array([[1, 0], [1, 0]]) > 0, np.array([[1, 0], [0, 0]]) > 0)
        >>> found.f1.tolist(), found.precision.tolist(), found.recall.tolist()
        ([0.6666666666666666, nan], [1.0, nan], [0.5, nan])
        >>> found.pooled.f1.tolist()
        0.6666666666666666
    """

    both: Float64Array
    true: Float64Array
    stated: Float64Array

    @classmethod
    def of(cls, truth: BoolArray, stated: BoolArray) -> Counts:
        """Counts of n texts: ``(n, ...)`` twice → ``(...)``."""
        return cls(*(np.asarray(c.sum(0, dtype=float)) for c in (truth & stated, truth, stated)))

    @classmethod
    def by_group(
        cls, truth: BoolArray, stated: BoolArray, owner: npt.NDArray[np.int64], n_groups: int
    ) -> Counts:
        """Counts of each of G groups of the texts, such as patients.

        Args:
            truth: ``(n, K)``.
            stated: ``(n, K)``.
            owner: ``(n,)`` group of each text, below G.
            n_groups: G; a group may have no text.

        Returns:
            ``(G, K)``.
        """
        sums = [np.zeros((n_groups, truth.shape[1])) for _ in range(3)]
        for total, each in zip(sums, (truth & stated, truth, stated), strict=True):
            np.add.at(total, owner, each)
        return cls(*sums)

    def weighted(self, weights: Float64Array) -> Counts:
        """Counts of groups, ``(G, K)``, under their weights, ``(G, R)`` → ``(K, R)``."""
        return Counts(*(c.T @ weights for c in (self.both, self.true, self.stated)))

    def take(self, labels: slice) -> Counts:
        """Some of the labels, the last axis."""
        return Counts(*(c[..., labels] for c in (self.both, self.true, self.stated)))

    @property
    def pooled(self) -> Counts:
        """Counts over all labels, the first axis: what micro averages are made of."""
        return Counts(*(np.asarray(c.sum(0)) for c in (self.both, self.true, self.stated)))

    @property
    def f1(self) -> Float64Array:
        """2 TP / (2 TP + FP + FN), the same both ways; NaN where nothing is true or stated."""
        return divided(2 * self.both, self.true + self.stated)

    @property
    def precision(self) -> Float64Array:
        """TP / (TP + FP); NaN where nothing is stated."""
        return divided(self.both, self.stated)

    @property
    def recall(self) -> Float64Array:
        """TP / (TP + FN); NaN where nothing is true."""
        return divided(self.both, self.true)


@dataclass(frozen=True)
class LabelScore:
    """One label.

    Attributes:
        f1: None where nothing is true and nothing stated.
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
        counts = Counts.of(true, stated)
        each |= {
            name: LabelScore(
                _defined(counts.f1[j]), auroc(true[:, j], probabilities[:, j]), int(counts.true[j])
            )
            for j, name in enumerate(names)
        }
        micro[group] = _defined(counts.pooled.f1)
        defined = counts.f1[~np.isnan(counts.f1)]
        macro[group] = float(defined.mean()) if defined.size else None
    true, stated = (np.hstack([groups[g][k] for g in groups]) for k in (1, 2))
    micro["all"] = f1(true, stated)
    return TextScores(len(true), int((true == stated).all(axis=1).sum()), micro, macro, each)


def f1(truth: BoolArray, stated: BoolArray) -> float | None:
    """F1 over all cells of two arrays of one shape; None where nothing is true and nothing stated.

    Example:
        >>> f1(np.array([True, True, False]), np.array([True, False, False]))
        0.6666666666666666
    """
    return _defined(Counts.of(truth.ravel(), stated.ravel()).f1)


def languages(truth: SentenceLabels, labels: LabelSet) -> list[str]:
    """The language of each text: the first lexicon that knows it, or ``"-"``."""
    return [labels.language_of(text) or "-" for text in truth.sentences]


def _defined(value: Float64Array) -> float | None:
    return None if np.isnan(value) else float(value)
