"""Reading reports by rules: terms, sides, negation and linking, all from the anatomy's lexicons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.errors import ConfigError
from crossdl.interfaces import DiscretizerConfig, ReportDiscretizer
from crossdl.lexicon import any_of
from crossdl.plugins.discretizers._linking import cells
from crossdl.plugins.discretizers._reader import Reader
from crossdl.types import BoolArray, SentenceLabels


class LexiconConfig(DiscretizerConfig):
    """The rules are not set here; their words are the anatomy's ``[lexicon]`` tables."""

    kind: Literal["lexicon"] = "lexicon"


class LexiconDiscretizer(ReportDiscretizer[LexiconConfig]):
    """Labels sentences by rules; every probability is 0 or 1.

    A place counts as abnormal where a finding with a type is linked to it; findings without a
    type (an infarct without a density word) use up the places named with them. All regions of a
    sentence then share all its types (E1).
    """

    @cached_property
    def _anatomy(self) -> Anatomy:
        """The label set, which must be an anatomy.

        Raises:
            ConfigError: It is a set of mere labels, which has no words for parts and findings.
        """
        if not isinstance(self.labels, Anatomy):
            raise ConfigError(
                f"discretizer 'lexicon' needs an anatomy; {self.labels.name!r} only names labels"
            )
        return self.labels

    @cached_property
    def _readers(self) -> list[tuple[re.Pattern[str], Reader]]:
        return [
            (any_of([lexicon.detect]), Reader(lexicon, self._anatomy))
            for lexicon in self._anatomy.lexicon.values()
        ]

    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        """Labels n sentences; one in no known language gives zeros."""
        pairs = self._pairs(sentences)
        regions, types = (np.asarray(pairs.any(axis=a), dtype=np.float32) for a in (2, 1))
        return SentenceLabels(tuple(sentences), regions, types)

    def link(self, labels: SentenceLabels) -> BoolArray:
        """The pairs that the rules link."""
        return self._pairs(labels.sentences)

    def _pairs(self, sentences: Sequence[str]) -> BoolArray:
        anatomy = self._anatomy
        shape = (len(sentences), len(anatomy.label_names), anatomy.n_types)
        pairs = np.zeros(shape, dtype=np.bool_)
        for i, sentence in enumerate(sentences):
            reader = next((r for found, r in self._readers if found.search(sentence)), None)
            if reader is not None:
                for cell in cells(sentence, reader, anatomy):
                    pairs[(i, *cell)] = True
        return pairs
