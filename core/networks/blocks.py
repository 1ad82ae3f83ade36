"""The block of two convolutions that the U-Net and the classifiers are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from crossdl.networks.upsampling import convolve_upsampled

_SLOPE = 0.3  # of LeakyReLU, as released


def convolution_block(before: int, first: int, second: int) -> nn.Sequential:
    """Two 3×3×3 convolutions, each with instance normalisation and LeakyReLU.

    Args:
        before: Channels of the input.
        first: Filters of the first convolution.
        second: Filters of the second one.
    """
    layers: list[nn.Module] = []
    for source, target in ((before, first), (first, second)):
        layers += [
            nn.Conv3d(source, target, 3, padding=1, bias=False),
            InstanceNorm(target, affine=True),
            nn.LeakyReLU(_SLOPE, inplace=True),
        ]
    return nn.Sequential(*layers)


def encoder_blocks(in_channels: int, base_filters: int, levels: int) -> nn.ModuleList:
    """One block per level d: ``base·2^d`` and ``2·base·2^d`` filters."""
    blocks = nn.ModuleList()
    for level in range(levels):
        first = base_filters * 2**level
        blocks.append(convolution_block(in_channels, first, 2 * first))
        in_channels = 2 * first
    return blocks


class InstanceNorm(nn.InstanceNorm3d):
    """Instance normalisation that leaves channels-last maps in their memory format.

    torch's own copies them to the other format and back. A scan alone is its own batch, so batch
    statistics, which know both formats, are the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalises ``(B, C, D, H, W)``."""
        if input.is_contiguous() or not input.is_contiguous(memory_format=torch.channels_last_3d):
            return super().forward(input)
        scans = [
            nn.functional.batch_norm(
                scan, None, None, self.weight, self.bias, training=True, eps=self.eps
            )
            for scan in torch.split(input, 1)
        ]
        return scans[0] if len(scans) == 1 else torch.cat(scans)


def apply_block(block: Callable[..., Tensor], *maps: Tensor) -> Tensor:
    """``block(*maps)``, in float32 where bfloat16 is broken on the CPU.

    At depth 2, oneDNN's bfloat16 weight gradient of a 3×3×3 convolution reads uninitialised
    memory (torch 2.13 on AVX-512 without AMX): it differs from run to run and is often NaN.
    """
    if maps[-1].shape[2] == 2 and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return block(*(m.float() for m in maps))
    return block(*maps)


def down(block: nn.Module, features: Tensor) -> Tensor:
    """A block of an encoder on features of the next finer level: max-pool of 2 first."""
    return apply_block(block, nn.functional.max_pool3d(features, 2))


def up(block: nn.Module, features: Tensor, skip: Tensor) -> Tensor:
    """A block of a decoder: nearest upsampling by 2, the skip concatenated, convolutions."""
    first, *others = cast(nn.Sequential, block)
    weight = cast(nn.Conv3d, first).weight

    def convolve(coarse: Tensor, fine: Tensor) -> Tensor:
        made = convolve_upsampled(coarse, fine, weight)
        for layer in others:
            made = layer(made)
        return made

    return apply_block(convolve, features, skip)


def run(
    checkpointing: bool, function: Callable[..., Tensor], block: nn.Module, *inputs: Tensor
) -> Tensor:
    """``function(block, *inputs)``; with checkpointing only ``inputs`` are kept in training."""
    if checkpointing and torch.is_grad_enabled():
        return cast(Tensor, checkpoint(function, block, *inputs, use_reentrant=False))
    return function(block, *inputs)
