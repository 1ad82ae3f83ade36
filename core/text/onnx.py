"""Text networks as ONNX files: for programs without torch, and for int8 on processors."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.errors import InputError
from crossdl.files import replacing
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

    _need_packages()
    ids = torch.ones((2, 8), dtype=torch.int64)
    axes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=max_length)}
    place = next(network.parameters()).device
    with replacing(path) as working, _quiet():
        program = torch.onnx.export(
            network.cpu(),
            (ids, ids > 0),
            dynamo=True,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_shapes=(axes, axes),
            external_data=False,
            verbose=False,
        )
        network.to(place)
        if program is None:
            raise AssertionError("torch.onnx.export gave nothing")
        program.save(working)
        if int8:
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(working, working, weight_type=QuantType.QInt8)


def on_onnx(network: TextNetwork, *, max_length: int, int8: bool) -> Forward:
    """The network computed by ONNX Runtime; see :func:`export`."""
    _need_packages()
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(network, path, max_length=max_length, int8=int8)
        session = onnxruntime.InferenceSession(
            path.read_bytes(), providers=onnxruntime.get_available_providers()
        )

    def forward(ids: npt.NDArray[np.int64], mask: npt.NDArray[np.bool_]) -> FloatArray:
        found: Any = session.run([OUTPUT], dict(zip(INPUTS, (ids, mask), strict=True)))
        return np.asarray(found[0], dtype=np.float32)

    return forward


def _need_packages() -> None:
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it would write into the home folder
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"{error.name} is not installed; ONNX needs it: pip install 'crossdl[onnx]'"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter and the quantiser say about themselves."""
    loggers = [logging.getLogger(n) for n in (None, "torch.onnx", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
