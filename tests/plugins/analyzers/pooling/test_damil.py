from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.plugins.analyzers.pooling.damil import DaMIL, DaMILConfig


def naive(s, d, coarser, config):
    """E7, literally, in float64."""
    out = np.zeros((s.shape[0], s.shape[1], d.shape[1]))
    for b, i, j in np.ndindex(*out.shape):
        product = np.sort(s[b, i] * d[b, j])[::-1]
        k = 1
        if coarser is not None:
            count = (s[b, i] * coarser[b, j] > config.threshold).sum()
            scaling = 8 if config.count_scaling == "volume" else config.count_scaling
            k = max(round(count * scaling), config.min_k)
        out[b, i, j] = product[: min(k, product.size)].mean()
    return out


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**31),
    voxels=st.integers(1, 60),
    with_coarser=st.booleans(),
    scaling=st.sampled_from([1.0, 4.0, "volume"]),
    min_k=st.integers(1, 80),
)
def test_values_are_e7(seed, voxels, with_coarser, scaling, min_k) -> None:
    rng = np.random.default_rng(seed)
    s, d, c = (rng.random((2, n, voxels)).astype(np.float32) for n in (3, 2, 2))
    config = DaMILConfig(threshold=0.3, count_scaling=scaling, min_k=min_k)
    pooling = DaMIL(config, load_anatomy("head_ct"))
    coarser = torch.from_numpy(c) if with_coarser else None
    got = pooling(torch.from_numpy(s), torch.from_numpy(d), coarser).numpy()
    want = naive(*(a.astype(np.float64) for a in (s, d)), c if with_coarser else None, config)
    np.testing.assert_allclose(got, want, atol=1e-5)


def test_an_abnormality_seen_at_the_coarser_scale_must_be_filled() -> None:
    pooling = DaMIL(DaMILConfig(), load_anatomy("head_ct"))
    s = torch.ones(1, 1, 100)
    coarser = torch.zeros(1, 1, 100)
    coarser[..., :20] = 0.9
    d = torch.zeros(1, 1, 100)
    d[..., 0] = 1.0
    assert pooling(s, d, None).item() == pytest.approx(1.0)
    assert pooling(s, d, coarser).item() == pytest.approx(1 / 20)


def test_the_released_variant_is_a_preset_of_fields() -> None:
    released = DaMILConfig(variant="released")
    assert (released.count_scaling, released.min_k, released.first_scale) == (4.0, 4, 10)
    assert (released.count_at, released.reduce) == ("coarser", "loss")
    assert DaMILConfig(variant="released", reduce="mean").reduce == "mean"
    assert DaMILConfig().model_dump() != released.model_dump()
    for wrong in ({"count_scaling": 0}, {"count_scaling": "all"}, {"first_scale": 0}):
        with pytest.raises(ValueError, match=r"count_scaling|first_scale"):
            DaMILConfig(**wrong)
