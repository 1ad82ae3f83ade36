"""The 3D U-Net with region and abnormality heads of Liu et al. 2023."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from crossdl.anatomy import Anatomy
from crossdl.networks.shapes import check_shape, require_shape
from crossdl.training.map_analyzer import MapAnalyzer, MapConfig

if TYPE_CHECKING:
    from crossdl.networks.maps import MapNetwork


class UNetConfig(MapConfig):
    """Settings of the U-Net; defaults are the paper's."""

    kind: Literal["unet"] = "unet"
    levels: int = Field(5, ge=2, le=8, description="resolutions; sides divide by 2^(levels - 1)")
    base_filters: int = Field(16, ge=1, description="filters of the first convolution")

    @model_validator(mode="after")
    def _fits(self) -> UNetConfig:
        if self.scales > self.levels - 1:
            raise ValueError(f"scales must be at most levels - 1 = {self.levels - 1}")
        if self.volume_shape is not None:
            check_shape(self.volume_shape, self.levels)
        return self


class UNet(MapAnalyzer[UNetConfig]):
    """Ŝ and D̂ from one 3D U-Net, at half the input's resolution."""

    def __init__(self, config: UNetConfig, anatomy: Anatomy) -> None:
        """Checks that the anatomy's volume shape fits.

        Raises:
            ConfigError: It does not.
        """
        super().__init__(config, anatomy)
        require_shape(self.input_shape, config.levels)

    def network(self, n_regions: int) -> MapNetwork:
        """The network with random weights."""
        from crossdl.networks.unet3d import UNet3D

        config = self.config
        return UNet3D(
            1,
            n_regions,
            self.anatomy.n_types,
            levels=config.levels,
            base_filters=config.base_filters,
            scales=config.scales,
            abnormality_activation=config.abnormality_activation,
        )
