"""An atlas: a template CT with its regions drawn once (method: anatomical region segmentation)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crossdl.types import RegionMap, Volume


@dataclass(frozen=True, eq=False)
class Atlas:
    """Template and regions on one grid.

    Attributes:
        template: HU; air is -1000.
        regions: Labels of the anatomy's regions on the template's grid.
        provenance: Where it came from: sources, licences, how it was made. JSON-able.
        fingerprint: Changes whenever template or labels do; part of cache keys.
    """

    template: Volume
    regions: RegionMap
    fingerprint: str
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks that template and regions share their grid.

        Raises:
            ValueError: They do not.
        """
        if not self.template.grid.same_as(self.regions.grid):
            raise ValueError("template and regions of an atlas must share one grid")
