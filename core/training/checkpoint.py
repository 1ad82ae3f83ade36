"""Lightning checkpoints as one safetensors file each: no pickle is written or read.

Tensors are stored by number; everything around them is JSON in the file's header. A file is
written under a temporary name and renamed.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from crossdl.errors import InputError
from crossdl.files import replacing

_KEY = "crossdl_checkpoint"


class SafetensorsCheckpointIO(CheckpointIO):
    """Writes and reads what Lightning wants to keep."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Writes one file, whole or not at all.

        Raises:
            TypeError: The checkpoint holds something that is neither tensor nor JSON-able.
        """
        write_checkpoint(Path(path), checkpoint)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Reads what :meth:`save_checkpoint` wrote, onto the CPU.

        Raises:
            InputError: The file is damaged or something else.
        """
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | Path) -> None:
        """Removes a file, if it is there."""
        Path(path).unlink(missing_ok=True)


def write_checkpoint(path: Path, checkpoint: dict[str, Any]) -> None:
    """Writes nested dicts, lists, tuples, numbers, strings, None and tensors as safetensors."""
    from safetensors.torch import save

    tensors: dict[str, torch.Tensor] = {}
    structure = json.dumps(_encode(checkpoint, tensors), allow_nan=False)
    with replacing(path) as working:
        working.write_bytes(save(tensors, metadata={_KEY: structure}))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Reads what :func:`write_checkpoint` wrote.

    Raises:
        InputError: The file is damaged or something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            structure = json.loads(file.metadata()[_KEY])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        result = _decode(structure, tensors)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable checkpoint ({error}); remove it to train from the start"
        ) from error
    if not isinstance(result, dict):
        raise InputError(f"{path}: not a checkpoint; remove it to train from the start")
    return result


def _encode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """JSON with marked places for tensors and for what JSON lacks."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, dict):
        return {"dict": [[_encode(k, tensors), _encode(v, tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        items = [_encode(item, tensors) for item in value]
        return items if isinstance(value, list) else {"tuple": items}
    raise TypeError(f"a checkpoint cannot hold {type(value).__name__} without pickle")


def _decode(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Inverse of :func:`_encode`."""
    if isinstance(value, list):
        return [_decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, held),) = value.items()
    if kind == "tensor":
        return tensors[held]
    if kind == "float":
        return float(held)
    if kind == "tuple":
        return tuple(_decode(item, tensors) for item in held)
    if kind == "dict":
        return {_decode(k, tensors): _decode(v, tensors) for k, v in held}
    raise ValueError(f"unknown mark {kind!r}")
