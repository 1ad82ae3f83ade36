"""One scan of a cohort as template, with its known regions: how much does the choice matter?"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, SerializeAsAny

from crossdl.atlas import Atlas
from crossdl.config import ComponentConfig, Slot
from crossdl.errors import InputError
from crossdl.interfaces import AtlasSource, CohortSource, build
from crossdl.types import Quality, RegionMap, Volume


def _healthy_phantoms() -> ComponentConfig:
    """Heads that lie straight, without lesions and close to the usual shape."""
    from crossdl.catalog import default_catalog

    described = {
        "kind": "phantom",
        "patients": {"train": 4, "valid": 1, "test": 1},
        "repeat_rate": 0.0,
        "positive_rate": 0.0,
        "matrix": 128,
        "model_mm": 2.0,
        "head": {"deformation": 0.5, "child_rate": 0.0},
        "scanner": {"turn_degrees": (0.0, 0.0, 0.0), "pitch_degrees": 0.0, "sheared_rate": 0.0},
    }
    return default_catalog().parse("cohort", described)


class CohortScanConfig(ComponentConfig):
    """Configuration of :class:`CohortScan`."""

    kind: Literal["cohort_scan"] = "cohort_scan"
    cohort: Annotated[SerializeAsAny[ComponentConfig], Slot("cohort")] = Field(
        default_factory=_healthy_phantoms,
        description="whose scan; it must know their regions, as phantoms do",
    )
    number: int = Field(0, ge=0, description="of the scan among the cohort's, from 0")


class CohortScan(AtlasSource[CohortScanConfig]):
    """A single head instead of an average, as the paper's comparison of templates (S1)."""

    def load(self) -> Atlas:
        """Reads the scan.

        Raises:
            InputError: There is no such scan, its regions are not known, or some are missing.
        """
        cohort: CohortSource[ComponentConfig] = build(self.config.cohort, self.anatomy)
        records = cohort.records()
        number = self.config.number
        if number >= len(records):
            raise InputError(f"atlas.number: {number}, but the cohort has {len(records)} scans")
        record = records[number]
        regions = cohort.region_truth(record)
        if regions is None:
            raise InputError(
                f"atlas.cohort: {self.config.cohort.kind} does not know the regions of its scans; "
                "draw them and use an atlas of kind folder"
            )
        found = set(regions.labels.ravel().tolist())
        missing = [n for i, n in enumerate(self.anatomy.region_names, 1) if i not in found]
        if missing:
            raise InputError(f"{record.scan_id}: shows no {', '.join(missing)}; choose another")
        volume = cohort.volume(record)
        template = Volume(volume.array.astype(np.float32), volume.grid, record.scan_id)
        return Atlas(
            template=template,
            regions=RegionMap(regions.labels, regions.grid, Quality({"atlas": record.scan_id})),
            fingerprint=f"{self.config.kind} {cohort.fingerprint(record)}",
            provenance={
                "made_by": self.config.kind,
                "cohort": self.config.cohort.model_dump(mode="json"),
                "scan": record.scan_id,
            },
        )
