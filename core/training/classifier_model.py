"""A classifier as a learning model: bags from its logits, maps by class activation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from crossdl.networks.bags import Bags
from crossdl.networks.cam import CAM, activation_maps
from crossdl.training.model import Evidence, Inference, LearningModel

if TYPE_CHECKING:
    from crossdl.networks.classifiers import EncoderClassifier


class ClassifierModel(LearningModel):
    """Logits of regions and scan are the evidence; there is one scale and nothing for E4."""

    def __init__(self, network: EncoderClassifier, *, maps: CAM, level: int) -> None:
        """Keeps the network.

        Args:
            network: The classifier.
            maps: How a prediction's abnormality maps are made.
            level: Level of the encoder they are made at, 0 the finest.
        """
        super().__init__()
        self.network: EncoderClassifier = network
        self.maps = maps
        self.level = level

    def evidence(self, image: Tensor, labels: Tensor) -> list[Evidence]:
        """One scale; ``labels`` are not looked at."""
        output = self.network(image)
        with torch.autocast(image.device.type, enabled=False):
            bags, scan = Bags.from_logit(output.regions), Bags.from_logit(output.scan)
        return [Evidence(bags, scan, regions=None, counted=None)]

    def infer(self, image: Tensor, labels: Tensor | None) -> Inference:
        """Scores from the logits, maps that show where the classifier looks for them.

        Abnormality maps are those of the scan's logits, each scaled to a maximum of 1 whatever
        its score. Region maps are where a region's logits come from, not where the region is:
        its attention map, scaled to a maximum of 1, or without attention the activation map of
        its largest logit.
        """
        found = activation_maps(
            self.network,
            image,
            method=self.maps,
            level=self.level,
            regions=not self.network.attends,
        )
        regions = found.regions
        if regions is None:
            attention = found.output.attention
            assert attention is not None, "a network that attends gives attention maps"
            largest = attention.flatten(2).amax(dim=2)[..., None, None, None]
            regions = interpolate(
                attention / largest, found.scan.shape[2:], mode="trilinear", align_corners=False
            )
        return Inference(
            regions, found.scan, found.output.regions.sigmoid(), found.output.scan.sigmoid()
        )
