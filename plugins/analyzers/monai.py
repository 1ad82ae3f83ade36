"""Any network of MONAI that maps volumes to volumes, by name: DynUNet, SegResNet, SwinUNETR, ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from crossdl.networks.monai_catalog import check_arguments, check_network
from crossdl.training.map_analyzer import MapAnalyzer, MapConfig

if TYPE_CHECKING:
    from crossdl.networks.maps import MapNetwork


class MonaiConfig(MapConfig):
    """Settings of an analyzer around a network of MONAI."""

    kind: Literal["monai"] = "monai"
    network: str = Field(
        "SegResNet", description="class in monai.networks.nets with in_channels and out_channels"
    )
    arguments: dict[str, Any] = Field(
        default_factory=dict,
        validate_default=True,
        description="for its constructor, without spatial_dims, in_channels and out_channels",
    )
    features: int = Field(32, ge=1, description="channels of its output, which all heads share")

    @field_validator("network")
    @classmethod
    def _exists(cls, network: str) -> str:
        check_network(network)
        return network

    @field_validator("arguments")
    @classmethod
    def _are_taken(cls, arguments: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "network" in info.data:
            check_arguments(info.data["network"], arguments)
        return arguments


class MonaiAnalyzer(MapAnalyzer[MonaiConfig]):
    """Ŝ and D̂ from a MONAI network, averaged from full to half the input's resolution.

    Coarser scales are averages of the finer features, with heads of their own. Names of networks
    and arguments are checked with the registry file; whether the network takes the volumes is
    checked before training.
    """

    def network(self, n_regions: int) -> MapNetwork:
        """The network with random weights.

        Raises:
            ConfigError: It refuses its arguments or the shape of the volumes.
        """
        from crossdl.networks.monai_network import MonaiNetwork

        config = self.config
        network = MonaiNetwork(
            config.network,
            config.arguments,
            n_regions,
            self.anatomy.n_types,
            features=config.features,
            scales=config.scales,
            abnormality_activation=config.abnormality_activation,
        )
        network.check(self.input_shape)
        return network
