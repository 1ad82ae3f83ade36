"""Linear softmax pooling: the mean of the products, weighted by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps


class LinearSoftmaxConfig(ComponentConfig):
    """Linear softmax pooling has no settings."""

    kind: Literal["linear_softmax"] = "linear_softmax"


class LinearSoftmax(MILPooling[LinearSoftmaxConfig]):
    """ŷ_ij = Σ_v p_v² / (Σ_v p_v + ε) with p_v = Ŝ_iv D̂_jv over all voxels.

    Reference: Wang, Li and Metze 2019 (A comparison of five multiple instance learning pooling
    functions). ε = 0.001 voxels, so an empty region gives about 0. There are no ties. Not
    monotone: raising a voxel with p_v below ŷ/2 lowers ŷ. Gradient: (2 p_v - ŷ)/Σp, so in a
    positive bag voxels above ŷ/2 rise and the others fall. Use it where a lesion's extent
    should emerge by itself.
    """

    monotone = False

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.sums import power_bags

        return power_bags(maps, 1.0)

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags
        from crossdl.networks.sums import EMPTY

        p = s * d
        return Bags.from_probability((p**2).sum() / (p.sum() + EMPTY))
