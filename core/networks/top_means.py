"""Means of the largest products of each cell, with a number of voxels of its own per cell."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from crossdl.networks.bags import Bags, VoxelMaps, product_logit

Reduce = Literal["mean", "loss"]
"""What is averaged over the voxels: probabilities, or the logarithms in E8 (released code)."""


def top_bags(maps: VoxelMaps, counts: Tensor, reduce: Reduce = "mean") -> Bags:
    """Bags of the ``counts`` largest products of every cell.

    Args:
        maps: N regions and M types at V voxels.
        counts: ``(B, N, M)`` whole numbers of at least 1; above V means V.
        reduce: ``"mean"``: ŷ is the mean, and the logarithms are those of ŷ. ``"loss"``: the
            logarithms are means of the voxels' own.

    Returns:
        ``(B, N, M)`` each.
    """
    voxels = maps.regions.shape[2]
    counts = counts.clamp(1, voxels)
    found: list[Bags] = []
    for i in range(maps.regions.shape[1]):
        k = counts[:, i]
        z = product_logit(maps.regions[:, i, None], maps.abnormality)
        largest = z.topk(int(k.max()), dim=-1).values
        kept = torch.arange(largest.shape[-1], device=k.device) < k[..., None]
        each = Bags.from_logit(largest)
        if reduce == "loss":
            found.append(Bags(*((x * kept).sum(-1) / k for x in each)))
            continue
        logs = [
            x.masked_fill(~kept, float("-inf")).logsumexp(-1)
            for x in (each.log_positive, each.log_negative)
        ]
        found.append(Bags.from_logit(logs[0] - logs[1]))
    return Bags(*(torch.stack(x, dim=1) for x in zip(*found, strict=True)))


@torch.no_grad()
def count_above(regions: Tensor, abnormality: Tensor, threshold: float) -> Tensor:
    """Voxels of each cell whose product of probabilities exceeds a threshold.

    Args:
        regions: Logits ``(B, N, V)``.
        abnormality: Logits ``(B, M, V)``.
        threshold: In (0, 1).

    Returns:
        ``(B, N, M)`` int64.
    """
    s, d = regions.sigmoid(), abnormality.sigmoid()
    return torch.stack([(s[:, i, None] * d > threshold).sum(-1) for i in range(s.shape[1])], dim=1)
