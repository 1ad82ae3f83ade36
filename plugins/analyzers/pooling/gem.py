"""Generalised-mean pooling of a region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps


class GeMConfig(ComponentConfig):
    """Settings of generalised mean pooling."""

    kind: Literal["gem"] = "gem"
    p: float = Field(
        3.0, ge=1, le=50, description="exponent: 1 is the mean, large is close to the maximum"
    )


class GeM(MILPooling[GeMConfig]):
    """ŷ_ij = ( Σ_v Ŝ_iv D̂_jv^p / (Σ_v Ŝ_iv + ε) )^(1/p).

    Reference: Radenović, Tolias and Chum 2019 (GeM). ε = 0.001 voxels, so an empty region gives
    about 0. There are no ties. Gradient: every voxel of the region, in proportion to D̂^(p-1).
    Use it as a smooth way from the mean to the maximum that, unlike softmax weights, stays
    monotone.
    """

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.sums import gem_bags

        return gem_bags(maps, self.config.p)

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.sums import EMPTY

        mean = (s * d**self.config.p).sum() / (s.sum() + EMPTY)
        return Bags.from_probability(mean ** (1 / self.config.p))
