"""Where networks are computed, and in which precision."""

from __future__ import annotations

import torch
from torch import nn

from crossdl.config import Precision


def device() -> torch.device:
    """CUDA where there is some, else the CPU (Apple's MPS lacks 3D poolings)."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def uses_bf16(precision: Precision) -> bool:
    """Whether to compute in bfloat16: as configured, or if the processor is made for it."""
    if precision != "auto":
        return precision == "bf16"
    if device().type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def lay_out(network: nn.Module, form: torch.memory_format) -> None:
    """Brings the kernels of 3D convolutions, and with them the maps, into a memory format.

    Args:
        network: Changed in place.
        form: ``torch.channels_last_3d``, in which bfloat16 convolutions are fastest, or
            ``torch.contiguous_format``.
    """
    for parameter in network.parameters():
        if parameter.dim() == 5:
            # not contiguous(), which leaves kernels of one channel, whose strides are ambiguous
            parameter.data = parameter.data.to(memory_format=form)
