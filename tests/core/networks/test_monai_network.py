from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from crossdl.errors import ConfigError
from crossdl.networks.monai_catalog import check_arguments, check_network, constructor
from crossdl.networks.monai_network import MonaiNetwork

DYNUNET = {
    "kernel_size": [3, 3, 3],
    "strides": [1, 2, 2],
    "upsample_kernel_size": [2, 2],
    "filters": [4, 8, 16],
}
SEGRESNET = {"init_filters": 8, "blocks_down": [1, 1, 1], "blocks_up": [1, 1]}
SWIN = {"feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 4], "window_size": 3}
NETWORKS: list[tuple[str, dict[str, Any], tuple[int, int, int]]] = [
    ("DynUNet", DYNUNET, (8, 16, 16)),
    ("SegResNet", SEGRESNET, (8, 16, 16)),
    ("SwinUNETR", SWIN, (32, 32, 64)),
    ("UNet", {"channels": [4, 8], "strides": [2]}, (8, 16, 16)),
]
EACH = pytest.mark.parametrize(("name", "arguments", "shape"), NETWORKS)


def make(name: str, arguments: dict[str, Any], **fields: Any) -> MonaiNetwork:
    torch.manual_seed(0)
    return MonaiNetwork(name, arguments, 3, 2, **{"features": 6, **fields})


@EACH
def test_shapes(name: str, arguments: dict[str, Any], shape: tuple[int, int, int]) -> None:
    network = make(name, arguments)
    network.check(shape)
    coarse, fine = network(torch.randn(2, 1, *shape))
    assert fine.regions.shape == (2, 3, *(n // 2 for n in shape))
    assert fine.abnormality.shape == (2, 2, *(n // 2 for n in shape))
    assert coarse.abnormality.shape == (2, 2, *(n // 4 for n in shape))


@EACH
def test_checkpointing_and_memory_format_change_nothing(
    name: str, arguments: dict[str, Any], shape: tuple[int, int, int]
) -> None:
    network = make(name, arguments)
    image = torch.randn(1, 1, *shape)
    found, kept = [], []
    for network.checkpointing, form in (
        (False, torch.contiguous_format),
        (True, torch.contiguous_format),
        (False, torch.channels_last_3d),
    ):
        network.zero_grad()
        network.to(memory_format=form)
        sizes: list[int] = []

        def pack(x: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(x.numel())
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            outputs = network(image.to(memory_format=form))
            torch.stack([x.square().sum() for output in outputs for x in output]).sum().backward()
        found.append([torch.zeros(1) if p.grad is None else p.grad for p in network.parameters()])
        kept.append(sum(sizes))
    assert all(torch.equal(a, b) for a, b in zip(found[0], found[1], strict=True))
    assert kept[1] < 0.8 * kept[0]
    size = max(float(g.abs().max()) for g in found[0])
    for a, b in zip(found[0], found[2], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-5 * size)
    assert "forward" not in vars(network.backbone)


@pytest.mark.parametrize("name", ["DynUNet", "SegResNet", "SwinUNETR", "UNet", "VNet", "MedNeXt"])
def test_constructors_are_read_as_python_sees_them(name: str) -> None:
    from monai.networks import nets

    seen = inspect.signature(getattr(nets, name)).parameters
    found = constructor(name)
    assert found is not None
    assert found.arguments == tuple(seen)
    empty = inspect.Parameter.empty
    assert found.required == tuple(n for n, p in seen.items() if p.default is empty)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("DynUnet", "did you mean 'DynUNet'"),
        ("SegResnet", "did you mean 'SegResNet'"),
        ("drop_connect", "has no 'drop_connect'"),
        ("MILModel", "has no 'MILModel'"),
        ("qqqqqq", "there are .*SwinUNETR"),
    ],
)
def test_unknown_networks(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_network(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({**DYNUNET, "filter": [4]}, "no argument 'filter'; did you mean 'filters'"),
        ({**DYNUNET, "in_channels": 2}, "in_channels is set by the adapter"),
        ({"kernel_size": [3]}, "needs strides, upsample_kernel_size"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_arguments("DynUNet", arguments)


def test_weights_are_never_downloaded() -> None:
    with pytest.raises(ValueError, match="pickled"):
        check_arguments("FlexibleUNet", {"backbone": "resnet18", "pretrained": True})


def test_refused_arguments_and_shapes() -> None:
    with pytest.raises(ConfigError, match="refuses its arguments"):
        make("SegResNet", {**SEGRESNET, "init_filters": 3})
    with pytest.raises(ConfigError, match=r"does not take volumes of \(8, 20, 12\)"):
        make("DynUNet", {**DYNUNET, "strides": [1, 2, 4]}).check((8, 20, 12))
    with pytest.raises(ConfigError, match="multiple of 4"):
        make("DynUNet", DYNUNET).check((8, 18, 16))
    deep = {**DYNUNET, "deep_supervision": True, "deep_supr_num": 1}
    with pytest.raises(ConfigError, match=r"gives \(1, 2, 6, 8, 16, 16\)"):
        make("DynUNet", deep).check((8, 16, 16))
    with pytest.raises(ConfigError, match="gives list"):
        make("BasicUNetPlusPlus", {"features": [2, 2, 2, 2, 2, 2]}).check((16, 32, 32))


def test_without_regions_and_with_a_normal_channel() -> None:
    torch.manual_seed(0)
    network = MonaiNetwork(
        "UNet",
        {"channels": [4, 8], "strides": [2]},
        0,
        2,
        scales=1,
        abnormality_activation="softmax",
    )
    (output,) = network(torch.randn(1, 1, 8, 8, 8))
    assert output.regions is None
    assert output.abnormality.shape == (1, 2, 4, 4, 4)
