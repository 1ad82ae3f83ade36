"""Baseline A of Liu et al. 2023: a classifier of regions and scans, without maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossdl.training.classifier_analyzer import ClassifierAnalyzer, ClassifierBaseConfig

if TYPE_CHECKING:
    from crossdl.networks.classifiers import EncoderClassifier


class ClassifierConfig(ClassifierBaseConfig):
    """Settings of the classifier; the encoder's defaults are the paper's."""

    kind: Literal["classifier"] = "classifier"
    feature_pooling: Literal["mean", "max"] = Field(
        "mean", description="how the features of all voxels become one vector"
    )


class ClassifierOfRegions(ClassifierAnalyzer[ClassifierConfig]):
    """The U-Net's encoder and (N + 1) × M logits from features pooled over the whole scan.

    It learns by E8 and, from its scan-level row, by E9. Since it has no notion of where a region
    is, its region maps are class activation maps of each region's largest logit.
    """

    def network(self) -> EncoderClassifier:
        """The network with random weights."""
        from crossdl.networks.classifiers import Classifier

        config = self.config
        return Classifier(
            1,
            self.anatomy.n_regions,
            self.anatomy.n_types,
            levels=config.levels,
            base_filters=config.base_filters,
            feature_pooling=config.feature_pooling,
        )
