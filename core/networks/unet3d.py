"""The 3D U-Net of Liu et al. 2023 as in its released code: maps come at half resolution."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from crossdl.networks.maps import MapNetwork, ScaleOutput
from crossdl.networks.shapes import check_shape

Activation = Literal["sigmoid", "softmax"]

_SLOPE = 0.3  # of LeakyReLU, as released


class UNet3D(MapNetwork):
    """Image ``(B, C, D, H, W)`` → region and abnormality maps at several scales.

    Level d (0-based) has two 3×3×3 convolutions with ``base·2^d`` and ``2·base·2^d`` filters,
    each followed by instance normalisation and LeakyReLU, and a max-pool of 2 between levels. The
    decoder upsamples (nearest, 2), concatenates the skip and applies two convolutions with as
    many filters as the skip. It stops at level 1: with 5 levels there are 4 poolings and 3
    upsamplings. Each output scale has 1×1×1 heads, which run in float32 even under autocast,
    because the eight bits of a bfloat16 logit would tie the scores of most scans.
    """

    def __init__(
        self,
        in_channels: int,
        n_regions: int,
        n_types: int,
        *,
        levels: int = 5,
        base_filters: int = 16,
        scales: int = 2,
        abnormality_activation: Activation = "sigmoid",
    ) -> None:
        """Makes the layers, with random weights from torch's global generator.

        Args:
            in_channels: Channels of the image.
            n_regions: N.
            n_types: M.
            levels: Resolutions, 2 or more; 5 in the paper.
            base_filters: Filters of the first convolution; 16 in the paper.
            scales: Output scales K, 1 to ``levels - 1``: 1/2, 1/4, ... of the image.
            abnormality_activation: ``"softmax"`` adds a *normal* channel.

        Raises:
            ValueError: ``levels`` or ``scales`` is out of range.
        """
        super().__init__()
        if levels < 2 or not 1 <= scales <= levels - 1:
            raise ValueError("levels must be 2 or more, and scales between 1 and levels - 1")
        self.n_types = n_types
        self.activation = abnormality_activation
        self.levels = levels
        skips = [2 * base_filters * 2**level for level in range(levels)]
        self.encoder = nn.ModuleList()
        channels = in_channels
        for level, filters in enumerate(skips):
            self.encoder.append(_block(channels, base_filters * 2**level, filters))
            channels = filters
        self.decoder = nn.ModuleList()
        for filters in skips[-2:0:-1]:
            self.decoder.append(_block(channels + filters, filters, filters))
            channels = filters
        widths = skips[scales:0:-1]
        extra = 1 if abnormality_activation == "softmax" else 0
        self.region_heads = nn.ModuleList(nn.Conv3d(w, n_regions, 1) for w in widths)
        self.abnormality_heads = nn.ModuleList(nn.Conv3d(w, n_types + extra, 1) for w in widths)

    def forward(self, image: Tensor) -> list[ScaleOutput]:
        """Computes the maps.

        Args:
            image: ``(B, C, D, H, W)``; D, H and W divisible by ``2^(levels - 1)``.

        Returns:
            One output per scale, coarsest first; the last has half the image's resolution.

        Raises:
            ValueError: The shape is not divisible.
        """
        check_shape(tuple(image.shape[2:]), self.levels)
        features = image
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            if level:
                features = nn.functional.max_pool3d(features, 2)
            features = _apply(block, features)
            skips.append(features)
        stages = [features]
        for block, skip in zip(self.decoder, skips[-2:0:-1], strict=True):
            features = nn.functional.interpolate(features, scale_factor=2, mode="nearest")
            features = _apply(block, torch.cat([features, skip], dim=1))
            stages.append(features)
        heads = zip(self.region_heads, self.abnormality_heads, strict=True)
        with torch.autocast(image.device.type, enabled=False):
            return [
                ScaleOutput(region(stage.float()), abnormality(stage.float()))
                for stage, (region, abnormality) in zip(
                    stages[-len(self.region_heads) :], heads, strict=True
                )
            ]

    def probabilities(self, output: ScaleOutput) -> tuple[Tensor, Tensor]:
        """Ŝ ``(B, N, D, H, W)`` and D̂ ``(B, M, D, H, W)`` of one scale's logits."""
        if self.activation == "softmax":
            abnormality = output.abnormality.softmax(dim=1)[:, : self.n_types]
        else:
            abnormality = output.abnormality.sigmoid()
        return output.regions.sigmoid(), abnormality


def _apply(block: nn.Module, features: Tensor) -> Tensor:
    """Runs a block, in float32 where bfloat16 is broken.

    At depth 2, oneDNN's bfloat16 weight gradient of a 3×3×3 convolution reads uninitialised
    memory (torch 2.13 on AVX-512 without AMX): it differs from run to run and is often NaN.
    """
    if features.shape[2] == 2 and features.device.type == "cpu":
        with torch.autocast("cpu", enabled=False):
            return cast(Tensor, block(features.float()))
    return cast(Tensor, block(features))


def _block(before: int, first: int, second: int) -> nn.Sequential:
    """Two convolutions with instance normalisation and LeakyReLU."""
    layers: list[nn.Module] = []
    for source, target in ((before, first), (first, second)):
        layers += [
            nn.Conv3d(source, target, 3, padding=1, bias=False),
            nn.InstanceNorm3d(target, affine=True),
            nn.LeakyReLU(_SLOPE, inplace=True),
        ]
    return nn.Sequential(*layers)
