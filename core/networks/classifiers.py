"""Classifiers without maps: the U-Net's encoder and one logit per region, scan and type.

Baselines A and B of Liu et al. 2023: the same convolutions, ``(N + 1) × M`` binary heads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn

from crossdl.networks.blocks import apply_block, down, encoder_blocks, run
from crossdl.networks.shapes import check_shape

FeaturePooling = Literal["mean", "max"]


class ClassifierOutput(NamedTuple):
    """Logits of a classifier, float32.

    Attributes:
        regions: ``(B, N, M)``: does the region show the type?
        scan: ``(B, M)``: does any part of the scan?
        attention: ``(B, N, D, H, W)`` at the coarsest level, each map sums to 1 over its voxels;
            None of a classifier without attention.
    """

    regions: Tensor
    scan: Tensor
    attention: Tensor | None


class EncoderClassifier(nn.Module, ABC):
    """Image ``(B, 1, D, H, W)`` → :class:`ClassifierOutput`.

    Attributes:
        levels: Resolutions of the encoder.
        checkpointing: As :attr:`crossdl.networks.maps.MapNetwork.checkpointing`.
        attends: Whether it gives attention maps.
    """

    checkpointing: bool = False
    attends: ClassVar[bool] = False

    def __init__(self, in_channels: int, *, levels: int = 5, base_filters: int = 16) -> None:
        """Makes the encoder of :class:`crossdl.networks.unet3d.UNet3D`.

        Args:
            in_channels: Channels of the image.
            levels: Resolutions, 1 or more; 5 in the paper.
            base_filters: Filters of the first convolution; 16 in the paper.
        """
        super().__init__()
        self.levels = levels
        self.width = 2 * base_filters * 2 ** (levels - 1)
        self.encoder = encoder_blocks(in_channels, base_filters, levels)

    def forward(self, image: Tensor) -> ClassifierOutput:
        """Logits of a batch of images.

        Raises:
            ValueError: A side is not divisible by ``2^(levels - 1)``.
        """
        return self.conclude(self.features(image, self.levels - 1), self.levels - 1)

    def features(self, image: Tensor, level: int) -> Tensor:
        """What the encoder makes of an image at one level, ``(B, C, D, H, W)``; 0 is finest."""
        check_shape(tuple(image.shape[2:]), self.levels)
        first = run(self.checkpointing, apply_block, self.encoder[0], image)
        return self._further(first, 0, level)

    def conclude(self, features: Tensor, level: int) -> ClassifierOutput:
        """The logits that follow from :meth:`features` of a level."""
        coarsest = self._further(features, level, self.levels - 1)
        with torch.autocast(coarsest.device.type, enabled=False):
            return self.head(coarsest.to(next(self.parameters()).dtype))

    def _further(self, features: Tensor, level: int, last: int) -> Tensor:
        for block in self.encoder[level + 1 : last + 1]:
            features = run(self.checkpointing, down, block, features)
        return features

    @abstractmethod
    def head(self, features: Tensor) -> ClassifierOutput:
        """Logits from features ``(B, C, D, H, W)`` of the coarsest level, float32."""


class Classifier(EncoderClassifier):
    """Baseline A: features are pooled over the whole scan, one linear layer gives all logits."""

    def __init__(
        self,
        in_channels: int,
        n_regions: int,
        n_types: int,
        *,
        levels: int = 5,
        base_filters: int = 16,
        feature_pooling: FeaturePooling = "mean",
    ) -> None:
        """Makes the layers, with random weights from torch's global generator.

        Args:
            in_channels: Channels of the image.
            n_regions: N.
            n_types: M.
            levels: Resolutions.
            base_filters: Filters of the first convolution.
            feature_pooling: How features become one vector.
        """
        super().__init__(in_channels, levels=levels, base_filters=base_filters)
        self.shape = (n_regions + 1, n_types)
        self.feature_pooling = feature_pooling
        self.linear = nn.Linear(self.width, (n_regions + 1) * n_types)

    def head(self, features: Tensor) -> ClassifierOutput:
        """Logits W · pool_v f_v + b; the last row is the scan's."""
        flat = features.flatten(2)
        pooled = flat.mean(dim=2) if self.feature_pooling == "mean" else flat.amax(dim=2)
        rows = self.linear(pooled).view(-1, *self.shape)
        return ClassifierOutput(rows[:, :-1], rows[:, -1], None)


class AttentionClassifier(EncoderClassifier):
    """Baseline B: before its logits, each region and the scan has an attention map of its own."""

    attends: ClassVar[bool] = True

    def __init__(
        self,
        in_channels: int,
        n_regions: int,
        n_types: int,
        *,
        levels: int = 5,
        base_filters: int = 16,
    ) -> None:
        """Makes the layers, with random weights from torch's global generator.

        Args:
            in_channels: Channels of the image.
            n_regions: N.
            n_types: M.
            levels: Resolutions.
            base_filters: Filters of the first convolution.
        """
        super().__init__(in_channels, levels=levels, base_filters=base_filters)
        self.shape = (n_regions + 1, n_types)
        self.attention = nn.Conv3d(self.width, n_regions + 1, 1)
        self.linear = nn.Linear(self.width, (n_regions + 1) * n_types)

    def head(self, features: Tensor) -> ClassifierOutput:
        """Logits W_i · Σ_v a_iv f_v + b_i with a_i = softmax_v(u_i · f_v); last the scan's.

        Attention as in Ilse et al. 2018 (Attention-based Deep Multiple Instance Learning), with
        a linear score per region. The scan's row has a map of its own, too: the mean over all
        voxels, which baseline A takes, says little behind instance normalisation.
        """
        attention = self.attention(features).flatten(2).softmax(dim=2)
        seen = torch.einsum("bnv,bcv->bnc", attention, features.flatten(2))
        weight = self.linear.weight.view(*self.shape, -1)
        rows = torch.einsum("bnc,nmc->bnm", seen, weight) + self.linear.bias.view(self.shape)
        maps = attention.view(*attention.shape[:2], *features.shape[2:])
        return ClassifierOutput(rows[:, :-1], rows[:, -1], maps[:, :-1])
