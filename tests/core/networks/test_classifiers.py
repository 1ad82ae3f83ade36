from __future__ import annotations

import numpy as np
import pytest
import torch

from crossdl.networks.classifiers import AttentionClassifier, Classifier, EncoderClassifier
from crossdl.networks.unet3d import UNet3D


def make(kind: str, **fields: object) -> EncoderClassifier:
    torch.manual_seed(0)
    kinds = {"classifier": Classifier, "attention": AttentionClassifier}
    return kinds[kind](1, 3, 2, **{"levels": 3, "base_filters": 2, **fields})


KINDS = pytest.mark.parametrize("kind", ["classifier", "attention"])


@KINDS
def test_shapes(kind: str) -> None:
    output = make(kind)(torch.randn(2, 1, 8, 16, 16))
    assert output.regions.shape == (2, 3, 2)
    assert output.scan.shape == (2, 2)


def test_the_convolutions_are_those_of_the_unet() -> None:
    shapes = [
        [tuple(p.shape) for p in network.encoder.parameters()]
        for network in (Classifier(1, 17, 4), UNet3D(1, 17, 4))
    ]
    assert shapes[0] == shapes[1]


def test_attention_pools_what_it_attends_to() -> None:
    """In numpy, from the definition."""
    network = make("attention")
    assert isinstance(network, AttentionClassifier)
    image = torch.randn(2, 1, 8, 16, 16)
    features = network.features(image, 2).detach().numpy().astype(np.float64).reshape(2, 8 * 2, -1)
    with torch.no_grad():
        output = network(image)
    u, c = (p.detach().numpy() for p in (network.attention.weight, network.attention.bias))
    w, b = (p.detach().numpy() for p in (network.linear.weight, network.linear.bias))
    for scan in range(2):
        for region in range(4):
            score = u[region].ravel() @ features[scan] + c[region]
            weight = np.exp(score - score.max())
            weight /= weight.sum()
            seen = features[scan] @ weight
            for kind in range(2):
                expected = w[2 * region + kind] @ seen + b[2 * region + kind]
                rows = torch.cat([output.regions[scan], output.scan[scan][None]])
                assert float(rows[region, kind]) == pytest.approx(expected, 1e-4)
            if region == 3:
                continue
            assert output.attention is not None
            found = output.attention[scan, region].detach().numpy().ravel()
            np.testing.assert_allclose(found, weight, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_feature_pooling(pooling: str) -> None:
    network = make("classifier", feature_pooling=pooling)
    image = torch.randn(1, 1, 8, 16, 16)
    features = network.features(image, 2)[0].flatten(1)
    pooled = features.mean(dim=1) if pooling == "mean" else features.max(dim=1).values
    assert isinstance(network, Classifier)
    rows = network.linear(pooled).view(4, 2)
    output = network(image)
    torch.testing.assert_close(output.regions[0], rows[:3])
    torch.testing.assert_close(output.scan[0], rows[3])


@KINDS
def test_checkpointing_memory_format_and_levels_change_nothing(kind: str) -> None:
    network = make(kind)
    image = torch.randn(2, 1, 8, 16, 16)
    found = []
    for network.checkpointing, form in (
        (False, torch.contiguous_format),
        (True, torch.contiguous_format),
        (False, torch.channels_last_3d),
    ):
        network.zero_grad()
        network.to(memory_format=form)
        output = network(image.to(memory_format=form))
        (output.regions.square().sum() + output.scan.square().sum()).backward()
        found.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[1], strict=True))
    assert all(bool(g.any()) for g in found[0])
    for a, b in zip(found[0], found[2], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)
    for level in range(3):
        other = network.conclude(network.features(image, level), level)
        torch.testing.assert_close(other.regions, network(image).regions)


@KINDS
def test_heads_run_in_float32_under_autocast(kind: str) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = make(kind)(torch.randn(1, 1, 8, 16, 16))
    assert output.regions.dtype == output.scan.dtype == torch.float32


@KINDS
def test_a_shape_that_does_not_fit_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match="multiple of 4"):
        make(kind)(torch.zeros(1, 1, 8, 15, 16))
