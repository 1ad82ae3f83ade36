"""Values and gradients of max and top_k against naive float64 formulas."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.interfaces import MILPooling


def make(table: dict[str, object]) -> MILPooling:  # type: ignore[type-arg]
    catalog = default_catalog()
    pooling: MILPooling = catalog.create(  # type: ignore[type-arg]
        "pooling", catalog.parse("pooling", table), load_anatomy("head_ct")
    )
    return pooling


def naive_max(s: Tensor, d: Tensor) -> Tensor:
    return (s[:, :, None] * d[:, None]).amax(dim=-1)


def naive_top(k: int) -> Callable[[Tensor, Tensor], Tensor]:
    def pool(s: Tensor, d: Tensor) -> Tensor:
        ordered = (s[:, :, None] * d[:, None]).sort(dim=-1, descending=True).values
        return ordered[..., :k].mean(dim=-1)

    return pool


CASES = [
    ({"kind": "max"}, naive_max),
    ({"kind": "top_k", "k": 1}, naive_max),
    ({"kind": "top_k"}, naive_top(10)),
    ({"kind": "top_k", "k": 700}, naive_top(700)),
    ({"kind": "top_k", "k": 10**6}, naive_top(10**6)),
]


@pytest.mark.parametrize("shape", [(1, 17, 4, 70_000), (1, 3, 2, 64), (3, 2, 5, 129), (1, 1, 1, 1)])
@pytest.mark.parametrize(("table", "naive"), CASES)
def test_values_and_gradients(
    table: dict[str, object],
    naive: Callable[[Tensor, Tensor], Tensor],
    shape: tuple[int, int, int, int],
) -> None:
    batch, n, m, voxels = shape
    if voxels == 70_000 and table.get("k", 0) not in (0, 1, 700):
        voxels = 1000
    generator = torch.Generator().manual_seed(voxels)
    s = torch.rand((batch, n, voxels), generator=generator, dtype=torch.float64)
    d = torch.rand((batch, m, voxels), generator=generator, dtype=torch.float64)
    weights = torch.randn((batch, n, m), generator=generator, dtype=torch.float64)
    expected_inputs = [s.requires_grad_(), d.requires_grad_()]
    expected = naive(s, d)
    wanted = torch.autograd.grad((expected * weights).sum(), expected_inputs)

    inputs = [s.detach().float().requires_grad_(), d.detach().float().requires_grad_()]
    bags = make(table)(inputs[0], inputs[1], None)
    got = torch.autograd.grad((bags * weights.float()).sum(), inputs)

    assert bags.shape == (batch, n, m)
    torch.testing.assert_close(bags.double(), expected.detach(), atol=1e-5, rtol=0)
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a.double(), b, atol=1e-5, rtol=1e-5)
