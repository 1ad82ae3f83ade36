"""What every network of a map analyzer gives: maps of regions and abnormality types."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

Activation = Literal["sigmoid", "softmax"]


class ScaleOutput(NamedTuple):
    """What a network says at one output scale, as logits whose sigmoid is the probability.

    Attributes:
        regions: Of Ŝ, ``(B, N, D, H, W)`` float32, or None of a network without region heads.
        abnormality: Of D̂, ``(B, M, D, H, W)`` float32.
    """

    regions: Tensor | None
    abnormality: Tensor


class MapNetwork(nn.Module, ABC):
    """Image ``(B, 1, D, H, W)`` → one :class:`ScaleOutput` per scale.

    Each output scale has 1×1×1 heads, which run in float32 even under autocast, because the
    eight bits of a bfloat16 logit would tie the scores of most scans.

    Attributes:
        checkpointing: Whether training keeps only the inputs of blocks and computes what is
            inside them again on the way back: less memory, about a third more time, the same
            gradients (Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost).
    """

    checkpointing: bool = False

    @abstractmethod
    def forward(self, image: Tensor) -> list[ScaleOutput]:
        """Outputs from the coarsest to the finest scale, each twice the one before."""

    def add_heads(
        self, widths: Sequence[int], n_regions: int, n_types: int, activation: Activation
    ) -> None:
        """Makes the heads of every scale.

        Args:
            widths: Channels of the features of each scale, coarsest first.
            n_regions: N; 0 makes no region heads.
            n_types: M.
            activation: ``"softmax"`` adds a *normal* channel that competes with the types.
        """
        self.n_types = n_types
        extra = 1 if activation == "softmax" else 0
        self.region_heads = nn.ModuleList(
            nn.Conv3d(w, n_regions, 1) for w in (widths if n_regions else ())
        )
        self.abnormality_heads = nn.ModuleList(nn.Conv3d(w, n_types + extra, 1) for w in widths)

    def outputs(self, stages: Sequence[Tensor]) -> list[ScaleOutput]:
        """Applies the heads to the features of every scale, coarsest first."""
        found = []
        with torch.autocast(stages[0].device.type, enabled=False):
            for scale, (stage, head) in enumerate(zip(stages, self.abnormality_heads, strict=True)):
                features = stage.float()
                regions = self.region_heads[scale](features) if self.region_heads else None
                abnormality = head(features)
                if abnormality.shape[1] > self.n_types:
                    abnormality = against_the_others(abnormality)[:, : self.n_types]
                found.append(ScaleOutput(regions, abnormality))
        return found


def against_the_others(logits: Tensor) -> Tensor:
    """Softmax over channels as one logit per channel: z_j - ln Σ_{c≠j} exp z_c.

    Args:
        logits: ``(B, C, ...)``, C of 2 or more.

    Returns:
        The same shape; its sigmoid is the softmax of ``logits``, also where that rounds to 1.
    """
    channels = range(logits.shape[1])
    parts = logits.unbind(1)
    return torch.stack(
        [
            parts[j] - torch.stack([parts[c] for c in channels if c != j]).logsumexp(dim=0)
            for j in channels
        ],
        dim=1,
    )
