"""Analyzers that classify regions and scans without predicting maps (baselines A and B)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from pydantic import Field, model_validator

from crossdl.anatomy import Anatomy
from crossdl.networks.shapes import check_shape, require_shape
from crossdl.training.analyzer import NetworkAnalyzer
from crossdl.training.config import NetworkConfig

if TYPE_CHECKING:
    from crossdl.networks.classifiers import EncoderClassifier
    from crossdl.training.model import LearningModel


class ClassifierBaseConfig(NetworkConfig):
    """Encoder and maps of a classifier; E4 and its λ have nothing to act on."""

    levels: int = Field(5, ge=2, le=8, description="resolutions; sides divide by 2^(levels - 1)")
    base_filters: int = Field(16, ge=1, description="filters of the first convolution")
    maps: Literal["grad_cam", "hires_cam"] = Field(
        "grad_cam", description="how abnormality maps are made from the scan's logits"
    )
    cam_layer: int | None = Field(
        None,
        ge=0,
        description="level of the encoder the maps are made at, 0 as fine as the input; none "
        "means the coarsest, levels - 1",
    )

    @model_validator(mode="after")
    def _fits(self) -> ClassifierBaseConfig:
        if self.cam_layer is not None and self.cam_layer >= self.levels:
            raise ValueError(f"cam_layer must be at most levels - 1 = {self.levels - 1}")
        if self.volume_shape is not None:
            check_shape(self.volume_shape, self.levels)
        return self


ClassifierConfigT = TypeVar("ClassifierConfigT", bound=ClassifierBaseConfig)


class ClassifierAnalyzer(NetworkAnalyzer[ClassifierConfigT]):
    """An analyzer around an :class:`crossdl.networks.classifiers.EncoderClassifier`.

    Scores are the probabilities of its heads. Its maps are for comparison only: abnormality maps
    show which voxels speak for the scan's logit of a type, each scaled to a maximum of 1
    whatever the score; region maps show where the network looks when it judges a region, which
    is not a segmentation.
    """

    scores_from_maps: ClassVar[bool] = False

    def __init__(self, config: ClassifierConfigT, anatomy: Anatomy) -> None:
        """Checks that the anatomy's volume shape fits.

        Raises:
            ConfigError: It does not.
        """
        super().__init__(config, anatomy)
        require_shape(self.input_shape, config.levels)

    @abstractmethod
    def network(self) -> EncoderClassifier:
        """The network, its weights drawn from torch's global generator."""

    def build(self) -> LearningModel:
        """The network with its class activation maps."""
        from crossdl.training.classifier_model import ClassifierModel

        config = self.config
        level = config.levels - 1 if config.cam_layer is None else config.cam_layer
        return ClassifierModel(self.network(), maps=config.maps, level=level)
