"""Poolings against the formulas written plainly: time, memory, and what memory bandwidth allows.

``python benchmarks/pooling.py`` takes turns between the naive form (all N x M x V products, then
``amax`` or ``topk``) and the plugin, forward and backward from the same logits, so that a busy
machine slows both alike, and prints medians of milliseconds: processor time on one thread, which
other programs hardly change, wall time on more. Peak extra memory is measured in processes of their
own, as growth of the peak resident set over the maps themselves. The limit is the time to read both
maps twice and write both gradients once at the bandwidth measured in the same run.

    python benchmarks/pooling.py --rounds 15 --threads 2
    python benchmarks/pooling.py --table
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.interfaces import build
from crossdl.networks.bags import Bags, VoxelMaps
from crossdl.testing.pooling_maps import bag_size_bias

SHAPES = {"40x80x80": (40, 80, 80), "80x160x160": (80, 160, 160)}
N, M = 17, 4
Loss = Callable[[VoxelMaps], Tensor]


def random_maps(shape: tuple[int, int, int], generator: torch.Generator) -> VoxelMaps:
    """Probabilities uniform in [0, 1] at every voxel: nothing is sparse."""
    voxels = shape[0] * shape[1] * shape[2]
    made = [torch.rand((1, c, voxels), generator=generator).logit(eps=1e-6) for c in (N, M, M)]
    return VoxelMaps(*made)


def realistic_maps(shape: tuple[int, int, int], generator: torch.Generator) -> VoxelMaps:
    """17 balls of regions and a few lesions of several sizes per type, soft edges, noise."""
    axes = torch.meshgrid(*(torch.linspace(-1, 1, n) for n in shape), indexing="ij")
    position = torch.stack(axes)

    def ball(centre: Tensor, radius: float) -> Tensor:
        distance = (position - centre.view(3, 1, 1, 1)).square().sum(0).sqrt()
        return ((radius - distance) * 40).clamp(-9, 7)

    centres = 1.4 * torch.rand((N, 3), generator=generator) - 0.7
    regions = torch.stack([ball(c, 0.33) for c in centres])
    types = []
    for _ in range(M):
        lesions = [torch.full(shape, -8.0)]
        for number in torch.randperm(N, generator=generator)[:4].tolist():
            shift = 0.1 * torch.randn(3, generator=generator)
            radius = 0.05 + 0.2 * float(torch.rand(1, generator=generator))
            lesions.append(ball(centres[number] + shift, radius))
        types.append(torch.stack(lesions).amax(0))
    a, b = (x.flatten(1)[None] for x in (regions, torch.stack(types)))
    noise = [0.7 * torch.randn(x.shape, generator=generator) for x in (a, b, b)]
    return VoxelMaps(a + noise[0], b + noise[1], b + noise[2])


MAKERS = {"random": random_maps, "realistic": realistic_maps}


def naive_max(maps: VoxelMaps) -> Tensor:
    """E6 as it is written."""
    return (maps.s[:, :, None] * maps.d[:, None]).amax(dim=-1)


def naive_damil(maps: VoxelMaps) -> Tensor:
    """E7 as it is written: counted, sorted down to the largest k, masked, averaged."""
    s, d = maps.s[:, :, None], maps.d[:, None]
    assert maps.coarser is not None
    with torch.no_grad():
        k = (s * maps.coarser.sigmoid()[:, None] > 0.5).sum(dim=-1).clamp_min(1)
    largest = (s * d).topk(int(k.max()), dim=-1).values
    return (largest * (torch.arange(largest.shape[-1]) < k[..., None])).sum(dim=-1) / k


NAIVE = {"max": naive_max, "damil": naive_damil}


def loss_of(kind: str, naive: bool) -> Loss:
    """Sum of both logarithms of all bags: what E8 needs."""
    if naive:
        return lambda maps: _loss(Bags.from_probability(NAIVE[kind](maps)))
    pooling = build(default_catalog().parse("pooling", {"kind": kind}), load_anatomy("head_ct"))
    return lambda maps: _loss(pooling.bags(maps))


def _loss(bags: Bags) -> Tensor:
    return -(bags.log_positive + bags.log_negative).sum()


def step(loss: Loss, maps: VoxelMaps) -> float:
    """Seconds of one pass forward and backward: the processor's if there is one thread."""
    clock = time.process_time if torch.get_num_threads() == 1 else time.perf_counter
    maps.regions.grad = maps.abnormality.grad = None
    start = clock()
    given = VoxelMaps(maps.regions, maps.abnormality, maps.coarser)  # nothing is cached
    loss(given).backward()  # type: ignore[no-untyped-call]
    return clock() - start


def fixed_maps(maker: str, shape: str) -> VoxelMaps:
    """The same maps in every process."""
    maps = MAKERS[maker](SHAPES[shape], torch.Generator().manual_seed(0))
    for x in (maps.regions, maps.abnormality):
        x.requires_grad_()
    return maps


def bandwidth() -> float:
    """Bytes read a second, the best of some sums over 256 MB."""
    data = torch.ones(64 * 2**20)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        data.sum()
        best = min(best, time.perf_counter() - start)
    return data.numel() * 4 / best


def peak_of(kind: str, naive: bool, maker: str, shape: str) -> float:
    """Megabytes that three passes add to the peak of a process that holds the maps."""
    command = [sys.executable, __file__, "--peak", json.dumps([kind, naive, maker, shape])]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    return float(done.stdout)


def print_peak(kind: str, naive: bool, maker: str, shape: str) -> None:
    """What :func:`peak_of` runs; a first pass over small maps loads all code."""
    torch.set_num_threads(1)
    loss = loss_of(kind, naive)
    small = MAKERS["random"]((4, 8, 8), torch.Generator().manual_seed(0))
    small.regions.requires_grad_()
    step(loss, small)
    maps = fixed_maps(maker, shape)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten (Linux)
    before = _status("VmRSS")
    for _ in range(3):
        step(loss, maps)
    print(_status("VmHWM") - before)


def _status(name: str) -> float:
    """A size from the process's status, megabytes."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def compare(rounds: int, speed: float) -> None:
    """Prints one line per pooling, kind of maps and size."""
    print(
        "pooling  maps       voxels     naive ms   ours ms  ratio  x limit naive MB  ours MB share"
    )
    for shape, sides in SHAPES.items():
        voxels = sides[0] * sides[1] * sides[2]
        limit = 3 * (N + M) * voxels * 4 / speed
        for maker in MAKERS:
            maps = fixed_maps(maker, shape)
            for kind in NAIVE:
                forms = {naive: loss_of(kind, naive) for naive in (True, False)}
                times: dict[bool, list[float]] = {True: [], False: []}
                for number in range(rounds + 1):
                    for naive, loss in forms.items():
                        seconds = step(loss, maps)
                        if number:  # the first pass warms up
                            times[naive].append(seconds)
                slow, fast = (statistics.median(times[n]) for n in (True, False))
                much, little = (peak_of(kind, n, maker, shape) for n in (True, False))
                print(
                    f"{kind:8} {maker:10} {shape:10} {1000 * slow:9.1f} {1000 * fast:9.2f} "
                    f"{slow / fast:6.1f} {fast / limit:8.1f} {much:9.0f} {little:8.0f} "
                    f"{little / much:6.2f}",
                    flush=True,
                )


def table(rounds: int) -> None:
    """Every kind as a row of docs/poolings.md, timed on realistic maps of the smaller size."""
    maps, anatomy = fixed_maps("realistic", "40x80x80"), load_anatomy("head_ct")
    catalog = default_catalog()
    kinds = [e.kind for e in catalog.kinds("pooling")]
    losses = {kind: loss_of(kind, False) for kind in kinds}
    times: dict[str, list[float]] = {kind: [] for kind in losses}
    for number in range(rounds + 1):
        for kind, loss in losses.items():
            seconds = step(loss, maps)
            if number:
                times[kind].append(seconds)
    print(
        "| kind | formula | reference | learned | monotone | "
        "ŷ of noise, 64 / 1,024 / 16,384 voxels | ms |"
    )
    print("|---|---|---|---|---|---|---|")
    for kind in kinds:
        pooling = build(catalog.parse("pooling", {"kind": kind}), anatomy)
        text = (inspect.getdoc(type(pooling)) or "").split("\n\n")
        found = re.search(r"Reference: (.*?\d{4})", " ".join(text[1].split()))
        reference = found[1] if found else ""
        bias = " / ".join(f"{x:.3f}" for x in bag_size_bias(pooling, M).values())
        learned = "yes" if pooling.learned() is not None else "no"
        print(
            f"| `{kind}` | {' '.join(text[0].split())} | {reference} | {learned} | "
            f"{'yes' if pooling.monotone else 'no'} | {bias} | "
            f"{1000 * statistics.median(times[kind]):.0f} |"
        )


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--table", action="store_true", help="the table of docs/poolings.md")
    parser.add_argument("--peak", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.peak:
        print_peak(*json.loads(given.peak))
        return
    torch.set_num_threads(given.threads)
    if given.table:
        table(given.rounds)
        return
    speed = bandwidth()
    print(f"{N} x {M} bags, {given.threads} threads, memory read {speed / 1e9:.1f} GB/s")
    compare(given.rounds, speed)


if __name__ == "__main__":
    main()
