"""The largest product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from torch import Tensor


class LargestConfig(ComponentConfig):
    kind: Literal["largest"] = "largest"


class Largest(MILPooling[LargestConfig]):
    """E6."""

    def pool(self, regions: Tensor, abnormality: Tensor, coarser: Tensor | None) -> Tensor:
        return (regions[:, :, None] * abnormality[:, None]).amax(-1)
