"""A cohort whose scans tell the segmenter how to behave."""

from __future__ import annotations

from typing import Literal

import numpy as np

from crossdl.config import ComponentConfig
from crossdl.errors import InputError
from crossdl.interfaces import CohortSource
from crossdl.types import Grid, ScanRecord, Volume


class MoodsConfig(ComponentConfig):
    kind: Literal["moods"] = "moods"
    names: tuple[str, ...]


class Moods(CohortSource[MoodsConfig]):
    """A gradient and some air per name; the name "lost" has no file behind it."""

    def records(self) -> list[ScanRecord]:
        return [ScanRecord(name, name, "train") for name in self.config.names]

    def volume(self, record: ScanRecord) -> Volume:
        affine = np.diag([20.0, 30.0, 50.0, 1.0])
        grid = Grid((2, 3, 4), affine)
        array = np.arange(24, dtype=np.float32).reshape(grid.shape)
        array[0, 0, 0] = -1000.0
        return Volume(array, grid, record.scan_id)

    def fingerprint(self, record: ScanRecord) -> str:
        if record.scan_id == "lost":
            raise InputError("lost.nii.gz: does not exist")
        return record.scan_id
