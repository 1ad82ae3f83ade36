"""Checks of :class:`crossdl.interfaces.MILPooling`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from crossdl.interfaces import MILPooling
from crossdl.testing.checks import Subject, check, ensure

if TYPE_CHECKING:
    from torch import Tensor

    Maps = tuple[Tensor, Tensor, Tensor | None]

SHAPE = (3, 4, 5)
"""Voxels of the small maps, ``(D, H, W)``."""
TOLERANCE = 1e-5


@check("pooling")
def shape_and_range(subject: Subject) -> None:
    """ŷ is ``(B, N, M)`` float32 in [0, 1], whatever the precision of the maps."""
    import torch

    for maps in _maps(subject):
        for dtype in (torch.float32, torch.bfloat16):
            given = [None if m is None else m.to(dtype) for m in maps]
            bags = _pooling(subject)(given[0], given[1], given[2])  # type: ignore[arg-type]
            expected = (maps[0].shape[0], subject.anatomy.n_regions, subject.anatomy.n_types)
            ensure(tuple(bags.shape) == expected, f"shape {tuple(bags.shape)}, not {expected}")
            ensure(bags.dtype == torch.float32, f"dtype {bags.dtype}, not float32")
            inside = torch.isfinite(bags).all() and (bags >= 0).all() and (bags <= 1).all()
            ensure(bool(inside), "a bag probability lies outside [0, 1]")


@check("pooling")
def finite_gradients(subject: Subject) -> None:
    """Gradients are finite, also where all maps are zero or one, and reach the maps."""
    import torch

    for number, maps in enumerate((*_maps(subject), *_constant_maps(subject))):
        regions, abnormality = (m.clone().requires_grad_() for m in maps[:2])
        bags = _pooling(subject)(regions, abnormality, maps[2])
        bags.sum().backward()  # type: ignore[no-untyped-call]
        ensure(abnormality.grad is not None, "no gradient reaches the abnormality maps")
        for name, gradient in (("region", regions.grad), ("abnormality", abnormality.grad)):
            finite = gradient is None or bool(torch.isfinite(gradient).all())
            ensure(finite, f"a gradient of the {name} maps is not finite")
        if number == 0:
            moved = abnormality.grad is not None and bool((abnormality.grad != 0).any())
            ensure(moved, "the gradient of the abnormality maps is zero everywhere")


@check("pooling")
def inputs_are_left_alone(subject: Subject) -> None:
    """Maps are not changed in place, and the same maps give the same bags."""
    import torch

    for maps in _maps(subject):
        copies = [None if m is None else m.clone() for m in maps]
        pooling = _pooling(subject)
        _same(pooling(*maps), pooling(*maps), "the same maps gave other bags", 0.0)
        for before, after in zip(copies, maps, strict=True):
            same = before is None or after is None or torch.equal(before, after)
            ensure(same, "a map was changed in place")


@check("pooling")
def permutation_of_voxels(subject: Subject) -> None:
    """The order of voxels is irrelevant."""
    import torch

    order = torch.from_numpy(np.random.default_rng(1).permutation(int(np.prod(SHAPE))))
    for maps in _maps(subject):
        shuffled = [None if m is None else m.flatten(2)[..., order].reshape(m.shape) for m in maps]
        pooling = _pooling(subject)
        _same(
            pooling(*maps),
            pooling(shuffled[0], shuffled[1], shuffled[2]),  # type: ignore[arg-type]
            "permuting the voxels changed a bag",
        )


@check("pooling")
def independent_of_the_batch(subject: Subject) -> None:
    """A scan alone gives the row it has in a batch, also beside an all-zero scan."""
    for maps in _maps(subject):
        maps[0][-1], maps[1][-1] = 0.0, 0.0
        pooling = _pooling(subject)
        together = pooling(*maps)
        for row in range(maps[0].shape[0]):
            alone = [None if m is None else m[row : row + 1] for m in maps]
            _same(
                pooling(alone[0], alone[1], alone[2])[0],  # type: ignore[arg-type]
                together[row],
                "a scan's bags depend on the other scans of the batch",
            )


@check("pooling")
def empty_region(subject: Subject) -> None:
    """A region without voxels gives a finite bag and leaves the other regions as they were."""
    import torch

    for regions, abnormality, coarser in _maps(subject):
        pooling = _pooling(subject)
        before = pooling(regions, abnormality, coarser)
        emptied = regions.clone()
        emptied[:, 0] = 0.0
        after = pooling(emptied, abnormality, coarser)
        ensure(bool(torch.isfinite(after).all()), "an empty region gives a bag that is not finite")
        _same(after[:, 1:], before[:, 1:], "an empty region changed another region's bag")


@check("pooling")
def monotone_in_abnormality(subject: Subject) -> None:
    """Raising the abnormality map anywhere never lowers a bag."""
    import torch

    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        for regions, abnormality, coarser in _maps(subject, seed):
            where = torch.rand(abnormality.shape, generator=generator) < 0.3
            step = torch.rand(abnormality.shape, generator=generator)
            raised = torch.where(where, (abnormality + step).clamp(max=1.0), abnormality)
            pooling = _pooling(subject)
            fall = pooling(regions, abnormality, coarser) - pooling(regions, raised, coarser)
            ensure(
                float(fall.max()) <= TOLERANCE,
                f"raising the abnormality map lowered a bag by {float(fall.max()):.2g}",
            )


@check("pooling")
def label_flip_symmetry(subject: Subject) -> None:
    """Mirroring the maps and swapping the paired regions swaps the rows of the bags."""
    import torch

    swap = torch.from_numpy(subject.anatomy.mirror_index[:-2])
    for regions, abnormality, coarser in _maps(subject):
        pooling = _pooling(subject)
        mirrored = pooling(
            regions[:, swap].flip(-1),
            abnormality.flip(-1),
            None if coarser is None else coarser.flip(-1),
        )
        plain = pooling(regions, abnormality, coarser)[:, swap]
        _same(mirrored, plain, "mirrored maps do not give mirrored bags")


@check("pooling")
def types_are_pooled_alike(subject: Subject) -> None:
    """Permuting the abnormality types permutes the columns of the bags."""
    import torch

    order = torch.from_numpy(np.random.default_rng(2).permutation(subject.anatomy.n_types))
    for regions, abnormality, coarser in _maps(subject):
        pooling = _pooling(subject)
        permuted = pooling(
            regions, abnormality[:, order], None if coarser is None else coarser[:, order]
        )
        plain = pooling(regions, abnormality, coarser)[..., order]
        _same(permuted, plain, "permuting the types does not permute the columns")


def _pooling(subject: Subject) -> MILPooling:  # type: ignore[type-arg]
    """A new pooling; parameters it may learn start from the same seed every time."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        pooling: MILPooling = subject.build()  # type: ignore[type-arg]
        pooling.learned()
    return pooling


def _maps(subject: Subject, seed: int = 0) -> Iterator[Maps]:
    """Random maps of three scans: at the coarsest scale, then with a coarser one."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    sizes = (subject.anatomy.n_regions, subject.anatomy.n_types, subject.anatomy.n_types)
    for scale in range(2):
        made = [torch.rand((3, n, *SHAPE), generator=generator) for n in sizes]
        yield made[0], made[1], made[2] if scale else None


def _constant_maps(subject: Subject) -> Iterator[Maps]:
    import torch

    n, m = subject.anatomy.n_regions, subject.anatomy.n_types
    for s in (0.0, 1.0):
        for d in (0.0, 1.0):
            maps = torch.full((2, n, *SHAPE), s), torch.full((2, m, *SHAPE), d)
            yield (*maps, None)
            yield (*maps, maps[1].clone())


def _same(a: Tensor, b: Tensor, message: str, tolerance: float = TOLERANCE) -> None:
    difference = float((a - b).abs().max())
    ensure(difference <= tolerance, f"{message} (difference {difference:.2g})")
