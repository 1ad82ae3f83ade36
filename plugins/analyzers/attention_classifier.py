"""Baseline B of Liu et al. 2023: a classifier with one spatial attention map per region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from crossdl.training.classifier_analyzer import ClassifierAnalyzer, ClassifierBaseConfig

if TYPE_CHECKING:
    from crossdl.networks.classifiers import EncoderClassifier


class AttentionClassifierConfig(ClassifierBaseConfig):
    """Settings of the classifier with attention; the encoder's defaults are the paper's."""

    kind: Literal["attention_classifier"] = "attention_classifier"


class ClassifierWithAttention(ClassifierAnalyzer[AttentionClassifierConfig]):
    """The U-Net's encoder; each region pools features by an attention map of its own.

    So does the scan-level row. A prediction's region maps are the attention maps, each scaled to
    a maximum of 1.
    """

    def network(self) -> EncoderClassifier:
        """The network with random weights."""
        from crossdl.networks.classifiers import AttentionClassifier

        config = self.config
        return AttentionClassifier(
            1,
            self.anatomy.n_regions,
            self.anatomy.n_types,
            levels=config.levels,
            base_filters=config.base_filters,
        )
