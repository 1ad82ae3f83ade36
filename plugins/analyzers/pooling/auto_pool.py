"""Auto-pool: softmax pooling whose sharpness is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.anatomy import Anatomy
from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor, nn

    from crossdl.networks.bags import Bags, VoxelMaps


class AutoPoolConfig(ComponentConfig):
    """Settings of auto pooling."""

    kind: Literal["auto_pool"] = "auto_pool"
    scope: Literal["type", "global"] = Field(
        "type", description="one α for every abnormality type, or one for all"
    )
    start: float = Field(1.0, ge=0, le=20, description="first α")


class AutoPool(MILPooling[AutoPoolConfig]):
    """ŷ_ij = Σ_v Ŝ_iv w_jv D̂_jv / (Σ_v Ŝ_iv w_jv + ε), w_jv = exp(α_j·(D̂_jv - 1)), α learned.

    Reference: McFee, Salamon and Bello 2018 (Adaptive pooling operators). α = 0 is the mean, 1
    the exponential softmax, α → ∞ the maximum. ε = 0.001 voxels, so an empty region gives about
    0. There are no ties. Not monotone once α is above 1: raising a voxel with D̂ below ŷ - 1/α
    lowers ŷ. Use it where the types differ in extent and nobody wants to choose α.
    """

    monotone = False

    def __init__(self, config: AutoPoolConfig, anatomy: Anatomy) -> None:
        """Keeps both; parameters are made when they are needed."""
        super().__init__(config, anatomy)
        self._module: nn.ParameterDict | None = None

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.sums import softmax_weights, weighted_mean_bags

        return weighted_mean_bags(maps, softmax_weights(maps, self._alpha()[:, None]))

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.sums import EMPTY

        w = s * (self._alpha()[0].double().detach() * (d - 1)).exp()
        return Bags.from_probability((w * d).sum() / (w.sum() + EMPTY))

    def learned(self) -> nn.ParameterDict:
        """``alpha``, of every type or of all."""
        import torch

        if self._module is None:
            many = self.anatomy.n_types if self.config.scope == "type" else 1
            self._module = torch.nn.ParameterDict({"alpha": torch.full((many,), self.config.start)})
        return self._module

    def _alpha(self) -> Tensor:
        alpha: Tensor = self.learned()["alpha"]
        return alpha
