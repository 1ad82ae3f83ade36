"""Max pooling: a region shows a type where one voxel shows both (E5, E6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps


class MaxConfig(ComponentConfig):
    """Max pooling has no settings."""

    kind: Literal["max"] = "max"


class Max(MILPooling[MaxConfig]):
    """ŷ_ij = max over v of Ŝ_iv·D̂_jv (E6); with 0/1 atlas regions as Ŝ it is E5.

    Reference: Liu et al. 2023; as multiple-instance assumption Dietterich et al. 1997. Ties: one
    of the voxels receives the whole gradient. An empty region gives about 0. Gradient: one voxel
    of both maps per bag. Use it where the smallest lesion decides; it never learns the extent.
    """

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.products import largest_logits

        return Bags.from_logit(largest_logits(maps, 1)[..., 0])

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """E6."""
        from crossdl.networks.bags import Bags

        return Bags.from_probability((s * d).max())
