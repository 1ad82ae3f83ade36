"""``quantile``: a high quantile of the product of region and abnormality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor


class QuantileConfig(ComponentConfig):
    """Options of quantile pooling."""

    kind: Literal["quantile"] = "quantile"
    q: float = Field(0.99, ge=0, le=1, description="which quantile; 1 is the maximum")


class Quantile(MILPooling[QuantileConfig]):
    """The quantile q over voxels of Ŝ·D̂."""

    def pool(self, regions: Tensor, abnormality: Tensor, coarser: Tensor | None) -> Tensor:
        """Pools ``(B, N, V)`` and ``(B, M, V)`` to ``(B, N, M)``."""
        products = regions[:, :, None] * abnormality[:, None]
        return products.quantile(self.config.q, dim=-1)
