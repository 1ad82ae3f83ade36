"""Writing networks as ONNX files, and running such files."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.errors import InputError
from crossdl.files import replacing

if TYPE_CHECKING:
    from torch import Tensor, nn


def write_onnx(
    network: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    *,
    inputs: Sequence[str],
    outputs: Sequence[str],
    dynamic: Sequence[Mapping[int, Any]] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a network as one ONNX file, whole or not at all.

    Args:
        network: In evaluation mode.
        example: Inputs that show types and shapes.
        path: File to write.
        inputs: Names of the inputs.
        outputs: Names of the outputs.
        dynamic: For each input, its axes of any length as ``torch.export.Dim``; None for none.
        metadata: Text kept in the file by name.

    Raises:
        InputError: The packages of the extra ``onnx`` are missing.
    """
    import torch

    need_onnx()
    place = next(network.parameters()).device
    with replacing(path) as working, quiet(), torch.no_grad():
        try:
            program = torch.onnx.export(
                network.cpu(),
                example,
                dynamo=True,
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_shapes=None if dynamic is None else tuple(dynamic),
                external_data=False,
                verbose=False,
            )
        finally:
            network.to(place)
        if program is None:
            raise AssertionError("torch.onnx.export gave nothing")
        program.model.metadata_props.update(metadata or {})
        program.save(working)


def onnx_session(path: Path) -> Any:
    """The ``onnxruntime.InferenceSession`` of a file, on whatever the machine has.

    Raises:
        InputError: The packages of the extra ``onnx`` are missing.
    """
    need_onnx()
    import onnxruntime

    return onnxruntime.InferenceSession(
        path.read_bytes(), providers=onnxruntime.get_available_providers()
    )


def need_onnx() -> None:
    """Checks for the packages of the extra ``onnx``.

    Raises:
        InputError: One is missing.
    """
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
def quiet() -> Iterator[None]:
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
