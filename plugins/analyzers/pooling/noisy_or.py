"""Noisy-or pooling: at least one of independent voxels is abnormal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps


class NoisyOrConfig(ComponentConfig):
    """Noisy-or pooling has no settings."""

    kind: Literal["noisy_or"] = "noisy_or"


class NoisyOr(MILPooling[NoisyOrConfig]):
    """ŷ_ij = 1 - Π_v (1 - Ŝ_iv D̂_jv) over all voxels.

    Reference: Maron and Lozano-Pérez 1998 (diverse density); Zhang, Platt and Viola 2005. An
    empty region gives about 0. There are no ties. Gradient: every voxel, ever less as another
    is near 1. Use it for small maps only: neighbouring voxels are not independent, and of
    10,000 voxels with p = 0.001 it is sure (see the bag-size bias in docs/poolings.md).
    """

    def bags(self, maps: VoxelMaps) -> Bags:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.sums import noisy_or_bags

        return noisy_or_bags(maps)

    def formula(self, s: Tensor, d: Tensor, coarser: Tensor | None) -> Bags:
        """The definition, of one bag."""
        from crossdl.networks.bags import Bags

        missed = (-s * d).log1p().sum()
        probability = -missed.expm1()
        return Bags(probability, probability.log(), missed)
