"""A discretizer that finds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from crossdl.config import ComponentConfig
from crossdl.interfaces import ReportDiscretizer
from crossdl.types import SentenceLabels


class SilentConfig(ComponentConfig):
    kind: Literal["silent"] = "silent"


class Silent(ReportDiscretizer[SilentConfig]):
    """All zero."""

    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        n, a = len(sentences), self.anatomy
        regions = np.zeros((n, a.n_regions + 2), np.float32)
        return SentenceLabels(tuple(sentences), regions, np.zeros((n, a.n_types), np.float32))
