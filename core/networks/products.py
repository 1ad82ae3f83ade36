"""Largest products of region and abnormality maps, never as an N × M × V array.

Finding where the largest products Ŝ_iv·D̂_jv are needs no gradient; their values are then read
from the maps by index, so the gradient touches only those voxels.
"""

from __future__ import annotations

import torch
from torch import Tensor

_BLOCK = 64  # voxels summarised by their largest product
_CHUNK = 1024 * _BLOCK  # voxels whose products exist at a time


@torch.no_grad()
def k_largest(regions: Tensor, abnormality: Tensor, k: int) -> Tensor:
    """Where each cell's k largest products are, in no order.

    Voxels are taken in blocks. The k largest products lie in the k blocks with the largest
    maxima, so only these are looked into; the result is exact.

    Args:
        regions: ``(B, N, V)`` non-negative.
        abnormality: ``(B, M, V)`` non-negative.
        k: How many, 1 or more; with fewer voxels, all of them.

    Returns:
        ``(B, N, M, min(k, V))`` int64. Where voxels tie for the last place it is any of them.
    """
    voxels = regions.shape[2]
    k = min(k, voxels)
    maxima = _block_maxima(regions, abnormality)
    chosen = maxima.topk(min(k, maxima.shape[3]), sorted=False).indices
    inside = torch.arange(_BLOCK, device=regions.device)
    found: list[Tensor] = []
    for i in range(regions.shape[1]):  # one region at a time: with a large k this is the bulk
        members = (chosen[:, i : i + 1, ..., None] * _BLOCK + inside).flatten(3)
        exists = members.clamp_max(voxels - 1)
        products = products_at(regions[:, i : i + 1], abnormality, exists)
        products.masked_fill_(members >= voxels, -1.0)
        found.append(exists.gather(3, products.topk(k, sorted=False).indices))
    return torch.cat(found, dim=1)


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


def largest_products(regions: Tensor, abnormality: Tensor) -> Tensor:
    """E6: the largest product of each cell, ``(B, N, M)``; one voxel carries its gradient."""
    return products_at(regions, abnormality, k_largest(regions, abnormality, 1))[..., 0]


def _block_maxima(regions: Tensor, abnormality: Tensor) -> Tensor:
    """Largest product of every block, ``(B, N, M, blocks)``; the last block may be short."""
    batch, n, voxels = regions.shape
    m = abnormality.shape[1]
    maxima = regions.new_empty((batch, n, m, -(-voxels // _BLOCK)))
    whole = voxels - voxels % _BLOCK
    buffer = regions.new_empty((batch, n, m, min(_CHUNK, whole)))
    for start in range(0, whole, _CHUNK):
        stop = min(start + _CHUNK, whole)
        products = buffer[..., : stop - start]
        torch.mul(
            regions[:, :, None, start:stop], abnormality[:, None, :, start:stop], out=products
        )
        target = maxima[..., start // _BLOCK : stop // _BLOCK]
        torch.amax(products.view(batch, n, m, -1, _BLOCK), dim=-1, out=target)
    if whole < voxels:
        rest = regions[:, :, None, whole:] * abnormality[:, None, :, whole:]
        maxima[..., -1] = rest.amax(dim=-1)
    return maxima
