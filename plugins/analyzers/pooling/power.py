"""Power pooling: the mean of the products, weighted by a power of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.anatomy import Anatomy
from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor, nn

    from crossdl.networks.bags import Bags, VoxelMaps


class PowerConfig(ComponentConfig):
    """Settings of power pooling."""

    kind: Literal["power"] = "power"
    n: float = Field(1.0, ge=0.1, le=20, description="exponent of the weight, or its first value")
    trained: bool = Field(False, description="train n along with the network, as its authors do")


class Power(MILPooling[PowerConfig]):
    """ŷ_ij = Σ_v p_v^(n+1) / (Σ_v p_v^n + ε) with p_v = Ŝ_iv D̂_jv over all voxels.

    Reference: Liu, Chen, Wang and Zhang 2021 (Power pooling); n = 1 is linear softmax, n → ∞ the
    maximum. ε = 0.001 voxels, so an empty region gives about 0. There are no ties. Not monotone:
    raising a voxel with p_v below ŷ·n/(n+1) lowers ŷ; a smaller n lowers that bound. Use it where
    linear softmax keeps too little or too much of a lesion.
    """

    monotone = False

    def __init__(self, config: PowerConfig, anatomy: Anatomy) -> None:
        """Keeps both; parameters are made when they are needed."""
        super().__init__(config, anatomy)
        self._module: nn.ParameterDict | None = None

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.sums import power_bags

        return power_bags(maps, self._exponent())

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.sums import EMPTY

        exponent = self._exponent()
        p, n = s * d, exponent if isinstance(exponent, float) else float(exponent.detach())
        return Bags.from_probability((p ** (n + 1)).sum() / ((p**n).sum() + EMPTY))

    def learned(self) -> nn.ParameterDict | None:
        """The exponent, if it is trained: ``log_n``, a scalar."""
        import math

        import torch

        if self._module is None and self.config.trained:
            start = torch.tensor(math.log(self.config.n))
            self._module = torch.nn.ParameterDict({"log_n": start})
        return self._module

    def _exponent(self) -> Tensor | float:
        module = self.learned()
        return self.config.n if module is None else module["log_n"].exp()
