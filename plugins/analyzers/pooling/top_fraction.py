"""Top-fraction pooling: the mean of the largest products, as many as a share of the region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps


class TopFractionConfig(ComponentConfig):
    """Settings of top-fraction pooling."""

    kind: Literal["top_fraction"] = "top_fraction"
    fraction: float = Field(
        0.05, gt=0, le=1, description="share of the region's volume that is averaged"
    )


class TopFraction(MILPooling[TopFractionConfig]):
    """ŷ_ij = mean of the k largest Ŝ_iv D̂_jv, k = ⌈fraction·Σ_v Ŝ_iv⌉, at least 1.

    Reference: Durand et al. 2017 (WILDCAT, k as a share). The share is one of the region's soft
    volume ΣŜ. k has no gradient. Ties for the last place share its weight equally. An empty
    region gives about 0. Gradient: 1/k of the bag's at each of the k voxels. Use it where
    regions differ in size and a lesion takes a similar share of each.
    """

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.top_means import share_counts, top_bags

        return top_bags(maps, share_counts(maps, self.config.fraction))

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.top_means import share_of

        k = int(share_of(s, self.config.fraction))
        return Bags.from_probability((s * d).topk(k).values.mean())
