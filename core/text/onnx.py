"""Text networks as ONNX files: for programs without torch, and for int8 on processors."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.files import replacing
from crossdl.networks.onnx_files import onnx_session, quiet, write_onnx
from crossdl.types import FloatArray

if TYPE_CHECKING:
    import numpy.typing as npt

    from crossdl.text.inference import Forward
    from crossdl.text.network import TextNetwork

INPUTS, OUTPUT = ("ids", "mask"), "logits"


def export(network: TextNetwork, path: Path, *, max_length: int, int8: bool) -> None:
    """Writes the network as one ONNX file.

    Inputs are ``ids``, ``(B, L)`` int64, and ``mask``, ``(B, L)`` bool, true where there is a
    token; the output ``logits`` is ``(B, R + T)`` float32, before calibration.

    Args:
        network: In evaluation mode.
        path: File to write.
        max_length: Largest L.
        int8: Store weights as 8 bit integers and multiply in them; activations are scaled as they
            come (dynamic quantisation).

    Raises:
        InputError: The packages of the extra ``onnx`` are missing.
    """
    import torch

    ids = torch.ones((2, 8), dtype=torch.int64)
    axes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=max_length)}
    with replacing(path) as working, quiet():
        write_onnx(
            network, (ids, ids > 0), working, inputs=INPUTS, outputs=[OUTPUT], dynamic=[axes, axes]
        )
        if int8:
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(working, working, weight_type=QuantType.QInt8)


def on_onnx(network: TextNetwork, *, max_length: int, int8: bool) -> Forward:
    """The network computed by ONNX Runtime; see :func:`export`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(network, path, max_length=max_length, int8=int8)
        session = onnx_session(path)

    def forward(ids: npt.NDArray[np.int64], mask: npt.NDArray[np.bool_]) -> FloatArray:
        found: Any = session.run([OUTPUT], dict(zip(INPUTS, (ids, mask), strict=True)))
        return np.asarray(found[0], dtype=np.float32)

    return forward
