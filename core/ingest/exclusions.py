"""Pairs that are left out for what the report says: ischaemia beside another hypodensity."""

from __future__ import annotations

import re
from collections.abc import Iterable

from crossdl.anatomy import Anatomy
from crossdl.ingest.rules import ExclusionRules
from crossdl.lexicon import any_of
from crossdl.types import AbnormalityMatrix


class Ischaemia:
    """Finds reports in which ischaemia stands together with another hypodensity.

    The analyzer's hypodensity is not ischaemia; where a report has both, its words do not say
    which region has which.
    """

    def __init__(self, rules: ExclusionRules, anatomy: Anatomy) -> None:
        """Compiles the words and the anatomy's cues of negation."""
        self._words = any_of(rules.ischaemia)
        self._columns = [anatomy.type_names.index(name) for name in rules.with_types]
        self._cues = [
            (
                any_of([lexicon.detect]),
                any_of(lexicon.ignored),
                any_of(lexicon.negation.before),
                any_of(lexicon.negation.after),
                any_of(lexicon.negation.ends),
            )
            for lexicon in anatomy.lexicon.values()
        ]

    def with_hypodensity(self, sentences: Iterable[str], matrix: AbnormalityMatrix) -> bool:
        """Whether a report affirms ischaemia and its matrix has one of the types.

        Args:
            sentences: Of its Findings section.
            matrix: What the discretizer makes of it, in which ischaemia alone is no hypodensity.
        """
        if not self._columns or not (matrix.values[:, self._columns] >= 0.5).any():
            return False
        return any(self.affirmed(sentence) for sentence in sentences)

    def affirmed(self, sentence: str) -> bool:
        """Whether a sentence states ischaemia that no negation reaches."""
        cues = next((c for c in self._cues if c[0].search(sentence)), None)
        if cues is None:
            return self._words.search(sentence) is not None
        _, ignored, before, after, ends = cues
        text = ignored.sub(lambda m: "\ufffc" * len(m[0]), sentence)
        for found in self._words.finditer(text):
            stops = list(ends.finditer(text))
            start = max((m.end() for m in stops if m.end() <= found.start()), default=0)
            stop = min((m.start() for m in stops if m.start() >= found.end()), default=len(text))
            if not _any(before, text[start : found.start()]) and not _any(
                after, text[found.end() : stop]
            ):
                return True
        return False


def _any(cues: re.Pattern[str], text: str) -> bool:
    return cues.search(text) is not None
