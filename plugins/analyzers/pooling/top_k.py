"""Top-k pooling: the mean of the k largest products of a region and a type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps


class TopKConfig(ComponentConfig):
    """Settings of top-k pooling."""

    kind: Literal["top_k"] = "top_k"
    k: int = Field(10, ge=1, description="voxels averaged; of smaller maps, all voxels")


class TopK(MILPooling[TopKConfig]):
    """ŷ_ij = mean of the k largest Ŝ_iv·D̂_jv; k = 1 is E6.

    Reference: Durand et al. 2016 (WELDON). Ties for the last place share its weight equally. An
    empty region gives about 0. Gradient: 1/k of the bag's at each of the k voxels. Use it where
    a lesion has at least k voxels: it is less noisy than the maximum.
    """

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        import torch

        from crossdl.networks.top_means import top_bags

        shape = (*maps.regions.shape[:2], maps.abnormality.shape[1])
        k = torch.full(shape, self.config.k, device=maps.regions.device)
        return top_bags(maps, k)

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The k largest of all products."""
        from crossdl.networks.bags import Bags

        return Bags.from_probability((s * d).topk(min(self.config.k, len(s))).values.mean())
