"""Quantile pooling: the product that a small share of the region exceeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps


class QuantileConfig(ComponentConfig):
    """Settings of quantile pooling."""

    kind: Literal["quantile"] = "quantile"
    q: float = Field(
        0.99, ge=0, lt=1, description="share of the region's volume that is below the value"
    )


class Quantile(MILPooling[QuantileConfig]):
    """ŷ_ij = the k-th largest Ŝ_iv D̂_jv, k = ⌈(1 - q)·Σ_v Ŝ_iv⌉, at least 1.

    Reference: Couture et al. 2018 (quantiles as the pooling of instances). The share is one of
    the region's soft volume ΣŜ, so that the size of the head or of the map does not matter. k
    has no gradient. Ties: one of the voxels receives the gradient. An empty region gives about
    0. Gradient: one voxel of both maps per bag. Use it as a maximum that ignores a few wild
    voxels.
    """

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.cells import ranked_voxels
        from crossdl.networks.products import logits_at
        from crossdl.networks.top_means import share_counts

        voxel = ranked_voxels(maps, share_counts(maps, 1 - self.config.q))
        return Bags.from_logit(logits_at(maps, voxel[..., None])[..., 0])

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.top_means import share_of

        k = int(share_of(s, 1 - self.config.q))
        return Bags.from_probability((s * d).topk(k).values[-1])
