"""Silver sentences of a cohort: what discretizers learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossdl.errors import InputError
from crossdl.interfaces import CohortSource
from crossdl.labels import LabelSet
from crossdl.types import ScanRecord, SentenceLabels, Split


@dataclass(frozen=True, eq=False)
class Silver:
    """What a cohort offers for training.

    Attributes:
        train: Different sentences of the training reports, with labels.
        valid: The same of the validation reports.
        unlabelled: Different sentences of all training reports.
    """

    train: SentenceLabels
    valid: SentenceLabels
    unlabelled: tuple[str, ...]


def silver_of(cohort: CohortSource[Any], records: Sequence[ScanRecord], labels: LabelSet) -> Silver:
    """Collects them.

    Raises:
        InputError: The cohort has no sentence labels in a split.
    """
    from crossdl.reports import split_findings

    def of(split: Split) -> SentenceLabels:
        found = [cohort.silver(r) for r in records if r.split == split and r.findings is not None]
        known = [f for f in found if f is not None and f.sentences]
        if not known:
            raise InputError(
                f"the cohort has no labelled {split} sentences to train a discretizer on; name a "
                "trained one (discretizer.model), or train one with crossdl discretizer train"
            )
        return different(known)

    texts = (r.findings for r in records if r.split == "train" and r.findings is not None)
    sentences = dict.fromkeys(s for text in texts for s in split_findings(text, labels))
    return Silver(of("train"), of("valid"), tuple(sentences))


def different(parts: Sequence[SentenceLabels]) -> SentenceLabels:
    """All sentences once, each with the labels of its first appearance."""
    texts = [sentence for part in parts for sentence in part.sentences]
    joined = SentenceLabels(
        tuple(texts),
        np.concatenate([part.regions for part in parts]),
        np.concatenate([part.types for part in parts]),
    )
    first: dict[str, int] = {}
    for i, text in enumerate(texts):
        first.setdefault(text, i)
    return joined.take(list(first.values()))
