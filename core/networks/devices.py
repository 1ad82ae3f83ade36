"""Where networks are computed, in which precision, and in which memory."""

from __future__ import annotations

import ctypes

import torch
from torch import nn

from crossdl.config import Precision

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's <malloc.h>


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


def keep_freed_memory() -> bool:
    """Lets this process keep freed arrays for its next ones, for all of its life.

    glibc gives arrays above 32 MB back to the system at once and maps new pages for the next, which
    costs a training step thousands of page faults. Peak memory stays what it was.

    Returns:
        Whether that could be arranged; other C libraries have their own ways.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 2**30) and mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))
