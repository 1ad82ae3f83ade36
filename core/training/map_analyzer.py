"""Analyzers whose network gives maps of regions and abnormality types."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field, SerializeAsAny

from crossdl.config import ComponentConfig, Slot
from crossdl.interfaces import MILPooling, build
from crossdl.training.analyzer import NetworkAnalyzer
from crossdl.training.config import NetworkConfig

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.maps import MapNetwork
    from crossdl.training.model import LearningModel


def _max_pooling() -> ComponentConfig:
    from crossdl.catalog import default_catalog

    return default_catalog().parse("pooling", {"kind": "max"})


class MapConfig(NetworkConfig):
    """Heads, regions and bags of an analyzer with maps; defaults are the paper's."""

    pooling: Annotated[SerializeAsAny[ComponentConfig], Slot("pooling")] = Field(
        default_factory=_max_pooling, description="how voxel maps become bag probabilities"
    )
    scales: int = Field(2, ge=1, description="output scales K, the finest at half resolution")
    abnormality_activation: Literal["sigmoid", "softmax"] = Field(
        "sigmoid", description="softmax adds a channel for normal, as in the released code"
    )
    regions: Literal["dynamic", "static"] = Field(
        "dynamic",
        description="bags in training: dynamic are the network's regions (E6), static the "
        "atlas's (E5, baseline C)",
    )
    inference_regions: Literal["dynamic", "static"] | None = Field(
        None,
        description="regions of a prediction; static needs the scan's registration (baseline D); "
        "none means as in training",
    )
    region_gradient: bool = Field(
        True, description="whether E8 trains the region maps, too; false stops its gradient there"
    )
    min_region_sum: float = Field(
        0.1,
        ge=0,
        description="a region whose map sums to fewer voxels at a scale is no bag there; 0.1 as in "
        "the released code",
    )
    scan_voxels: int = Field(
        1,
        ge=1,
        description="voxels averaged by E9 at the coarsest scale, 1 is its maximum; more become "
        "eight times as many at each finer scale (released: 10)",
    )

    @property
    def predicted_regions(self) -> Literal["dynamic", "static"]:
        """Where the regions of a prediction come from."""
        return self.inference_regions or self.regions


MapConfigT = TypeVar("MapConfigT", bound=MapConfig)


class MapAnalyzer(NetworkAnalyzer[MapConfigT]):
    """An analyzer around a :class:`crossdl.networks.maps.MapNetwork`; subclasses make it."""

    @property
    def needs_regions(self) -> bool:
        """Whether regions are static in prediction."""
        return self.config.predicted_regions == "static"

    @abstractmethod
    def network(self, n_regions: int) -> MapNetwork:
        """The network, its weights drawn from torch's global generator.

        Args:
            n_regions: Region heads to make, 0 for none.
        """

    def build(self) -> LearningModel:
        """Network and pooling; no region heads where nothing uses them."""
        from crossdl.training.model import MapModel

        config = self.config
        unused = {config.regions, config.predicted_regions} == {"static"}
        network = self.network(0 if unused else self.anatomy.n_regions)
        pooling: MILPooling[Any] = build(config.pooling, self.anatomy)
        return MapModel(
            network,
            pooling,
            self.anatomy.n_regions,
            regions=config.regions,
            inference_regions=config.predicted_regions,
            region_gradient=config.region_gradient,
            min_region_sum=config.min_region_sum,
            scan_voxels=config.scan_voxels,
        )

    def region_flags(self, regions: Tensor) -> list[str]:
        """Regions that are much smaller than their mirror image."""
        voxels = (regions.flatten(1) > 0.5).sum(dim=1).tolist()
        names = self.anatomy.region_names
        sizes = {n: v for n, v, ok in zip(names, voxels, self._has_scores, strict=True) if ok}
        small = [
            r.title
            for r in self.anatomy.regions
            if r.name in sizes and 3 * sizes[r.name] <= sizes.get(r.mirror, 0)
        ]
        who = "the registration" if self.needs_regions else "the network"
        flag = (
            f"{who} finds less than a third of its mirror region of: {', '.join(small)}; scores "
            "there mean little"
        )
        return [flag] if small else []
