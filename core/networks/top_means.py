"""Means of the largest products of each cell, with a number of voxels of its own per cell."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from crossdl.networks.bags import Bags, VoxelMaps, product_logit
from crossdl.networks.cells import Cells, Search, values_of
from crossdl.networks.products import blocks_of, k_largest, logits_at
from crossdl.networks.thresholds import Top

Reduce = Literal["mean", "loss"]
"""What is averaged over the voxels: probabilities, or the logarithms in E8 (released code)."""

_FEW = 16  # cells of at most so many voxels are searched by their odds
_TINY = 1e-30  # floor of a sum inside a logarithm


def top_bags(maps: VoxelMaps, counts: Tensor, reduce: Reduce = "mean") -> Bags:
    """Bags of the ``counts`` largest products of every cell.

    Equal products at the edge share the places that are left; of few voxels, any of them is taken.

    Args:
        maps: N regions and M types at V voxels.
        counts: ``(B, N, M)`` whole numbers of at least 1; above V means V.
        reduce: ``"mean"``: ŷ is the mean, and the logarithms are those of ŷ. ``"loss"``: the
            logarithms are means of the voxels' own.

    Returns:
        ``(B, N, M)`` each.
    """
    counts = counts.clamp(1, maps.regions.shape[2])
    few = counts <= _FEW
    if reduce == "mean" and not bool(few.all()):
        few = counts <= 1  # the others join a search that is made anyway
    index = torch.zeros_like(counts)[..., None]
    if bool(few.any()):
        index = k_largest(maps, int(counts.where(few, 1).max()))
    kept = torch.arange(index.shape[3], device=counts.device) < counts[..., None]
    if reduce == "loss":
        return _means_of_logs(maps, counts, few, index, kept)
    a, b, many = _TopLogits.apply(  # type: ignore[no-untyped-call]
        maps.regions, maps.abnormality, counts, ~few, index
    )
    each = Bags.from_logit(product_logit(a, b).sort(dim=-1, descending=True).values)
    logs = (each.log_positive, each.log_negative)
    positive, negative = (x.masked_fill(~kept, -torch.inf).logsumexp(-1) for x in logs)
    return Bags.from_logit(torch.where(few, positive - negative, many))


def share_of(region: Tensor, share: float) -> Tensor:
    """A share of a region's soft volume Σ_v Ŝ_v, rounded up, at least 1 voxel, ``(...,)`` int64."""
    return (region.sum(dim=-1, dtype=torch.float64) * share).ceil().long().clamp_min(1)


def share_counts(maps: VoxelMaps, share: float) -> Tensor:
    """:func:`share_of` every region for every type, ``(B, N, M)``."""
    counts = share_of(maps.s.detach(), share)[..., None]
    return counts.expand(-1, -1, maps.abnormality.shape[1])


class _TopLogits(torch.autograd.Function):
    """Logits at a few voxels, and ln Σp - ln Σ(1 - p) over many; one backward pass for both."""

    @staticmethod
    def forward(
        ctx: Any,
        a: Tensor,
        b: Tensor,
        counts: Tensor,
        many: Tensor,
        index: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sums over the k largest; 0 where a cell has few."""
        positive, negative = (torch.ones_like(counts, dtype=a.dtype) for _ in range(2))
        ctx.parts = []
        if bool(many.any()):
            search = Search(a, b)
            for cells, tops in search.ranks(counts, many):
                at = cells.scan, cells.region, cells.types
                positive[at] = a.new_tensor([top.total for top in tops])
                rest = counts[at] - positive[at]
                if bool((rest < 0.1 * counts[at]).any()):  # it has lost its digits
                    weights = _weights_(search.products(cells), tops)
                    not_d = (-cells.of_types(search.b)).sigmoid_()
                    not_p = not_d.mul_(search.maps(cells)[0]).add_(search.not_s(cells, slice(None)))
                    rest = not_p.mul_(weights).sum(dim=1)
                negative[at] = rest
                ctx.parts.append((cells, tops))
        positive.clamp_min_(_TINY)
        negative.clamp_min_(_TINY)
        ctx.save_for_backward(a, b, index, 1 / positive + 1 / negative)
        n, m = counts.shape[1:]
        from_a = a.gather(2, index.flatten(2)).view(*index.shape)
        swapped = index.transpose(1, 2).flatten(2)
        from_b = b.gather(2, swapped).view(len(b), m, n, -1).transpose(1, 2)
        return from_a, from_b, positive.log() - negative.log()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, from_a: Tensor, from_b: Tensor, many: Tensor) -> Any:
        """∂z/∂a = p·(1 - s)·(1/Σp + 1/Σ(1 - p)) at the k largest, and likewise for b."""
        a, b, index, scale = ctx.saved_tensors
        voxels = a.shape[2]
        to_a, to_b = torch.empty_like(blocks_of(a)), torch.zeros_like(blocks_of(b))
        untouched = torch.ones(a.shape[:2], dtype=torch.bool)
        if ctx.parts:
            search = Search(a, b)
            gradient = many * scale
            parts = [c for c, _ in ctx.parts]
            weights = [gradient[c.scan, c.region, c.types] for c in parts]
            for number, columns, products in search.chunks(parts):
                cells, tops = ctx.parts[number]
                at = cells.scan, cells.region
                untouched[at] = False
                _keep_(products, tops)
                row = _row_of(cells, to_a[at], columns)
                torch.mv(products.mT, weights[number], out=row)
                row.mul_(search.not_s(cells, columns))
                if cells.blocks is not None:
                    to_a[at].zero_().index_copy_(0, cells.blocks, blocks_of(row))
                _add(products, weights[number].tolist(), to_b[cells.scan], cells, columns)
        for scan, region in untouched.nonzero().tolist():
            to_a[scan, region].zero_()
        to_a, to_b = to_a.flatten(2)[..., :voxels], to_b.flatten(2)[..., :voxels]
        if ctx.parts:
            spare = a.new_empty(voxels)
            for row, logits in zip(to_b.flatten(0, 1), b.flatten(0, 1), strict=True):
                row.mul_(torch.neg(logits, out=spare).sigmoid_())
        to_a.scatter_add_(2, index.flatten(2), from_a.flatten(2))
        to_b.scatter_add_(2, index.transpose(1, 2).flatten(2), from_b.transpose(1, 2).flatten(2))
        return to_a, to_b, None, None, None


def _means_of_logs(
    maps: VoxelMaps, counts: Tensor, few: Tensor, index: Tensor, kept: Tensor
) -> Bags:
    """Means over the k largest of p, ln p and ln(1 - p)."""
    each = Bags.from_logit(logits_at(maps, index).sort(dim=-1, descending=True).values)
    bags = Bags(*((x * kept).sum(-1) / counts for x in each))
    if bool(few.all()):
        return bags
    sums = [x.masked_fill(~few, 0.0) for x in bags]
    a, b = blocks_of(maps.regions), blocks_of(maps.abnormality)
    search = Search(maps.regions.detach(), maps.abnormality.detach())
    for cells, tops in search.ranks(counts, ~few):
        at = cells.scan, cells.region, cells.types
        weights = _weights_(search.products(cells), tops)
        rows, columns = weights.nonzero(as_tuple=True)
        z = product_logit(cells.of_region(a)[columns], cells.of_types(b)[rows, columns])
        share = weights[rows, columns] / counts[at][rows]
        cell = at[0] * few[0].numel() + at[1] * few.shape[2] + cells.types[rows]
        for n, x in enumerate(Bags.from_logit(z)):
            added = torch.zeros(few.numel(), dtype=torch.float64, device=x.device)
            added = added.index_add(0, cell, (x * share).double())  # one after the other
            sums[n] = sums[n] + added.view(few.shape).float()
    return Bags(*sums)


def _row_of(cells: Cells, blocks: Tensor, columns: slice) -> Tensor:
    """Where a row of some columns is written: in ``blocks`` itself if the cells have them all."""
    if cells.blocks is None:
        return blocks.view(-1)[columns]
    return blocks.new_empty(columns.stop - columns.start)


def _add(
    products: Tensor, weights: list[float], maps: Tensor, cells: Cells, columns: slice
) -> None:
    """Adds weighted products of some columns of ``cells`` to maps ``(M, blocks, BLOCK)``."""
    for j, values, weight in zip(cells.types.tolist(), products, weights, strict=True):
        if cells.blocks is None:
            maps[j].view(-1)[columns].add_(values, alpha=weight)
        else:
            maps[j].index_add_(0, cells.blocks, blocks_of(values), alpha=weight)


def _keep_(products: Tensor, tops: list[Top]) -> None:
    """Zeroes what is not among the k largest; of ties for the last place the share is kept."""
    for row, (value, _, share) in zip(products, tops, strict=True):
        tied = row == value if share < 1 else None
        torch.threshold_(row, float(np.nextafter(np.float32(value), np.float32(-1))), 0.0)
        if tied is not None:
            row.masked_fill_(tied, value * share)


def _weights_(products: Tensor, tops: list[Top]) -> Tensor:
    """1 for those above the k-th largest, the ties' share at it, 0 below."""
    value = values_of(tops, products)
    if all(top.share == 1 for top in tops):
        return products.ge_(value)
    share = products.new_tensor([[top.share] for top in tops])
    return torch.where(products == value, share, products.gt_(value))
