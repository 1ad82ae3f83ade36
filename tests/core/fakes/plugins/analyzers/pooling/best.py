"""The mean of the k largest products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from crossdl.networks.bags import Bags, VoxelMaps


class BestConfig(ComponentConfig):
    kind: Literal["best"] = "best"
    k: int = Field(2, ge=1, description="voxels that count")
    floor: float = Field(0.0, ge=0, description="never used")


class Best(MILPooling[BestConfig]):
    """E7 with a fixed k."""

    def bags(self, maps: VoxelMaps) -> Bags:
        from crossdl.networks.bags import Bags

        products = maps.s[:, :, None] * maps.d[:, None]
        return Bags.from_probability(products.topk(self.config.k, dim=-1).values.mean(-1))
