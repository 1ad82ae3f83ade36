"""Mean pooling: the average abnormality inside a region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps


class MeanConfig(ComponentConfig):
    """Mean pooling has no settings."""

    kind: Literal["mean"] = "mean"


class Mean(MILPooling[MeanConfig]):
    """ŷ_ij = Σ_v Ŝ_iv D̂_jv / (Σ_v Ŝ_iv + ε), the mean of D̂_j weighted by the region.

    Reference: average pooling of a bag, Zhou et al. 2016 (global average pooling); Wang et al.
    2019. ε = 0.001 voxels, so an empty region gives about 0. There are no ties. Gradient: every
    voxel of the region, in proportion to Ŝ. Use it as a baseline: a small lesion hardly moves
    the mean, so ŷ stays near 0 and the map learns to be high everywhere in positive regions.
    """

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.sums import weighted_mean_bags

        return weighted_mean_bags(maps)

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.sums import EMPTY

        return Bags.from_probability((s * d).sum() / (s.sum() + EMPTY))
