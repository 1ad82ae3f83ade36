"""Max pooling: a region shows a type where one voxel shows both (E5, E6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor


class MaxConfig(ComponentConfig):
    """Max pooling has no settings."""

    kind: Literal["max"] = "max"


class Max(MILPooling[MaxConfig]):
    """ŷ_ij = max over v of Ŝ_iv·D̂_jv (E6); with 0/1 atlas regions as Ŝ it is E5.

    Where voxels tie for the maximum, one of them receives the whole gradient.
    """

    def pool(self, regions: Tensor, abnormality: Tensor, coarser: Tensor | None) -> Tensor:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        from crossdl.networks.products import largest_products

        return largest_products(regions, abnormality)
