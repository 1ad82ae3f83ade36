"""Softmax pooling with a fixed sharpness α between the mean and the maximum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps


class SoftmaxAlphaConfig(ComponentConfig):
    """Settings of softmax with a fixed sharpness pooling."""

    kind: Literal["softmax_alpha"] = "softmax_alpha"
    alpha: float = Field(
        5.0, ge=0, le=80, description="sharpness: 0 is the mean, large is close to the maximum"
    )


class SoftmaxAlpha(MILPooling[SoftmaxAlphaConfig]):
    """ŷ_ij = Σ_v Ŝ_iv w_jv D̂_jv / (Σ_v Ŝ_iv w_jv + ε) with w_jv = exp(α·(D̂_jv - 1)).

    Reference: McFee, Salamon and Bello 2018 (there with a learned α, see ``auto_pool``). ε =
    0.001 voxels, so an empty region gives about 0. There are no ties. Not monotone for α above
    1: raising a voxel with D̂ below ŷ - 1/α lowers ŷ. Gradient: every voxel of the region, in a
    positive bag negative for such low ones. Use it to choose by hand between extent (small α)
    and peak (large α).
    """

    monotone = False

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.sums import softmax_weights, weighted_mean_bags

        return weighted_mean_bags(maps, softmax_weights(maps, self.config.alpha))

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.sums import EMPTY

        w = s * (self.config.alpha * (d - 1)).exp()
        return Bags.from_probability((w * d).sum() / (w.sum() + EMPTY))
