"""Settings that change what a pooling computes keep the contract too."""

from __future__ import annotations

import torch

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.interfaces import build
from crossdl.networks.bags import VoxelMaps
from crossdl.testing import contract_tests

test_released = contract_tests("pooling", "damil", config={"variant": "released"})
test_trained_power = contract_tests("pooling", "power", config={"n": 3.0, "trained": True})
test_sharp_softmax = contract_tests("pooling", "softmax_alpha", config={"alpha": 40.0})
test_sharp_lse = contract_tests("pooling", "lse", config={"r": 16.0})
test_large_k = contract_tests("pooling", "top_k", config={"k": 40})


def test_learned_parameters_receive_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = VoxelMaps(*(torch.randn((2, n, 500), generator=generator) for n in (17, 4)))
    for table in (
        {"kind": "power", "trained": True},
        {"kind": "auto_pool"},
        {"kind": "auto_pool", "scope": "global"},
        {"kind": "gated_attention"},
    ):
        pooling = build(default_catalog().parse("pooling", table), load_anatomy("head_ct"))
        pooling.bags(maps).log_negative.sum().backward()
        parameters = list(pooling.learned().parameters())
        assert parameters, table
        assert all(p.grad is not None and bool(p.grad.any()) for p in parameters), table
