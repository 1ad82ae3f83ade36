"""Largest products of region and abnormality maps, never as an N × M × V array.

Finding where the largest products Ŝ_iv·D̂_jv are needs no gradient; their values are then read
from the maps by index, so the gradient touches only those voxels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from crossdl.networks.bags import Bags, VoxelMaps, product_logit

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
        products = _products_at(regions[:, i : i + 1], abnormality, exists)
        products.masked_fill_(members >= voxels, -1.0)
        found.append(exists.gather(3, products.topk(k, sorted=False).indices))
    return torch.cat(found, dim=1)


def logits_at(maps: VoxelMaps, index: Tensor) -> Tensor:
    """Product logits at given voxels; their gradient reaches those voxels of both maps only.

    Args:
        maps: N regions and M types at V voxels.
        index: ``(B, N, M, K)`` voxel numbers.

    Returns:
        ``(B, N, M, K)``.
    """
    batch, n, m, k = index.shape
    a = maps.regions.gather(2, index.flatten(2)).view(batch, n, m, k)
    swapped = index.transpose(1, 2).flatten(2)
    b = maps.abnormality.gather(2, swapped).view(batch, m, n, k).transpose(1, 2)
    return product_logit(a, b)


def largest_logits(maps: VoxelMaps, k: int) -> Tensor:
    """Logits of the k largest products of each cell, ``(B, N, M, min(k, V))``, in no order."""
    return logits_at(maps, k_largest(maps.s, maps.d, k))


def largest_products(regions: Tensor, abnormality: Tensor) -> Tensor:
    """E6 of probabilities ``(B, N, V)`` and ``(B, M, V)``: ``(B, N, M)``."""
    maps = VoxelMaps.from_probabilities(regions, abnormality)
    return Bags.from_logit(largest_logits(maps, 1)[..., 0]).probability


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


def _products_at(regions: Tensor, abnormality: Tensor, index: Tensor) -> Tensor:
    """Products ``(B, 1, M, K)`` of one region ``(B, 1, V)`` at voxels of the same shape."""
    batch, _, m, k = index.shape
    s = regions.gather(2, index.flatten(2)).view(batch, 1, m, k)
    return s * abnormality.gather(2, index[:, 0])[:, None]
