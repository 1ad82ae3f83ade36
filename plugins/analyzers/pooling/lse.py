"""Log-sum-exp pooling: a smooth maximum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps


class LSEConfig(ComponentConfig):
    """Settings of log-sum-exp pooling."""

    kind: Literal["lse"] = "lse"
    r: float = Field(
        8.0, gt=0, le=16, description="sharpness: near 0 is the mean, large is close to the maximum"
    )


class LSE(MILPooling[LSEConfig]):
    """ŷ_ij = 1/r · ln( (Σ_v Ŝ_iv e^(r D̂_jv) + ε) / (Σ_v Ŝ_iv + ε) ), in the region.

    Reference: Pinheiro and Collobert 2015 (From image-level to pixel-level labeling). ε = 0.001
    voxels with D̂ = 0, so an empty region gives about 0. There are no ties. Gradient: a softmax
    of r·D̂ over the voxels of the region. Use it as a maximum that also moves the runners-up; a
    lesion that fills the share q of its region reaches at most 1 + ln(q)/r.
    """

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.sums import lse_bags

        return lse_bags(maps, self.config.r)

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.sums import EMPTY

        r = self.config.r
        mean = ((s * (r * d).exp()).sum() + EMPTY) / (s.sum() + EMPTY)
        return Bags.from_probability(mean.log() / r)
