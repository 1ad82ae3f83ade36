"""Largest products of region and abnormality maps, never as an N × M × V array.

Voxels are taken in blocks. No product in a block is above the product of the block's largest Ŝ and
largest D̂, so only blocks whose bound is above products already seen are looked into: of a trained
network's maps almost none, of noise a tenth. Finding where the largest products are needs no
gradient; their logits are then read from the maps by index, so the gradient touches only those
voxels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from crossdl.networks.bags import Bags, VoxelMaps, product_logit

BLOCK = 64
"""Voxels that are bounded together."""

_NOWHERE = -100.0  # logit of the voxels that fill the last block
_SAMPLE = 500  # blocks of every region and type that are looked into at first, at regular steps
_BEST = 4  # further ones of every cell: those with the largest bounds
_CHUNK = 4096  # pairs of blocks multiplied at a time: buffers stay in the cache


@torch.no_grad()
def k_largest(maps: VoxelMaps, k: int) -> Tensor:
    """Where each cell's k largest products are, in no order.

    Args:
        maps: N regions and M types at V voxels.
        k: How many, 1 or more; with fewer voxels, all of them.

    Returns:
        ``(B, N, M, min(k, V))`` int64. Products are compared in float32; where they tie for the
        last place it is any of them.
    """
    batch, n, voxels = maps.regions.shape
    m = maps.abnormality.shape[1]
    k = min(k, voxels)
    a, b = blocks_of(maps.regions, _NOWHERE), blocks_of(maps.abnormality, _NOWHERE)
    maxima = _block_maxima(a, b, k)
    n_blocks = maxima.shape[3]
    chosen = maxima.topk(min(k, n_blocks), sorted=False).indices  # (B, N, M, K)
    kept = chosen.shape[3]
    scans = torch.arange(batch, device=a.device)[:, None, None, None] * n_blocks
    rows = torch.arange(n, device=a.device)[:, None, None] * n_blocks
    columns = torch.arange(m, device=a.device)[:, None] * n_blocks
    a_rows, b_rows = a.reshape(-1, BLOCK), b.reshape(-1, BLOCK)
    found: list[Tensor] = []
    step = max(1, 2048 // kept)  # regions at a time: with a large k this is the bulk
    for i in range(0, n, step):
        at = chosen[:, i : i + step]
        s = a_rows[n * scans + rows[i : i + step] + at].sigmoid_()
        d = b_rows[m * scans + columns + at].sigmoid_()
        place = s.mul_(d).flatten(3).topk(k, sorted=False).indices
        block = at.gather(3, place // BLOCK)
        found.append((block * BLOCK + place % BLOCK).clamp_max(voxels - 1))
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
    return logits_at(maps, k_largest(maps, k))


def largest_products(regions: Tensor, abnormality: Tensor) -> Tensor:
    """E6 of probabilities ``(B, N, V)`` and ``(B, M, V)``: ``(B, N, M)``."""
    maps = VoxelMaps.from_probabilities(regions, abnormality)
    return Bags.from_logit(largest_logits(maps, 1)[..., 0]).probability


def blocks_of(maps: Tensor, missing: float = 0.0) -> Tensor:
    """``(..., V)`` → ``(..., V/BLOCK, BLOCK)``; ``missing`` fills the last block."""
    lacking = -maps.shape[-1] % BLOCK
    filled = pad(maps, (0, lacking), value=missing) if lacking else maps
    return filled.reshape(*maps.shape[:-1], -1, BLOCK)


def _block_maxima(a: Tensor, b: Tensor, k: int) -> Tensor:
    """Largest product of every block that can hold one of the k largest of a cell, else -1.

    Args:
        a: Logits ``(B, N, blocks, BLOCK)``.
        b: Logits ``(B, M, blocks, BLOCK)``.
        k: How many of a cell.

    Returns:
        ``(B, N, M, blocks)``.
    """
    n_blocks = a.shape[2]
    bound = a.amax(dim=3).sigmoid_()[:, :, None] * b.amax(dim=3).sigmoid_()[:, None]
    known = torch.full_like(bound, -1.0)
    enough: float | Tensor = -1.0
    if n_blocks > 2 * _SAMPLE:
        step = n_blocks // _SAMPLE
        d = b[:, :, ::step].sigmoid()
        for i in range(a.shape[1]):
            products = a[:, i, None, ::step].sigmoid() * d
            known[:, i, :, ::step] = products.amax(dim=3)
        best = bound.topk(k + _BEST, dim=3, sorted=False).indices
        useful = torch.zeros_like(bound, dtype=torch.bool).scatter_(3, best, True)
        useful[..., ::step] = False
        _look_into(a, b, useful, known)
        others = known.gather(3, best).masked_fill_(best % step == 0, -1.0)
        seen = torch.cat([known[..., ::step], others], dim=3)
        enough = seen.topk(k, dim=3, sorted=False).values.amin(dim=3, keepdim=True)
    _look_into(a, b, (bound > enough) & (known < 0), known)
    return known


def _look_into(a: Tensor, b: Tensor, where: Tensor, maxima: Tensor) -> None:
    """Writes the largest products of some blocks ``(B, N, M, blocks)`` into ``maxima``."""
    n, m, n_blocks = where.shape[1:]
    cell = where.view(-1).nonzero()[:, 0]
    found = a.new_empty(len(cell))
    a_rows, b_rows = a.reshape(-1, BLOCK), b.reshape(-1, BLOCK)
    buffers = a.new_empty((2, min(_CHUNK, len(cell)), BLOCK))
    for start in range(0, len(cell), _CHUNK):
        part = cell[start : start + _CHUNK]
        block, kind = part % n_blocks, part // n_blocks
        region, kind = kind // m, kind % m  # the region's number includes the scan's
        s, d = buffers[:, : len(part)]
        torch.index_select(a_rows, 0, region * n_blocks + block, out=s)
        torch.index_select(b_rows, 0, (region // n * m + kind) * n_blocks + block, out=d)
        torch.amax(s.sigmoid_().mul_(d.sigmoid_()), dim=1, out=found[start : start + _CHUNK])
    maxima.view(-1)[cell] = found
