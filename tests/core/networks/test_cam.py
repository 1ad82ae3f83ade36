"""Class activation maps against finite differences and against what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from crossdl.networks.cam import (
    activation,
    activation_maps,
    cell_activation_maps,
    normalised,
)
from crossdl.networks.classifiers import AttentionClassifier, Classifier, EncoderClassifier


def double(kind: type[Any]) -> EncoderClassifier:
    torch.manual_seed(0)
    network: EncoderClassifier = kind(1, 3, 2, levels=3, base_filters=2)
    return network.double().eval()


def numeric_gradient(
    network: EncoderClassifier, features: torch.Tensor, level: int, kind: int
) -> Any:
    """∂z/∂A by central differences, one entry at a time."""
    step = 1e-5
    gradient = np.zeros(features.numel())
    with torch.no_grad():
        for entry in range(features.numel()):
            values = []
            for sign in (1, -1):
                moved = features.flatten().clone()
                moved[entry] += sign * step
                values.append(float(network.conclude(moved.view_as(features), level).scan[0, kind]))
            gradient[entry] = (values[0] - values[1]) / (2 * step)
    return gradient.reshape(features.shape)


@pytest.mark.parametrize("level", [1, 2])
@pytest.mark.parametrize("kind", [Classifier, AttentionClassifier])
def test_maps_agree_with_finite_differences(kind: type[Any], level: int) -> None:
    network = double(kind)
    image = torch.randn(1, 1, 4, 8, 8, dtype=torch.float64)
    with torch.no_grad():
        features = network.features(image, level)
    a = features.numpy()[0]
    for method in ("grad_cam", "hires_cam"):
        found = activation_maps(network, image, method=method, level=level)  # type: ignore[arg-type]
        for j in range(2):
            g = numeric_gradient(network, features, level, j)[0]
            if method == "grad_cam":
                g = np.broadcast_to(g.mean(axis=(1, 2, 3), keepdims=True), g.shape)
            expected = np.maximum((g * a).sum(axis=0), 0)
            if expected.max() > 0:
                expected /= expected.max()
            np.testing.assert_allclose(found.scan[0, j].numpy(), expected, atol=2e-4)


def test_hires_cam_shares_out_the_logit() -> None:
    """With a mean and a linear layer behind the features, its sum is the logit without bias."""
    network = double(Classifier)
    assert isinstance(network, Classifier)
    features = network.features(torch.randn(2, 1, 8, 16, 16, dtype=torch.float64), 2).detach()
    features.requires_grad_()
    scan = network.head(features).scan
    for j in range(2):
        (gradient,) = torch.autograd.grad(scan[:, j].sum(), features, retain_graph=True)
        raw = activation(features, gradient, "hires_cam")
        contribution = scan[:, j] - network.linear.bias[3 * 2 + j]
        torch.testing.assert_close(raw.sum(dim=(1, 2, 3)), contribution)
        torch.testing.assert_close(raw, activation(features, gradient, "grad_cam"))


def test_a_scan_does_not_see_its_batch() -> None:
    torch.manual_seed(0)
    network = Classifier(1, 3, 2, levels=3, base_filters=2).eval()
    images = torch.randn(2, 1, 8, 16, 16)
    together = activation_maps(network, images, method="hires_cam", level=1, regions=True)
    alone = activation_maps(network, images[1:], method="hires_cam", level=1, regions=True)
    assert together.regions is not None and alone.regions is not None
    torch.testing.assert_close(together.scan[1:], alone.scan, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(together.regions[1:], alone.regions, rtol=1e-3, atol=1e-4)
    assert together.regions.shape == (2, 3, 4, 8, 8)
    assert not any(p.grad is not None for p in network.parameters())


def test_maps_work_without_gradients_outside_and_in_bfloat16() -> None:
    network = Classifier(1, 3, 2, levels=3, base_filters=2).eval()
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        image = torch.randn(1, 1, 8, 16, 16)
        found = activation_maps(network, image, method="grad_cam", level=2)
    assert found.scan.dtype == torch.float32
    assert bool(torch.isfinite(found.scan).all())


def test_maps_of_cells_and_of_regions() -> None:
    """A region's map is that of its largest cell."""
    torch.manual_seed(0)
    network = AttentionClassifier(1, 3, 2, levels=3, base_filters=2).eval()
    image = torch.randn(1, 1, 8, 16, 16)
    found = activation_maps(network, image, method="hires_cam", level=1, regions=True)
    cells = [(i, j) for i in range(3) for j in range(2)]
    maps = cell_activation_maps(network, image, cells, method="hires_cam", level=1)
    assert found.regions is not None and maps.shape == (1, 6, 4, 8, 8)
    for region in range(3):
        largest = int(found.output.regions[0, region].argmax())
        torch.testing.assert_close(found.regions[0, region], maps[0, 2 * region + largest])
    assert not torch.equal(maps[:, 0], maps[:, 1])


def test_normalisation() -> None:
    raw = torch.tensor([[[[-3.0, 1.0, 4.0]]], [[[-1.0, -2.0, 0.0]]]])
    expected = torch.tensor([[[[0.0, 0.25, 1.0]]], [[[0.0, 0.0, 0.0]]]])
    assert torch.equal(normalised(raw), expected)
