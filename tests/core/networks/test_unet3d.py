from __future__ import annotations

import pytest
import torch

from crossdl.networks.unet3d import UNet3D


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def test_the_paper_size_has_the_released_parameter_count() -> None:
    assert round(parameters(UNet3D(1, 17, 4)) / 1e6, 1) == 16.4


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_outputs_from_coarse_to_half_resolution(levels: int) -> None:
    network = UNet3D(1, 3, 2, levels=levels, base_filters=2, scales=levels - 1)
    outputs = network(torch.randn(2, 1, 16, 24, 32))
    assert len(outputs) == levels - 1
    for step, output in enumerate(reversed(outputs), start=1):
        size = (16 >> step, 24 >> step, 32 >> step)
        assert output.regions.shape == (2, 3, *size)
        assert output.abnormality.shape == (2, 2, *size)


def test_filters_of_every_level() -> None:
    network = UNet3D(1, 3, 2, levels=4, base_filters=5)
    widths = [
        [m.out_channels for m in block.modules() if isinstance(m, torch.nn.Conv3d)]
        for block in (*network.encoder, *network.decoder)
    ]
    assert widths == [[5, 10], [10, 20], [20, 40], [40, 80], [40, 40], [20, 20]]


def test_softmax_has_a_normal_channel() -> None:
    network = UNet3D(1, 3, 2, levels=2, base_filters=2, scales=1, abnormality_activation="softmax")
    output = network(torch.randn(1, 1, 4, 8, 8))[-1]
    assert output.abnormality.shape[1] == 3
    regions, abnormality = network.probabilities(output)
    assert abnormality.shape[1] == 2
    assert float(abnormality.detach().sum(dim=1).max()) < 1
    assert torch.equal(regions, output.regions.sigmoid())


def test_heads_run_in_float32_under_autocast() -> None:
    network = UNet3D(1, 3, 2, levels=3, base_filters=2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = network(torch.randn(1, 1, 8, 8, 16))
    assert {x.dtype for output in outputs for x in output} == {torch.float32}


@pytest.mark.parametrize("shape", [(15, 16, 16), (4, 16, 16), (8, 8, 8)])
def test_a_shape_that_does_not_fit_is_refused(shape: tuple[int, int, int]) -> None:
    network = UNet3D(1, 3, 2, levels=4, base_filters=2)
    with pytest.raises(ValueError, match="multiple of 8"):
        network(torch.zeros(1, 1, *shape))


def test_scales_must_exist() -> None:
    with pytest.raises(ValueError, match="scales"):
        UNet3D(1, 3, 2, levels=3, scales=3)


def test_every_parameter_gets_a_gradient() -> None:
    network = UNet3D(1, 3, 2, levels=4, base_filters=2, scales=2)
    outputs = network(torch.randn(1, 1, 16, 16, 16))
    torch.stack([(x**2).sum() for output in outputs for x in output]).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize("depth", [4, 8, 12])
def test_bfloat16_gradients_repeat_and_agree_with_float32(depth: int) -> None:
    """Depth 2 at the coarsest level is where oneDNN's bfloat16 kernel is broken."""

    def gradient(bf16: bool) -> torch.Tensor:
        torch.manual_seed(0)
        network = UNet3D(1, 3, 2, levels=3, base_filters=8)
        image = torch.randn(1, 1, depth, 32, 32)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            outputs = network(image)
        torch.stack([(x**2).mean() for output in outputs for x in output]).sum().backward()
        return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])

    exact, repeats = gradient(False), [gradient(True) for _ in range(5)]
    assert all(torch.equal(repeats[0], other) for other in repeats[1:])
    assert torch.nn.functional.cosine_similarity(exact, repeats[0], dim=0) > 0.99
