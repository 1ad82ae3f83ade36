from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from crossdl.networks.devices import lay_out
from crossdl.networks.unet3d import UNet3D


def test_maps_take_the_format_of_the_kernels() -> None:
    """From the first convolution on, whose kernels and image have one channel."""
    torch.manual_seed(0)
    network = UNet3D(1, 3, 2, levels=3, base_filters=4)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    image = torch.randn(1, 1, 16, 16, 16)
    seen: list[bool] = []
    for block in (*network.encoder, *network.decoder):
        for layer in block.modules():
            if isinstance(layer, torch.nn.Conv3d):
                layer.register_forward_hook(
                    lambda _, __, out: seen.append(
                        out.is_contiguous(memory_format=torch.channels_last_3d)
                    )
                )
    lay_out(network, torch.channels_last_3d)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(image)
    assert len(seen) > 6 and all(seen)
    seen.clear()
    lay_out(network, torch.contiguous_format)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(image)
    assert not any(seen)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])
        assert value.is_contiguous() and value.stride() == before[name].stride()


@pytest.mark.parametrize("format", [torch.channels_last_3d, torch.contiguous_format])
def test_laying_out_twice_changes_nothing(format: torch.memory_format) -> None:
    network = UNet3D(1, 3, 2, levels=2, base_filters=2, scales=1)
    lay_out(network, format)
    strides = [p.stride() for p in network.parameters()]
    lay_out(network, format)
    assert [p.stride() for p in network.parameters()] == strides


@pytest.mark.skipif(sys.platform != "linux", reason="glibc only")
def test_freed_arrays_are_used_again() -> None:
    """Without it every one of these arrays costs page faults anew."""
    program = """
import resource, sys, numpy as np
from crossdl.networks.devices import keep_freed_memory
if "keep" in sys.argv and not keep_freed_memory():
    print(-1); raise SystemExit
np.ones(12_000_000)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(12_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
    faults = [
        int(subprocess.check_output([sys.executable, "-c", program, word]))
        for word in ("keep", "give")
    ]
    if faults[0] < 0:
        pytest.skip("another C library")
    assert faults[0] * 10 < faults[1]
