"""Checks of :class:`crossdl.interfaces.MILPooling`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from crossdl.testing.checks import Subject, check, ensure
from crossdl.testing.pooling_maps import (
    SHAPE,
    as_leaves,
    bag_size_bias,
    changed,
    extreme_maps,
    pooling_of,
    random_maps,
    reference,
    tied_maps,
)

if TYPE_CHECKING:
    from torch import Tensor

    from crossdl.networks.bags import VoxelMaps

TOLERANCE = 1e-5


@check("pooling")
def shape_and_range(subject: Subject) -> None:
    """ŷ is ``(B, N, M)`` float32 in [0, 1], its logarithms are finite and at most 0."""
    import torch

    n, m = subject.anatomy.n_regions, subject.anatomy.n_types
    for maps in (*random_maps(subject), *extreme_maps(subject)):
        bags = pooling_of(subject).bags(maps)
        for values in bags:
            expected = (len(maps.regions), n, m)
            ensure(tuple(values.shape) == expected, f"shape {tuple(values.shape)}, not {expected}")
            ensure(values.dtype == torch.float32, f"dtype {values.dtype}, not float32")
            ensure(bool(torch.isfinite(values).all()), "a bag or its logarithm is not finite")
        inside = bool((bags.probability >= 0).all() and (bags.probability <= 1).all())
        ensure(inside, "a bag probability lies outside [0, 1]")
        logs = max(_number(bags.log_positive.max()), _number(bags.log_negative.max()))
        ensure(logs <= TOLERANCE, "a logarithm of a bag is above 0")


@check("pooling")
def takes_probabilities(subject: Subject) -> None:
    """Called with probabilities of any precision it gives the bags of their logits."""
    import torch

    for maps in random_maps(subject):
        given = [_grid(x).sigmoid() for x in (maps.regions, maps.abnormality)]
        coarser = None if maps.coarser is None else _grid(maps.coarser).sigmoid()
        pooling = pooling_of(subject)
        called = pooling(given[0], given[1], coarser)
        _same(called, pooling.bags(maps).probability, "probabilities and logits give other bags")
        rounded = [None if x is None else x.to(torch.bfloat16) for x in (*given, coarser)]
        half = pooling(*rounded)  # type: ignore[arg-type]
        ensure(half.dtype == torch.float32, f"bfloat16 maps give {half.dtype}, not float32")
        inside = torch.isfinite(half).all() and (half >= 0).all() and (half <= 1).all()
        ensure(bool(inside), "bfloat16 maps give a bag outside [0, 1]")


@check("pooling")
def finite_gradients(subject: Subject) -> None:
    """Gradients are finite, also where all maps are near 0 or 1, and reach the maps."""
    import torch

    for number, maps in enumerate((*random_maps(subject), *extreme_maps(subject))):
        for output in range(3):
            given = as_leaves(maps)
            pooling = pooling_of(subject)
            pooling.bags(given)[output].sum().backward()  # type: ignore[no-untyped-call]
            module = pooling.learned()
            leaves = [given.regions, given.abnormality, *(module.parameters() if module else ())]
            for leaf in leaves:
                finite = leaf.grad is None or bool(torch.isfinite(leaf.grad).all())
                ensure(finite, "a gradient is not finite")
            if number == 0:
                gradient = given.abnormality.grad
                moved = gradient is not None and bool((gradient != 0).any())
                ensure(moved, "no gradient reaches the abnormality maps")


@check("pooling")
def agrees_with_its_formula(subject: Subject) -> None:
    """Values and gradients are those of ``formula`` in float64, if the kind has one."""
    import torch

    for number, maps in enumerate(
        (*random_maps(subject), *tied_maps(subject), *extreme_maps(subject))
    ):
        pooling = pooling_of(subject)
        given, exact = as_leaves(maps), as_leaves(maps, torch.float64)
        expected = reference(pooling, exact)
        if expected is None:
            return
        found = pooling.bags(given)
        wanted = expected.probability.float()
        _same(found.probability, wanted, "the bags are not those of the formula")
        if number > 1:  # which of tied voxels gets the gradient is free
            continue
        weights = torch.from_numpy(np.random.default_rng(0).normal(size=tuple(wanted.shape)))
        for mine, theirs in zip(found, expected, strict=True):
            _same(mine, theirs.float(), "a logarithm is not that of the formula", 1e-4)
            got = _gradients((mine * weights.float()).sum(), given)
            right = _gradients((theirs * weights).sum(), exact)
            for a, b in zip(got, right, strict=True):
                scale = max(_number(b.abs().max()), 1e-12)
                _same(a / scale, (b / scale).float(), "a gradient is not that of the formula")


@check("pooling")
def inputs_are_left_alone(subject: Subject) -> None:
    """Maps are not changed in place, and the same maps give the same bags."""
    import torch

    for maps in random_maps(subject):
        tensors = [maps.regions, maps.abnormality, maps.coarser]
        copies = [None if x is None else x.clone() for x in tensors]
        pooling = pooling_of(subject)
        first, second = (pooling.bags(maps).probability for _ in range(2))
        _same(first, second, "the same maps gave other bags", 0.0)
        for before, after in zip(copies, tensors, strict=True):
            same = before is None or after is None or torch.equal(before, after)
            ensure(same, "a map was changed in place")


@check("pooling")
def permutation_of_voxels(subject: Subject) -> None:
    """The order of voxels is irrelevant."""
    import torch

    order = torch.from_numpy(np.random.default_rng(1).permutation(int(np.prod(SHAPE))))
    for maps in random_maps(subject):
        shuffled = changed(maps, lambda x: x[..., order])
        pooling = pooling_of(subject)
        _same(
            pooling.bags(maps).probability,
            pooling.bags(shuffled).probability,
            "permuting the voxels changed a bag",
        )


@check("pooling")
def independent_of_the_batch(subject: Subject) -> None:
    """A scan alone gives the row it has in a batch, also beside an empty scan."""
    for maps in random_maps(subject):
        maps.regions[-1], maps.abnormality[-1] = -40.0, -40.0
        pooling = pooling_of(subject)
        together = pooling.bags(maps)
        for row in range(len(maps.regions)):
            alone = pooling.bags(changed(maps, lambda x, at=row: x[at : at + 1]))  # type: ignore[misc]
            for one, all_of_them in zip(alone, together, strict=True):
                _same(one[0], all_of_them[row], "a scan's bags depend on the rest of the batch")


@check("pooling")
def empty_region(subject: Subject) -> None:
    """A region without voxels gives about 0 and leaves the other regions as they were."""
    import torch

    for maps in random_maps(subject):
        pooling = pooling_of(subject)
        before = pooling.bags(maps).probability
        emptied = maps.regions.clone()
        emptied[:, 0] = -30.0
        after = pooling.bags(replace(maps, regions=emptied)).probability
        ensure(bool(torch.isfinite(after).all()), "an empty region gives a bag that is not finite")
        most = _number(after[:, 0].max())
        ensure(most < 0.05, f"an empty region gives a bag of {most:.2g}")
        _same(after[:, 1:], before[:, 1:], "an empty region changed another region's bag")


@check("pooling")
def monotone_in_abnormality(subject: Subject) -> None:
    """Raising the abnormality map anywhere never lowers a bag, unless the kind says it may."""
    import torch

    if not pooling_of(subject).monotone:
        return
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        for maps in random_maps(subject, seed):
            shape = maps.abnormality.shape
            where = torch.rand(shape, generator=generator) < 0.3
            step = 3 * torch.rand(shape, generator=generator) * where
            pooling = pooling_of(subject)
            raised = pooling.bags(replace(maps, abnormality=maps.abnormality + step))
            fall = _number((pooling.bags(maps).probability - raised.probability).max())
            ensure(fall <= TOLERANCE, f"raising the abnormality map lowered a bag by {fall:.2g}")


@check("pooling")
def label_flip_symmetry(subject: Subject) -> None:
    """Mirroring the maps and swapping the paired regions swaps the rows of the bags."""
    import torch

    swap = torch.from_numpy(subject.anatomy.mirror_index[:-2])
    for maps in random_maps(subject):
        pooling = pooling_of(subject)
        mirrored = changed(maps, lambda x: _grid(x).flip(-1).flatten(2))
        mirrored = replace(mirrored, regions=mirrored.regions[:, swap])
        _same(
            pooling.bags(mirrored).probability,
            pooling.bags(maps).probability[:, swap],
            "mirrored maps do not give mirrored bags",
        )


@check("pooling")
def types_are_pooled_alike(subject: Subject) -> None:
    """Permuting the abnormality types permutes the columns of the bags."""
    import torch

    order = torch.from_numpy(np.random.default_rng(2).permutation(subject.anatomy.n_types))
    for maps in random_maps(subject):
        pooling = pooling_of(subject)
        permuted = replace(
            maps,
            abnormality=maps.abnormality[:, order],
            coarser=None if maps.coarser is None else maps.coarser[:, order],
        )
        _same(
            pooling.bags(permuted).probability,
            pooling.bags(maps).probability[..., order],
            "permuting the types does not permute the columns",
        )


@check("pooling")
def bag_size_bias_is_reported(subject: Subject) -> None:
    """How much larger a bag of noise gets with its size is a number; it is printed."""
    found = bag_size_bias(pooling_of(subject), subject.anatomy.n_types)
    text = ", ".join(f"{size} voxels: {value:.3g}" for size, value in found.items())
    print(f"{subject.kind}: mean bag of pure noise, {text}")
    ensure(all(0 <= v <= 1 for v in found.values()), f"bags of noise are {text}")


def _grid(maps: Tensor) -> Tensor:
    return maps.view(*maps.shape[:2], *SHAPE)


def _gradients(value: Tensor, maps: VoxelMaps) -> list[Tensor]:
    """Of both maps; zeros for one that the value does not depend on."""
    import torch

    leaves = (maps.regions, maps.abnormality)
    found = torch.autograd.grad(value, leaves, retain_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, found, strict=True)]


def _number(value: Tensor) -> float:
    return float(value.detach())


def _same(a: Tensor, b: Tensor, message: str, tolerance: float = TOLERANCE) -> None:
    difference = _number((a - b).abs().max())
    ensure(difference <= tolerance, f"{message} (difference {difference:.2g})")
