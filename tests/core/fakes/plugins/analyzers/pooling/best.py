"""The mean of the k largest products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor


class BestConfig(ComponentConfig):
    kind: Literal["best"] = "best"
    k: int = Field(2, ge=1, description="voxels that count")
    floor: float = Field(0.0, ge=0, description="never used")


class Best(MILPooling[BestConfig]):
    """E7 with a fixed k."""

    def pool(self, regions: Tensor, abnormality: Tensor, coarser: Tensor | None) -> Tensor:
        products = regions[:, :, None] * abnormality[:, None]
        return products.topk(self.config.k, dim=-1).values.mean(-1)
