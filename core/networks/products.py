"""Largest products of region and abnormality maps, never as an N × M × V array.

Voxels are taken in blocks. No product in a block is above the product of the block's largest Ŝ and
largest D̂, so only blocks whose bound is above products already seen are looked into: of a trained
network's maps almost none, of noise a tenth. Products p are compared by the odds against them,
(1 - p)/p = e^-a + e^-b + e^(-a-b), which are exact also where p rounds to 0 or 1. Finding where the
largest products are needs no gradient; their logits are then read from the maps by index, so the
gradient touches only those voxels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from crossdl.networks.bags import Bags, VoxelMaps, product_logit

BLOCK = 64
"""Voxels that are bounded together."""

_FAR = 80.0  # logits beyond are equal
_NOWHERE = -100.0  # logit of the voxels that fill the last block
_SAMPLE = 500  # blocks of every region and type in a sample, at regular steps
_BEST = 4  # so many more than k of every cell are looked into first: the largest bounds
_MANY = 16  # if then more than this part of the blocks is left, blocks are sampled
_CHUNK = 4096  # pairs of blocks multiplied at a time: buffers stay in the cache


@torch.no_grad()
def k_largest(maps: VoxelMaps, k: int) -> Tensor:
    """Where each cell's k largest products are, in no order.

    Args:
        maps: N regions and M types at V voxels.
        k: How many, 1 or more; with fewer voxels, all of them.

    Returns:
        ``(B, N, M, min(k, V))`` int64. Where products tie for the last place it is any of them.
    """
    batch, n, voxels = maps.regions.shape
    m = maps.abnormality.shape[1]
    k = min(k, voxels)
    a, b = blocks_of(maps.regions, _NOWHERE), blocks_of(maps.abnormality, _NOWHERE)
    odds = _block_odds(a, b, k)
    n_blocks = odds.shape[3]
    chosen = _least(odds, min(k, n_blocks))[1]  # (B, N, M, K)
    kept = chosen.shape[3]
    scans = torch.arange(batch, device=a.device)[:, None, None, None] * n_blocks
    rows = torch.arange(n, device=a.device)[:, None, None] * n_blocks
    columns = torch.arange(m, device=a.device)[:, None] * n_blocks
    a_rows, b_rows = a.reshape(-1, BLOCK), b.reshape(-1, BLOCK)
    found: list[Tensor] = []
    step = max(1, 2048 // kept)  # regions at a time: with a large k this is the bulk
    for i in range(0, n, step):
        at = chosen[:, i : i + step]
        x = _against_(a_rows[n * scans + rows[i : i + step] + at])
        y = _against_(b_rows[m * scans + columns + at])
        inside = torch.addcmul(y, x, y + 1).flatten(3)
        place = inside.topk(k, largest=False, sorted=False).indices
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


def _against_(logits: Tensor) -> Tensor:
    """Odds against, e^-logit, in place; finite."""
    return logits.clamp_(-_FAR, _FAR).neg_().exp_()


def _block_odds(a: Tensor, b: Tensor, k: int) -> Tensor:
    """Least odds against of every block that can hold one of the k largest products, else ∞.

    Args:
        a: Logits ``(B, N, blocks, BLOCK)``.
        b: Logits ``(B, M, blocks, BLOCK)``.
        k: How many of a cell.

    Returns:
        ``(B, N, M, blocks)``.
    """
    n_blocks = a.shape[2]
    x, y = _against_(a.amax(dim=3))[:, :, None], _against_(b.amax(dim=3))[:, None]
    bound = torch.addcmul(y, x, y + 1)
    known = torch.full_like(bound, torch.inf)
    useful = torch.ones_like(bound, dtype=torch.bool)
    if n_blocks > 2 * _SAMPLE:
        best = bound.topk(k + _BEST, dim=3, largest=False, sorted=False).indices
        _look_into(a, b, torch.zeros_like(useful).scatter_(3, best, True), known)
        seen = known.gather(3, best)
        useful = _useful(bound, known, seen, k)
        if int(useful.sum()) > useful.numel() // _MANY:  # noise: what is everywhere is sampled
            step = n_blocks // _SAMPLE
            y = _against_(b[:, :, ::step].clone())
            for i in range(a.shape[1]):
                x = _against_(a[:, i, None, ::step].clone())
                known[:, i, :, ::step] = torch.addcmul(y, x, y + 1).amin(dim=3)
            seen.masked_fill_(best % step == 0, torch.inf)
            useful = _useful(bound, known, torch.cat([known[..., ::step], seen], dim=3), k)
    _look_into(a, b, useful, known)
    return known


def _least(odds: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Values and indices of the k least of the last axis; one is found without ``topk``."""
    if k == 1:
        values, indices = odds.min(dim=-1, keepdim=True)
    else:
        values, indices = odds.topk(k, largest=False, sorted=False)
    return values, indices


def _useful(bound: Tensor, known: Tensor, seen: Tensor, k: int) -> Tensor:
    """Blocks not yet looked into that may be better than the k-th best of those that were."""
    enough = _least(seen, k)[0].amax(dim=3, keepdim=True)
    return (bound < enough).logical_and_(known.isinf())


def _look_into(a: Tensor, b: Tensor, where: Tensor, odds: Tensor) -> None:
    """Writes the least odds against of some blocks ``(B, N, M, blocks)`` into ``odds``."""
    n, m, n_blocks = where.shape[1:]
    cell = where.view(-1).nonzero()[:, 0]
    found = a.new_empty(len(cell))
    a_rows, b_rows = a.reshape(-1, BLOCK), b.reshape(-1, BLOCK)
    buffers = a.new_empty((3, min(_CHUNK, len(cell)), BLOCK))
    for start in range(0, len(cell), _CHUNK):
        part = cell[start : start + _CHUNK]
        block, kind = part % n_blocks, part // n_blocks
        region, kind = kind // m, kind % m  # the region's number includes the scan's
        x, y, both = buffers[:, : len(part)]
        torch.index_select(a_rows, 0, region * n_blocks + block, out=x)
        torch.index_select(b_rows, 0, (region // n * m + kind) * n_blocks + block, out=y)
        torch.add(_against_(y), 1, out=both)
        torch.addcmul(y, _against_(x), both, out=both)
        torch.amin(both, dim=1, out=found[start : start + _CHUNK])
    odds.view(-1)[cell] = found
