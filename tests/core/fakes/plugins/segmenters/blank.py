"""A segmenter that needs an atlas in name only."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, SerializeAsAny

from crossdl.config import ComponentConfig, Slot
from crossdl.interfaces import RegionSegmenter
from crossdl.types import RegionMap, Volume


class BlankConfig(ComponentConfig):
    kind: Literal["blank"] = "blank"
    atlas: Annotated[SerializeAsAny[ComponentConfig] | None, Slot("atlas")] = Field(
        None, description="never read"
    )
    threads: int = Field(1, ge=1, description="never used")


class Blank(RegionSegmenter[BlankConfig]):
    """Everything is background."""

    def register(self, volume: Volume) -> RegionMap:
        return RegionMap(np.zeros(volume.grid.shape, np.uint8), volume.grid)
