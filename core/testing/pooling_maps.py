"""Maps for checks of poolings, and the formulas they are compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.interfaces import MILPooling
from crossdl.testing.checks import Subject

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from crossdl.networks.bags import Bags, VoxelMaps

SHAPE = (3, 4, 5)
"""Voxels of the small maps, ``(D, H, W)``."""


def pooling_of(subject: Subject) -> MILPooling[Any]:
    """A new pooling; parameters it may learn start from the same seed every time."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        pooling: MILPooling[Any] = subject.build()
        pooling.learned()
    return pooling


def random_maps(subject: Subject, seed: int = 0, scale: float = 2.0) -> Iterator[VoxelMaps]:
    """Normal logits of three scans: at the coarsest scale, then with a coarser one."""
    import torch

    from crossdl.networks.bags import VoxelMaps

    generator = torch.Generator().manual_seed(seed)
    sizes = (subject.anatomy.n_regions, subject.anatomy.n_types, subject.anatomy.n_types)
    for number in range(2):
        made = [
            scale * torch.randn((3, n, int(np.prod(SHAPE))), generator=generator) for n in sizes
        ]
        yield VoxelMaps(made[0], made[1], made[2] if number else None)


def tied_maps(subject: Subject) -> Iterator[VoxelMaps]:
    """Logits that are whole numbers, so that many products are equal."""
    for maps in random_maps(subject, 3, 1.0):
        yield changed(maps, lambda x: x.round())


def extreme_maps(subject: Subject) -> Iterator[VoxelMaps]:
    """Logits around ±40, and all of them -40, 0 or 40."""
    import torch

    from crossdl.networks.bags import VoxelMaps

    yield from random_maps(subject, 4, 40.0)
    n, m, voxels = subject.anatomy.n_regions, subject.anatomy.n_types, int(np.prod(SHAPE))
    for a in (-40.0, 0.0, 40.0):
        for b in (-40.0, 0.0, 40.0):
            maps = VoxelMaps(torch.full((1, n, voxels), a), torch.full((1, m, voxels), b))
            yield maps
            yield replace(maps, coarser=maps.abnormality.clone())


def changed(maps: VoxelMaps, change: Callable[[Tensor], Tensor]) -> VoxelMaps:
    """Every map changed in the same way."""
    coarser = None if maps.coarser is None else change(maps.coarser)
    return replace(
        maps,
        regions=change(maps.regions),
        abnormality=change(maps.abnormality),
        coarser=coarser,
    )


def as_leaves(maps: VoxelMaps, dtype: torch.dtype | None = None) -> VoxelMaps:
    """Copies of the maps that collect gradients."""
    made = changed(maps, lambda x: x.clone().to(dtype or x.dtype))
    return replace(
        made, regions=made.regions.requires_grad_(), abnormality=made.abnormality.requires_grad_()
    )


def reference(pooling: MILPooling[Any], maps: VoxelMaps) -> Bags | None:
    """Bags by the pooling's ``formula``, bag by bag, or None if it has none.

    Args:
        pooling: Whose formula.
        maps: Of float64.
    """
    import torch

    from crossdl.networks.bags import Bags

    s, d = maps.regions.sigmoid(), maps.abnormality.sigmoid()
    coarser = None if maps.coarser is None else maps.coarser.sigmoid()
    found: list[Bags] = []
    for b, i, j in np.ndindex(len(s), s.shape[1], d.shape[1]):
        bag = pooling.formula(s[b, i], d[b, j], None if coarser is None else coarser[b, j])
        if bag is None:
            return None
        found.append(bag)
    shape = (len(s), s.shape[1], d.shape[1])
    return Bags(*(torch.stack(values).view(shape) for values in zip(*found, strict=True)))


def bag_size_bias(
    pooling: MILPooling[Any], n_types: int, sizes: tuple[int, ...] = (64, 1024, 16384)
) -> dict[int, float]:
    """Mean bag of pure noise by the number of voxels of its region: what size alone does.

    Args:
        pooling: Pools regions that are certain (logit 12) with abnormality logits of mean -4 and
            standard deviation 1, so probabilities around 0.018.
        n_types: M.
        sizes: Numbers of voxels.
    """
    import torch

    from crossdl.networks.bags import VoxelMaps

    generator = torch.Generator().manual_seed(0)
    found = {}
    with torch.inference_mode():
        for size in sizes:
            noise = torch.randn((8, n_types, size), generator=generator) - 4
            bags = pooling.bags(VoxelMaps(torch.full((8, 1, size), 12.0), noise))
            found[size] = float(bags.probability.mean())
    return found
