"""What every network of an analyzer gives: maps of regions and abnormality types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor, nn


class ScaleOutput(NamedTuple):
    """What a network says at one output scale.

    Attributes:
        regions: Logits of Ŝ, ``(B, N, D, H, W)`` float32.
        abnormality: Logits of D̂, float32; ``(B, M, D, H, W)``, or ``(B, M + 1, D, H, W)`` with
            the last channel *normal* where the activation is softmax.
    """

    regions: Tensor
    abnormality: Tensor


class MapNetwork(nn.Module, ABC):
    """Image ``(B, 1, D, H, W)`` → one :class:`ScaleOutput` per scale."""

    @abstractmethod
    def forward(self, image: Tensor) -> list[ScaleOutput]:
        """Outputs from the coarsest to the finest scale, each twice the one before."""

    @abstractmethod
    def probabilities(self, output: ScaleOutput) -> tuple[Tensor, Tensor]:
        """Ŝ ``(B, N, D, H, W)`` and D̂ ``(B, M, D, H, W)`` of one scale's logits."""
