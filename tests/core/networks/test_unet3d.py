from __future__ import annotations

from typing import Any

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
    assert isinstance(network.abnormality_heads[0], torch.nn.Conv3d)
    assert network.abnormality_heads[0].out_channels == 3
    output = network(torch.randn(1, 1, 4, 8, 8))[-1]
    assert output.abnormality.shape[1] == 2
    assert float(output.abnormality.detach().sigmoid().sum(dim=1).max()) < 1


def test_without_regions_there_are_no_region_heads() -> None:
    network = UNet3D(1, 0, 2, levels=2, base_filters=2, scales=1)
    output = network(torch.randn(1, 1, 4, 8, 8))[-1]
    assert output.regions is None
    assert not [name for name, _ in network.named_parameters() if "region" in name]


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


def gradients(network: UNet3D, image: torch.Tensor, dtype: torch.dtype | None = None) -> list[Any]:
    network.zero_grad()
    with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
        outputs = network(image)
    torch.stack([(x**2).sum() for output in outputs for x in output]).sum().backward()
    return [p.grad for p in network.parameters()]


def test_every_parameter_gets_a_gradient() -> None:
    network = UNet3D(1, 3, 2, levels=4, base_filters=2, scales=2)
    found = gradients(network, torch.randn(1, 1, 16, 16, 16))
    assert all(g is not None and g.any() for g in found)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16])
def test_checkpointing_keeps_less_and_changes_no_gradient(dtype: torch.dtype | None) -> None:
    network = UNet3D(1, 3, 2, levels=3, base_filters=4, scales=2)
    image = torch.randn(2, 1, 8, 16, 16)
    found, kept = [], []
    for network.checkpointing in (False, True):
        sizes: list[int] = []

        def pack(x: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(x.numel())
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            found.append(gradients(network, image, dtype))
        kept.append(sum(sizes))
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    assert kept[1] < 0.8 * kept[0]


def test_memory_format_is_free() -> None:
    torch.manual_seed(0)
    network = UNet3D(1, 3, 2, levels=3, base_filters=2)
    image = torch.randn(2, 1, 8, 16, 16)
    plain = [x for output in network(image) for x in output]
    network.to(memory_format=torch.channels_last_3d)
    last = network(image.to(memory_format=torch.channels_last_3d))
    for a, b in zip(plain, [x for output in last for x in output], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


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
