"""Exponential softmax pooling: larger values count more, by their exponential."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps


class ExpSoftmaxConfig(ComponentConfig):
    """Exponential softmax pooling has no settings."""

    kind: Literal["exp_softmax"] = "exp_softmax"


class ExpSoftmax(MILPooling[ExpSoftmaxConfig]):
    """ŷ_ij = Σ_v Ŝ_iv e^D̂_jv D̂_jv / (Σ_v Ŝ_iv e^D̂_jv + ε'), softmax-weighted inside the region.

    Reference: Wang, Li and Metze 2019. The region weighs the voxels instead of multiplying
    them, because e^0 = 1 would let all voxels outside count. ε' = 0.001·e voxels, so an empty
    region gives about 0. There are no ties. Monotone, as 1 + D̂ - ŷ is never negative.
    Gradient: every voxel of the region, at most e² times as much for one as for another. Use it
    as a slightly sharper mean.
    """

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.sums import softmax_weights, weighted_mean_bags

        return weighted_mean_bags(maps, softmax_weights(maps, 1.0))

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.sums import EMPTY

        w = s * (d - 1).exp()
        return Bags.from_probability((w * d).sum() / (w.sum() + EMPTY))
