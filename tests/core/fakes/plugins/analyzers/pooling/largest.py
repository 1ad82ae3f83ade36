"""The largest product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling

if TYPE_CHECKING:
    from crossdl.networks.bags import Bags, VoxelMaps


class LargestConfig(ComponentConfig):
    kind: Literal["largest"] = "largest"


class Largest(MILPooling[LargestConfig]):
    """E6."""

    def bags(self, maps: VoxelMaps) -> Bags:
        from crossdl.networks.bags import Bags

        return Bags.from_probability((maps.s[:, :, None] * maps.d[:, None]).amax(-1))
