"""Reading reports by rules: terms, sides, negation and linking, all from the anatomy's lexicons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import numpy as np

from crossdl.config import ComponentConfig
from crossdl.interfaces import ReportDiscretizer
from crossdl.lexicon import any_of
from crossdl.plugins.discretizers._linking import cells
from crossdl.plugins.discretizers._tokens import Reader
from crossdl.types import SentenceLabels


class LexiconConfig(ComponentConfig):
    """The rules have no settings; their words are the anatomy's ``[lexicon]`` tables."""

    kind: Literal["lexicon"] = "lexicon"


class LexiconDiscretizer(ReportDiscretizer[LexiconConfig]):
    """Labels sentences by rules; every probability is 0 or 1.

    A place counts as abnormal where a finding with a type is linked to it; findings without a
    type (an infarct without a density word) use up the places named with them. All regions of a
    sentence then share all its types (E1).
    """

    @cached_property
    def _readers(self) -> list[tuple[re.Pattern[str], Reader]]:
        return [
            (any_of([lexicon.detect]), Reader(lexicon, self.anatomy))
            for lexicon in self.anatomy.lexicon.values()
        ]

    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        """Labels n sentences; one in no known language gives zeros."""
        n = len(sentences)
        regions = np.zeros((n, len(self.anatomy.label_names)), dtype=np.float32)
        types = np.zeros((n, self.anatomy.n_types), dtype=np.float32)
        for i, sentence in enumerate(sentences):
            reader = next((r for found, r in self._readers if found.search(sentence)), None)
            if reader is not None:
                for row, kind in cells(sentence, reader, self.anatomy):
                    regions[i, row] = types[i, kind] = 1.0
        return SentenceLabels(tuple(sentences), regions, types)
