"""The 3D U-Net of Liu et al. 2023 as in its released code: maps come at half resolution."""

from __future__ import annotations

from torch import Tensor, nn

from crossdl.networks.blocks import apply_block, convolution_block, down, encoder_blocks, run, up
from crossdl.networks.maps import Activation, MapNetwork, ScaleOutput
from crossdl.networks.shapes import check_shape


class UNet3D(MapNetwork):
    """Image ``(B, C, D, H, W)`` → region and abnormality maps at several scales.

    Level d (0-based) has two 3×3×3 convolutions with ``base·2^d`` and ``2·base·2^d`` filters,
    each followed by instance normalisation and LeakyReLU, and a max-pool of 2 between levels. The
    decoder upsamples (nearest, 2), concatenates the skip and applies two convolutions with as
    many filters as the skip. It stops at level 1: with 5 levels there are 4 poolings and 3
    upsamplings.
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
            n_regions: N; 0 makes no region heads.
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
        self.levels = levels
        self.scales = scales
        skips = [2 * base_filters * 2**level for level in range(levels)]
        self.encoder = encoder_blocks(in_channels, base_filters, levels)
        self.decoder = nn.ModuleList()
        channels = skips[-1]
        for filters in skips[-2:0:-1]:
            self.decoder.append(convolution_block(channels + filters, filters, filters))
            channels = filters
        self.add_heads(skips[scales:0:-1], n_regions, n_types, abnormality_activation)

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
            features = run(self.checkpointing, down if level else apply_block, block, features)
            skips.append(features)
        stages = [features]
        for block, skip in zip(self.decoder, skips[-2:0:-1], strict=True):
            features = run(self.checkpointing, up, block, features, skip)
            stages.append(features)
        return self.outputs(stages[-self.scales :])
