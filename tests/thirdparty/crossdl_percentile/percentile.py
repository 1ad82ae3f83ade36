"""``percentile``: a high percentile of the product of region and abnormality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from crossdl.networks.bags import Bags, VoxelMaps


class PercentileConfig(ComponentConfig):
    """Options of percentile pooling."""

    kind: Literal["percentile"] = "percentile"
    q: float = Field(99.0, ge=0, le=100, description="which percentile; 100 is the maximum")


class Percentile(MILPooling[PercentileConfig]):
    """The percentile q over voxels of Ŝ·D̂."""

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.bags import Bags

        products = maps.s[:, :, None] * maps.d[:, None]
        return Bags.from_probability(products.quantile(self.config.q / 100, dim=-1))
