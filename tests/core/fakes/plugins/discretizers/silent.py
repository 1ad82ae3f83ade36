"""A discretizer that finds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from crossdl.interfaces import DiscretizerConfig, ReportDiscretizer
from crossdl.types import SentenceLabels


class SilentConfig(DiscretizerConfig):
    kind: Literal["silent"] = "silent"


class Silent(ReportDiscretizer[SilentConfig]):
    """All zero."""

    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        n, a = len(sentences), self.labels
        regions = np.zeros((n, len(a.label_names)), np.float32)
        return SentenceLabels(tuple(sentences), regions, np.zeros((n, a.n_types), np.float32))
