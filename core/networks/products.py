"""Largest products of region and abnormality maps, never as an N × M × V array.

Finding where the largest products Ŝ_iv·D̂_jv are needs no gradient; their values are then read
from the maps by index, so the gradient touches only those voxels.
"""

from __future__ import annotations

import torch
from torch import Tensor

_CHUNK = 16_384  # voxels whose products exist at a time
_BLOCK = 64  # voxels summarised by their largest product


@torch.no_grad()
def largest(regions: Tensor, abnormality: Tensor) -> Tensor:
    """Where each cell's product is largest.

    Args:
        regions: ``(B, N, V)``.
        abnormality: ``(B, M, V)``.

    Returns:
        ``(B, N, M, 1)`` int64 voxel numbers. Where voxels tie it is one of them.
    """
    best = index = None
    for start in range(0, regions.shape[2], _CHUNK):
        s, d = (x[:, :, start : start + _CHUNK] for x in (regions, abnormality))
        value, where = (s[:, :, None] * d[:, None]).max(dim=-1)
        where += start
        if best is None or index is None:
            best, index = value, where
        else:
            index = torch.where(value > best, where, index)
            best = torch.maximum(value, best)
    if index is None:
        raise ValueError("maps without voxels have no largest product")
    return index[..., None]


@torch.no_grad()
def k_largest(regions: Tensor, abnormality: Tensor, k: int) -> Tensor:
    """Where each cell's k largest products are, in no order.

    The k largest lie in the k blocks of voxels with the largest maxima, so only these blocks
    are sorted; the result is exact.

    Args:
        regions: ``(B, N, V)`` non-negative.
        abnormality: ``(B, M, V)`` non-negative.
        k: How many; with fewer voxels, all of them.

    Returns:
        ``(B, N, M, min(k, V))`` int64. Where voxels tie for the last place it is any of them.
    """
    batch, n, voxels = regions.shape
    types = abnormality.shape[1]
    k = min(k, voxels)
    blocks = -(-voxels // _BLOCK)
    products = regions.new_full((batch, types, blocks * _BLOCK), -1.0)
    found = []
    for i in range(n):
        torch.mul(regions[:, i : i + 1], abnormality, out=products[..., :voxels])
        grouped = products.view(batch, types, blocks, _BLOCK)
        chosen = grouped.amax(dim=-1).topk(min(k, blocks), sorted=False).indices
        members = grouped.gather(2, chosen[..., None].expand(-1, -1, -1, _BLOCK))
        inner = members.flatten(2).topk(k, sorted=False).indices
        found.append(chosen.gather(2, inner // _BLOCK) * _BLOCK + inner % _BLOCK)
    return torch.stack(found, dim=1)


def products_at(regions: Tensor, abnormality: Tensor, index: Tensor) -> Tensor:
    """Products at given voxels; their gradient reaches those voxels of both maps only.

    Args:
        regions: ``(B, N, V)``.
        abnormality: ``(B, M, V)``.
        index: ``(B, N, M, K)`` voxel numbers.

    Returns:
        ``(B, N, M, K)``.
    """
    batch, n, m, k = index.shape
    s = regions.gather(2, index.flatten(2)).view(batch, n, m, k)
    swapped = index.transpose(1, 2).flatten(2)
    d = abnormality.gather(2, swapped).view(batch, m, n, k).transpose(1, 2)
    return s * d
