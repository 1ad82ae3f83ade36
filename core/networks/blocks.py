"""The block of two convolutions that the U-Net and the classifiers are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

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
            nn.InstanceNorm3d(target, affine=True),
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


def apply_block(block: nn.Module, features: Tensor) -> Tensor:
    """Runs a block, in float32 where bfloat16 is broken on the CPU.

    At depth 2, oneDNN's bfloat16 weight gradient of a 3×3×3 convolution reads uninitialised
    memory (torch 2.13 on AVX-512 without AMX): it differs from run to run and is often NaN.
    """
    if features.shape[2] == 2 and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return cast(Tensor, block(features.float()))
    return cast(Tensor, block(features))


def down(block: nn.Module, features: Tensor) -> Tensor:
    """A block of an encoder on features of the next finer level: max-pool of 2 first."""
    return apply_block(block, nn.functional.max_pool3d(features, 2))


def up(block: nn.Module, features: Tensor, skip: Tensor) -> Tensor:
    """A block of a decoder: nearest upsampling by 2, the skip concatenated, convolutions."""
    finer = nn.functional.interpolate(features, scale_factor=2, mode="nearest")
    return apply_block(block, torch.cat([finer, skip], dim=1))


def run(
    checkpointing: bool, function: Callable[..., Tensor], block: nn.Module, *inputs: Tensor
) -> Tensor:
    """``function(block, *inputs)``; with checkpointing only ``inputs`` are kept in training."""
    if checkpointing and torch.is_grad_enabled():
        return cast(Tensor, checkpoint(function, block, *inputs, use_reentrant=False))
    return function(block, *inputs)
