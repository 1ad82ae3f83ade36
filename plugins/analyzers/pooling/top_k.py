"""Top-k pooling: the mean of the k largest products of a region and a type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor


class TopKConfig(ComponentConfig):
    """Settings of top-k pooling."""

    kind: Literal["top_k"] = "top_k"
    k: int = Field(10, ge=1, description="voxels averaged; of smaller maps, all voxels")


class TopK(MILPooling[TopKConfig]):
    """ŷ_ij = mean of the k largest Ŝ_iv·D̂_jv; k = 1 is E6.

    Each chosen voxel receives 1/k of the gradient; where voxels tie for the last place, any of
    them is chosen.
    """

    def pool(self, regions: Tensor, abnormality: Tensor, coarser: Tensor | None) -> Tensor:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.products import k_largest, products_at

        index = k_largest(regions, abnormality, self.config.k)
        return products_at(regions, abnormality, index).mean(dim=-1)
