"""A trained text network with what belongs to it, in memory and on disk.

======================  ========================================================
``model.json``          labels, settings, calibration, digest of the weights
``model.safetensors``   weights of encoder and last layer
``tokenizer.json``      vocabulary and how text is divided
======================  ========================================================
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.errors import InputError
from crossdl.files import replacing, sha256, write_json
from crossdl.labels import LabelSet, parse_labels
from crossdl.text.settings import TextConfig
from crossdl.types import FloatArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from crossdl.text.inference import Forward
    from crossdl.text.network import TextNetwork

FORMAT = 1
"""Version of the files."""

_COPY = "copy or train the discretizer again"


@dataclass(frozen=True, eq=False)
class TextModel:
    """What labels texts.

    Attributes:
        network: In evaluation mode.
        tokenizer: Its own.
        labels: The label set it was trained for.
        config: Settings it was trained with.
        temperatures: Of region and of type logits.
        thresholds: ``(R,)`` and ``(T,)``.
        summary: Facts about its training, JSON-able.
    """

    network: TextNetwork
    tokenizer: Tokenizer
    labels: LabelSet
    config: TextConfig
    temperatures: tuple[float, float]
    thresholds: tuple[FloatArray, FloatArray]
    summary: dict[str, Any]

    def logits(self, texts: Sequence[str], forward: Forward) -> FloatArray:
        """Calibrated logits of n texts, ``(n, R + T)``; each text is read in one mirror image.

        Args:
            texts: At least one.
            forward: ``network`` on the machine that shall compute it.
        """
        from crossdl.text.inference import logits
        from crossdl.text.sides import images, swap_back

        seen = images(texts, self.labels)
        raw = logits(forward, self.tokenizer, seen.texts, self.config.max_length)
        scale = np.ones(raw.shape[1], dtype=np.float32)
        n_regions = len(self.labels.label_names)
        scale[:n_regions], scale[n_regions:] = self.temperatures
        return swap_back(raw / scale, seen, self.labels)

    def probabilities(self, texts: Sequence[str], forward: Forward) -> FloatArray:
        """Calibrated probabilities of n texts, ``(n, R + T)`` float32; see :meth:`logits`."""
        from scipy.special import expit

        return np.asarray(expit(self.logits(texts, forward)), dtype=np.float32)


def write_model(model: TextModel, folder: Path) -> None:
    """Writes the three files into an existing folder, ``model.json`` last."""
    import torch
    from safetensors.torch import save

    from crossdl.rundir import versions

    kind = getattr(torch, model.config.save_dtype)
    tensors = {
        name: value.detach().cpu().to(kind if value.is_floating_point() else value.dtype)
        for name, value in model.network.state_dict().items()
    }
    weights = folder / "model.safetensors"
    with replacing(weights) as working:
        working.write_bytes(save({k: v.contiguous() for k, v in tensors.items()}))
    with replacing(folder / "tokenizer.json") as working:
        model.tokenizer.no_truncation()
        model.tokenizer.save(str(working))
    described = {
        "format": FORMAT,
        "labels": model.labels.model_dump(mode="json"),
        "config": model.config.model_dump(mode="json"),
        "encoder": model.network.encoder.config.to_diff_dict(),
        "temperatures": list(model.temperatures),
        "thresholds": [cut.tolist() for cut in model.thresholds],
        "training": model.summary,
        "weights_sha256": sha256(weights),
        "tokenizer_sha256": sha256(folder / "tokenizer.json"),
        "versions": versions(),
    }
    write_json(folder / "model.json", described)


def read_described(folder: Path) -> dict[str, Any]:
    """``model.json`` of a folder.

    Raises:
        InputError: It is missing, damaged, or of another format.
    """
    path = folder / "model.json"
    if not path.is_file():
        raise InputError(f"{folder}: no model.json; give the folder of a trained discretizer")
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        found = described["format"]
        described["encoder"]["model_type"], described["thresholds"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: not a trained discretizer ({type(error).__name__}); {_COPY}"
        ) from error
    if found != FORMAT:
        raise InputError(f"{path}: format {found} is not {FORMAT}; {_COPY}")
    return dict(described)


def read_model(folder: Path, config: type[TextConfig], labels: LabelSet | None) -> TextModel:
    """Reads what :func:`write_model` wrote.

    Args:
        folder: The three files.
        config: Class of the settings.
        labels: Label set the model must have; its texts' sides are read by this one. None takes
            the model's.

    Raises:
        InputError: Files are missing, damaged, or made for other labels.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from crossdl.text.network import TextNetwork, encoder_from
    from crossdl.text.tokens import read_tokenizer

    described = read_described(folder)
    for name in ("model.safetensors", "tokenizer.json"):
        path = folder / name
        if not path.is_file():
            raise InputError(f"{path}: is missing; {_COPY}")
        if described.get(f"{'weights' if path.suffix != '.json' else 'tokenizer'}_sha256") != (
            sha256(path)
        ):
            raise InputError(f"{path}: damaged or not of the model.json beside it; {_COPY}")
    path = folder / "model.json"
    try:
        own = parse_labels(described["labels"])
        _check_labels(path, own, labels)
        settings = config.model_validate(described["config"])
        n_regions, n_types = len(own.label_names), own.n_types
        encoder = encoder_from(described["encoder"])
        network = TextNetwork(encoder, n_regions + n_types, settings.pooling, 0.0)
        tensors = load_file(folder / "model.safetensors")
        network.load_state_dict(
            {k: v.to(torch.float32) if v.is_floating_point() else v for k, v in tensors.items()}
        )
        first, second = (np.array(cut, dtype=np.float32) for cut in described["thresholds"])
        warm, cold = (float(t) for t in described["temperatures"])
        if first.shape != (n_regions,) or second.shape != (n_types,) or min(warm, cold) <= 0:
            raise ValueError("thresholds or temperatures do not fit the labels")
    except (ValueError, KeyError, TypeError, OSError, SafetensorError, RuntimeError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise InputError(f"{path}: damaged ({reason}); {_COPY}") from error
    return TextModel(
        network.eval(),
        read_tokenizer(folder / "tokenizer.json"),
        labels or own,
        settings,
        (warm, cold),
        (first, second),
        dict(described["training"]),
    )


def _check_labels(path: Path, own: LabelSet, wanted: LabelSet | None) -> None:
    if wanted is None:
        return
    if (own.label_names, own.type_names) != (wanted.label_names, wanted.type_names):
        raise InputError(
            f"{path}: made for the labels of {own.name!r} ({len(own.label_names)} regions, "
            f"{own.n_types} types), not for those of {wanted.name!r} ({len(wanted.label_names)} "
            f"and {wanted.n_types}); use a discretizer of these labels"
        )
