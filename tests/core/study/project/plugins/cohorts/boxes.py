"""Boxes of tissue with random labels; counts how often a volume is read."""

from __future__ import annotations

import os
from typing import Literal

import numpy as np
from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import CohortSource
from crossdl.types import Grid, ScanRecord, SentenceLabels, Volume


class BoxesConfig(ComponentConfig):
    kind: Literal["boxes"] = "boxes"
    train: int = Field(3, ge=1, description="scans to train on")
    test: int = Field(12, ge=1, description="scans to test on")


class Boxes(CohortSource[BoxesConfig]):
    """Scan i has the labels that seed i draws."""

    def records(self) -> list[ScanRecord]:
        counts = {"train": self.config.train, "valid": 1, "test": self.config.test}
        shape = (len(self.anatomy.label_names), self.anatomy.n_types)
        found = []
        for split, count in counts.items():
            for i in range(count):
                truth = (np.random.default_rng([i, len(split)]).random(shape) < 0.01).astype("f4")
                findings = "No abnormality." if split != "test" else None
                found.append(ScanRecord(f"{split}{i}", f"{split}{i}", split, findings, truth))
        return found

    def volume(self, record: ScanRecord) -> Volume:
        log = os.environ.get("VOLUMES_READ")
        if log:
            with open(log, "a", encoding="utf-8") as file:
                file.write(f"{record.scan_id}\n")
        array = np.full((4, 24, 24), -1000, dtype=np.float32)  # pictures show every slice
        array[1:3, 4:20, 4:20] = 40
        return Volume(array, Grid(array.shape, np.diag([8.0, 8.0, 36.0, 1.0])), record.scan_id)

    def fingerprint(self, record: ScanRecord) -> str:
        return f"boxes {record.scan_id}"

    def silver(self, record: ScanRecord) -> SentenceLabels | None:
        if record.findings is None:
            return None
        n = len(self.anatomy.label_names), self.anatomy.n_types
        return SentenceLabels(
            ("No abnormality.",), *(np.zeros((1, k), dtype=np.float32) for k in n)
        )
