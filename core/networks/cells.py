"""Cells (region i, type j) searched for their largest products, region by region.

Of a region only the blocks of voxels are looked at whose largest possible product reaches what is
searched for: outside a region, where Ŝ is tiny, that is nothing. No array is larger than M maps.
Products are compared in float32: those that round to the same number are equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import nullcontext
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from crossdl.networks.bags import VoxelMaps
from crossdl.networks.products import BLOCK, blocks_of
from crossdl.networks.thresholds import Top, k_largest_of_rows

CHUNK = 131072
"""Columns taken at a time, so that what is made of them stays in the processor's cache."""

_MORE = 1 + 1e-6  # a bound is above the products also after rounding
_NOWHERE = -200.0  # logit of the voxels that fill the last block: its probability is 0


class Cells(NamedTuple):
    """Some cells of one region.

    Attributes:
        scan: Index b.
        region: Index i.
        types: Indices j, ``(R,)``.
        blocks: Blocks that hold what was searched for, or None for all blocks.
    """

    scan: int
    region: int
    types: Tensor
    blocks: Tensor | None

    def of_region(self, maps: Tensor) -> Tensor:
        """``(B, N, blocks, BLOCK)`` → ``(n,)``: the region's voxels in the blocks."""
        one = maps[self.scan, self.region]
        return (one if self.blocks is None else one.index_select(0, self.blocks)).flatten()

    def of_types(self, maps: Tensor) -> Tensor:
        """``(B, M, blocks, BLOCK)`` → ``(R, n)``: the types' voxels in the blocks."""
        several = maps[self.scan]
        m, n_blocks, _ = several.shape
        if self.blocks is None:
            return (several if len(self.types) == m else several[self.types]).flatten(1)
        rows = (self.types[:, None] * n_blocks + self.blocks).flatten()
        return several.reshape(-1, BLOCK).index_select(0, rows).view(len(self.types), -1)


class Search:
    """Both maps of one scale in blocks, with buffers that every region uses again.

    Fresh memory costs more than the arithmetic on it.
    """

    def __init__(self, regions: Tensor, abnormality: Tensor) -> None:
        """Takes logits ``(B, N, V)`` and ``(B, M, V)``."""
        self.a, self.b = (blocks_of(x, _NOWHERE) for x in (regions, abnormality))
        self._rows = self.b.new_empty((2, self.b[0, 0].numel()))
        self._products = self.b.new_empty(self.b[0].numel())

    @cached_property
    def _d(self) -> Tensor:
        return self.b.sigmoid()

    @cached_property
    def _most(self) -> tuple[Tensor, Tensor]:
        """Bounds of Ŝ ``(B, N, blocks)`` and D̂ ``(B, M, blocks)`` in every block."""
        return self.a.amax(dim=3).sigmoid_().mul_(_MORE), self.b.amax(dim=3).sigmoid_()

    def maps(self, cells: Cells) -> tuple[Tensor, Tensor]:
        """Ŝ_i ``(n,)`` and D̂_j ``(R, n)`` of some cells; valid until the next call."""
        a = cells.of_region(self.a)
        s = torch.sigmoid(a, out=self._rows[0, : len(a)])
        if cells.blocks is None:
            return s, cells.of_types(self._d)
        return s, cells.of_types(self.b).sigmoid_()

    def products(self, cells: Cells) -> Tensor:
        """Of both maps of some cells, ``(R, n)``; valid until the next call."""
        return self._product(*self.maps(cells))

    def _product(self, s: Tensor, d: Tensor) -> Tensor:
        return torch.mul(s, d, out=self._products[: d.numel()].view_as(d))

    def chunks(self, several: list[Cells]) -> Iterator[tuple[int, slice, Tensor]]:
        """Products of many cells, those with all blocks a chunk of columns at a time.

        Yields:
            Number in the list, columns, products ``(R, columns)`` until the next are asked for.
        """
        dense: dict[int, list[int]] = {}
        for number, cells in enumerate(several):
            if cells.blocks is None:
                dense.setdefault(cells.scan, []).append(number)
            else:
                yield number, slice(0, len(cells.blocks) * BLOCK), self.products(cells)
        for scan, numbers in dense.items():
            a, b = self.a[scan].flatten(1), self.b[scan].flatten(1)
            spare = b.new_empty((len(b), min(CHUNK, b.shape[1])))
            for start in range(0, b.shape[1], CHUNK):
                columns = slice(start, min(start + CHUNK, b.shape[1]))
                size = columns.stop - start
                d = torch.sigmoid(b[:, columns], out=spare[:, :size])
                for number in numbers:
                    cells = several[number]
                    s = torch.sigmoid(a[cells.region, columns], out=self._rows[0, :size])
                    rows = d if len(cells.types) == len(d) else d[cells.types]
                    yield number, columns, self._product(s, rows)

    def not_s(self, cells: Cells, columns: slice) -> Tensor:
        """1 - Ŝ_i of some columns, exact also where Ŝ rounds to 1."""
        a = cells.of_region(self.a)[columns]
        return torch.neg(a, out=self._rows[1, : len(a)]).sigmoid_()

    def above(self, threshold: float) -> Tensor:
        """How many products of each cell exceed a threshold in (0, 1), ``(B, N, M)`` int64."""
        useful = self._most[0] * self._most[1].amax(dim=1, keepdim=True) > threshold
        types = torch.arange(self.b.shape[1], device=self.b.device)
        cells = [
            Cells(b, i, types, _indices(region))
            for b, scan in enumerate(useful)
            for i, region in enumerate(scan)
        ]
        found = torch.zeros((len(cells), len(types)), dtype=torch.int64, device=types.device)
        for number, _, products in self.chunks(cells):
            found[number] += products.gt_(threshold).sum(dim=1).long()  # as numbers: in place
        return found.view(*self.a.shape[:2], -1)

    def ranks(self, k: Tensor, where: Tensor) -> Iterator[tuple[Cells, list[Top]]]:
        """The k largest products of every cell ``where`` they are wanted.

        Args:
            k: ``(B, N, M)`` int64 in [1, V].
            where: ``(B, N, M)`` bool.

        Yields:
            One region's cells with the result of each; the blocks hold the k largest.
        """
        several = torch.get_num_threads()
        pool = ThreadPoolExecutor(several) if several > 1 else nullcontext()
        rows, wanted, ranks = where.any(dim=2).nonzero().tolist(), where.tolist(), k.tolist()
        with pool as threads:
            for b, i in rows:
                types = [j for j, yes in enumerate(wanted[b][i]) if yes]
                goals = [ranks[b][i][j] for j in types]
                first = max(goals) // 4 + 16  # blocks: a guess that is checked below
                cells = Cells(b, i, torch.tensor(types, device=k.device), None)
                if first < self.a.shape[2] // 2:
                    bound = self._most[0][b, i] * self._most[1][b, cells.types]
                    tops = k_largest_of_rows(bound.clone(), [first] * len(types))
                    useful = (bound >= values_of(tops, bound)).any(dim=0)
                    cells = cells._replace(blocks=_indices(useful))
                tops = self._tops(cells, goals, threads)
                while cells.blocks is not None:
                    needed = (bound > values_of(tops, bound)).any(dim=0) & ~useful
                    if not bool(needed.any()):
                        break
                    useful |= needed
                    cells = cells._replace(blocks=_indices(useful))
                    tops = self._tops(cells, goals, threads)
                yield cells, tops

    def _tops(self, cells: Cells, k: list[int], threads: Executor | None) -> list[Top]:
        """As many long rows at a time as there are threads: the others would leave the cache."""
        s, d = self.maps(cells)
        step = len(d) if cells.blocks is not None else torch.get_num_threads()
        found = []
        for at in range(0, len(d), step):
            products = self._product(s, d[at : at + step])
            found += k_largest_of_rows(products, k[at : at + step], threads)
        return found


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
    return Search(regions, abnormality).above(threshold)


@torch.no_grad()
def ranked_voxels(maps: VoxelMaps, ranks: Tensor) -> Tensor:
    """One voxel of each cell that has the product of a given rank, ``(B, N, M)`` int64.

    Args:
        maps: N regions and M types at V voxels.
        ranks: ``(B, N, M)`` int64, 1 for the largest product; above V means V.
    """
    voxels = maps.regions.shape[2]
    ranks = ranks.clamp(1, voxels)
    voxel = torch.zeros_like(ranks)
    search = Search(maps.regions, maps.abnormality)
    for cells, tops in search.ranks(ranks, torch.ones_like(ranks, dtype=torch.bool)):
        column = search.products(cells).sub_(values_of(tops, maps.regions)).abs_().argmin(dim=1)
        if cells.blocks is not None:
            column = cells.blocks[column // BLOCK] * BLOCK + column % BLOCK
        voxel[cells.scan, cells.region, cells.types] = column
    return voxel.clamp_max(voxels - 1)  # where even the k-th product is 0, any voxel will do


def values_of(tops: list[Top], like: Tensor) -> Tensor:
    """The k-th largest values as a column ``(R, 1)``."""
    return like.new_tensor([[top.value] for top in tops])


def _indices(useful: Tensor) -> Tensor | None:
    """Where it is True, or None if that is more than half."""
    found = useful.nonzero()[:, 0]
    return None if 2 * len(found) > len(useful) else found
