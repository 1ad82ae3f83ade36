"""A cohort of one scan."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import CohortSource
from crossdl.types import Grid, ScanRecord, Volume


class FewConfig(ComponentConfig):
    kind: Literal["few"] = "few"
    patients: int = Field(3, ge=1, description="how many")


class Few(CohortSource[FewConfig]):
    """Volumes of one value."""

    def records(self) -> list[ScanRecord]:
        return [ScanRecord(f"s{i}", f"p{i}", "train") for i in range(self.config.patients)]

    def volume(self, record: ScanRecord) -> Volume:
        grid = Grid((2, 3, 4), np.eye(4))
        return Volume(np.full(grid.shape, float(record.scan_id[1:]), np.float32), grid)

    def fingerprint(self, record: ScanRecord) -> str:
        return record.scan_id
