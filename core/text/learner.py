"""From labelled texts to a trained model: vocabulary, pre-training, fine-tuning, calibration."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.errors import InputError
from crossdl.labels import LabelSet
from crossdl.text.calibration import best_f1_thresholds, temperature
from crossdl.text.model import TextModel
from crossdl.text.settings import SCRATCH, TextConfig
from crossdl.text.sides import images, swap_back
from crossdl.text.tokens import SPECIAL, encode, special_id, train_tokenizer
from crossdl.types import SentenceLabels

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from crossdl.text.classifier import Examples


def learn(
    config: TextConfig,
    labels: LabelSet,
    train: SentenceLabels,
    valid: SentenceLabels,
    *,
    unlabelled: Sequence[str],
    seed: int,
    folder: Path,
) -> TextModel:
    """Trains a model; a killed training continues from ``folder``.

    Args:
        config: Encoder and training.
        labels: Of the texts.
        train: Texts with labels in [0, 1].
        valid: The same for choosing the best epoch, temperature and thresholds.
        unlabelled: More texts for vocabulary and pre-training of a new encoder.
        seed: Everything random derives from it.
        folder: Checkpoints and curves of pre-training and fine-tuning.

    Raises:
        InputError: A set is empty, or the pre-trained encoder cannot be had.
        ConfigError: The folder's checkpoints are of another training.
        CrossDLError: Training diverged.
    """
    import torch

    from crossdl.networks.devices import uses_bf16
    from crossdl.text.classifier import fine_tune
    from crossdl.text.network import TextNetwork

    for name, texts in (("training", train), ("validation", valid)):
        if not texts.sentences:
            raise InputError(f"there is no labelled {name} text; add some")
    settings, bf16 = config.fine_tuning, uses_bf16(config.precision)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder, tokenizer = _encoder(config, labels, train, unlabelled, seed, folder, bf16)
        torch.manual_seed(seed + 1)
        n_regions, n_labels = len(labels.label_names), len(labels.label_names) + labels.n_types
        network = TextNetwork(encoder, n_labels, config.pooling, settings.dropout)
    kept, history = fine_tune(
        network,
        _examples(train, labels, tokenizer, config.max_length),
        _examples(valid, labels, tokenizer, config.max_length),
        labels,
        settings,
        special={token: special_id(tokenizer, token) for token in SPECIAL},
        max_length=config.max_length,
        seed=seed,
        fingerprint=_digest(config, labels, seed, train, valid, unlabelled),
        folder=folder / "fine_tuning",
        bf16=bf16,
    )
    half = np.full(n_labels, 0.5, dtype=np.float32)
    summary: dict[str, Any] = {
        "texts": len(train.sentences),
        "validation_texts": len(valid.sentences),
        "unlabelled_texts": len(unlabelled),
        "seed": seed,
        "history": [dict(entry) for entry in history],
    }
    model = TextModel(
        kept,
        tokenizer,
        labels,
        config,
        (1.0, 1.0),
        (half[:n_regions], half[n_regions:]),
        summary,
    )
    return _calibrated(model, valid, bf16=bf16)


def _encoder(
    config: TextConfig,
    labels: LabelSet,
    train: SentenceLabels,
    unlabelled: Sequence[str],
    seed: int,
    folder: Path,
    bf16: bool,
) -> tuple[PreTrainedModel, Any]:
    """The encoder, pre-trained by others or here, and its tokenizer."""
    from crossdl.text.masked import pretrain
    from crossdl.text.network import new_masked_model, pretrained_encoder

    if config.encoder != SCRATCH:
        return pretrained_encoder(config.encoder)
    texts = list(dict.fromkeys([*unlabelled, *train.sentences]))
    texts = list(dict.fromkeys(images(texts, labels).texts))
    tokenizer = train_tokenizer(texts, config.scratch)
    model = new_masked_model(tokenizer.get_vocab_size(), config.max_length, config.scratch)
    if config.scratch.epochs:
        pretrain(
            model,
            tokenizer,
            encode(tokenizer, texts, config.max_length),
            config.scratch,
            seed=seed,
            fingerprint=_digest(
                config.scratch,
                config.max_length,
                config.precision,
                seed,
                texts,
                tokenizer.to_str(),
            ),
            folder=folder / "pretraining",
            bf16=bf16,
        )
    return model.bert, tokenizer


def _examples(texts: SentenceLabels, labels: LabelSet, tokenizer: Any, max_length: int) -> Examples:
    from crossdl.text.classifier import Examples

    seen = images(texts.sentences, labels)
    ids, others = (encode(tokenizer, x, max_length) for x in (seen.texts, seen.others))
    targets = np.concatenate([texts.regions, texts.types], axis=1).astype(np.float32)
    return Examples(ids, others, swap_back(targets, seen, labels))


def _calibrated(model: TextModel, valid: SentenceLabels, *, bf16: bool) -> TextModel:
    """The model with temperatures and thresholds from validation texts, as configured."""
    from scipy.special import expit

    from crossdl.text.inference import on_torch

    n_regions = len(model.labels.label_names)
    parts = (slice(0, n_regions), slice(n_regions, None))
    targets = np.concatenate([valid.regions, valid.types], axis=1)
    if not model.config.calibrate and model.config.cutoffs != "f1":
        return model
    z = model.logits(valid.sentences, on_torch(model.network, bf16=bf16))
    if model.config.calibrate:
        temperatures = [temperature(z[:, part], targets[:, part]) for part in parts]
        model = replace(model, temperatures=(temperatures[0], temperatures[1]))
        for part, one in zip(parts, temperatures, strict=True):
            z[:, part] /= one
    if model.config.cutoffs == "f1":
        p = expit(z)
        first, second = (best_f1_thresholds(p[:, part], targets[:, part]) for part in parts)
        model = replace(model, thresholds=(first, second))
    return model


def _digest(*parts: Any) -> str:
    """Hex digest of settings and texts; a checkpoint belongs to exactly one."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, SentenceLabels):
            digest.update("\n".join(part.sentences).encode("utf-8", "replace"))
            for values in (part.regions, part.types):
                digest.update(np.ascontiguousarray(values).data)
        elif hasattr(part, "model_dump_json"):
            digest.update(part.model_dump_json().encode())
        elif isinstance(part, str | int):
            digest.update(f"{part}\n".encode())
        else:
            digest.update("\n".join(part).encode("utf-8", "replace"))
        digest.update(b"\0")
    return digest.hexdigest()
