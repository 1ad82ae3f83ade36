"""Gated-attention pooling: a small network says which voxels of a region count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.anatomy import Anatomy
from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor, nn

    from crossdl.networks.bags import Bags, VoxelMaps


class GatedAttentionConfig(ComponentConfig):
    """Settings of gated attention pooling."""

    kind: Literal["gated_attention"] = "gated_attention"
    hidden: int = Field(8, ge=1, le=64, description="units of the attention network")


class GatedAttention(MILPooling[GatedAttentionConfig]):
    """ŷ_ij = Σ_v Ŝ_iv e^g D̂_jv / (Σ_v Ŝ_iv e^g + ε) with g(b_jv) = w·(tanh(Vh) ⊙ σ(Uh)), learned.

    Reference: Ilse, Tomczak and Welling 2018 (gated attention). Their instances have features;
    here an instance is a voxel with its abnormality logit b and its probability: h = (1, b/10
    in [-1, 1], σ(b)). One attention network serves all types. ε = 0.001 voxels, so an empty
    region gives about 0. There are no ties. Not monotone: raising a voxel's logit may move
    attention away from others. Use it to let the data choose the shape of the weights; it
    starts near the mean.
    """

    monotone = False

    def __init__(self, config: GatedAttentionConfig, anatomy: Anatomy) -> None:
        """Keeps both; parameters are made when they are needed."""
        super().__init__(config, anatomy)
        self._module: nn.ModuleDict | None = None

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        import torch
        from torch.utils.checkpoint import checkpoint

        from crossdl.networks.sums import weighted_mean_bags

        weight = checkpoint(self._weights, maps.abnormality, use_reentrant=False)
        assert isinstance(weight, torch.Tensor)
        return weighted_mean_bags(maps, weight)

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.sums import EMPTY

        w = s * self._weights(d.logit(eps=1e-30).float()).double()
        return Bags.from_probability((w * d).sum() / (w.sum() + EMPTY))

    def learned(self) -> nn.ModuleDict:
        """``gate`` and ``value`` of three features, ``score`` of the hidden units."""
        from torch import nn

        if self._module is None:
            self._module = nn.ModuleDict(
                {
                    "value": nn.Linear(3, self.config.hidden, bias=False),
                    "gate": nn.Linear(3, self.config.hidden, bias=False),
                    "score": nn.Linear(self.config.hidden, 1, bias=False),
                }
            )
        return self._module

    def _weights(self, logits: Tensor) -> Tensor:
        """e^g of voxels of any shape; g lies in ± the sum of the weights of ``score``."""
        import torch

        module = self.learned()
        features = torch.stack(
            [torch.ones_like(logits), (logits / 10).clamp(-1, 1), logits.sigmoid()], dim=-1
        )
        gated = module["value"](features).tanh() * module["gate"](features).sigmoid()
        weight: Tensor = module["score"](gated)[..., 0].exp()
        return weight
