"""Max and top-k pooling against the naive broadcast, at the size of the paper's finest scale.

``python benchmarks/pooling.py`` prints the fastest of some rounds; the variants take turns, so a
busy machine slows them alike and the ratio holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor

from crossdl.networks.products import k_largest, largest_products, products_at

REGIONS, TYPES, VOXELS, ROUNDS, K = 17, 4, 256_000, 7, 10


def naive_max(s: Tensor, d: Tensor) -> Tensor:
    """E6 as it is written: all products at once."""
    return (s[:, :, None] * d[:, None]).amax(dim=-1)


def naive_top(s: Tensor, d: Tensor) -> Tensor:
    """Mean of the k largest of all products."""
    return (s[:, :, None] * d[:, None]).topk(K, dim=-1).values.mean(dim=-1)


def our_max(s: Tensor, d: Tensor) -> Tensor:
    """As the plugin ``max``."""
    return largest_products(s, d)


def our_top(s: Tensor, d: Tensor) -> Tensor:
    """As the plugin ``top_k``."""
    return products_at(s, d, k_largest(s, d, K)).mean(dim=-1)


def measure(functions: dict[str, Callable[[Tensor, Tensor], Tensor]]) -> dict[str, float]:
    """Milliseconds forward and backward, the variants taking turns."""
    generator = torch.Generator().manual_seed(0)
    s, d = (
        torch.rand((1, n, VOXELS), generator=generator).requires_grad_() for n in (REGIONS, TYPES)
    )
    best = dict.fromkeys(functions, float("inf"))
    for _ in range(ROUNDS):
        for name, function in functions.items():
            s.grad = d.grad = None
            start = time.perf_counter()
            function(s, d).sum().backward()
            best[name] = min(best[name], time.perf_counter() - start)
    return {name: 1000 * seconds for name, seconds in best.items()}


def main() -> None:
    """Prints one line per pooling."""
    print(f"{REGIONS} x {TYPES} x {VOXELS:,} voxels, forward and backward, ms")
    for title, naive, ours in (("max", naive_max, our_max), (f"top {K}", naive_top, our_top)):
        found = measure({"naive": naive, "ours": ours})
        ratio = found["naive"] / found["ours"]
        print(f"{title:8} naive {found['naive']:7.1f}  ours {found['ours']:6.1f}  {ratio:5.1f} x")


if __name__ == "__main__":
    main()
