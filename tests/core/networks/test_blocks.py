from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import conv3d, interpolate

from crossdl.networks.blocks import InstanceNorm
from crossdl.networks.upsampling import convolve_upsampled


def plain(features: torch.Tensor, skip: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    upsampled = interpolate(features, scale_factor=2, mode="nearest")
    return conv3d(torch.cat([upsampled, skip], dim=1), weight, padding=1)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (4, 4, 4)])
def test_a_convolution_of_an_upsampled_map(shape: tuple[int, int, int]) -> None:
    """Values and all three gradients, in float64."""
    torch.manual_seed(0)
    features = torch.randn(2, 3, *shape).double()
    skip = torch.randn(2, 4, *(2 * n for n in shape)).double()
    weight = torch.randn(5, 7, 3, 3, 3).double()
    given = [x.requires_grad_() for x in (features, skip, weight)]
    found, expected = (f(*given) for f in (convolve_upsampled, plain))
    torch.testing.assert_close(found, expected)
    direction = torch.randn_like(found)
    gradients = [torch.autograd.grad(y, given, direction) for y in (found, expected)]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_instance_normalisation_in_both_memory_formats(batch: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    norm, reference = InstanceNorm(4, affine=True), nn.InstanceNorm3d(4, affine=True)
    for layer in (norm, reference):
        layer.weight.data = torch.tensor([1.0, 2.0, -1.0, 0.5])
        layer.bias.data = torch.tensor([0.0, 1.0, -1.0, 3.0])
    image = (7 + torch.randn(batch, 4, 6, 5, 4)).to(dtype)
    last = image.contiguous(memory_format=torch.channels_last_3d)
    found = norm(last)
    assert found.dtype == dtype
    if batch == 1:
        assert found.is_contiguous(memory_format=torch.channels_last_3d)
    tolerance = 1e-5 if dtype == torch.float32 else 0.05
    torch.testing.assert_close(found, reference(image), rtol=tolerance, atol=tolerance)
    assert torch.equal(norm(image), reference(image))
