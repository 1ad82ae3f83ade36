"""Training a text network on labelled texts (E2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from crossdl.labels import LabelSet
from crossdl.text.batches import Key, loader, pad
from crossdl.text.masked import spans
from crossdl.text.network import TextNetwork
from crossdl.text.optimizer import scheduled_adam
from crossdl.text.settings import FineTuning
from crossdl.text.tokens import MASK, PAD, Ids
from crossdl.training.resumable import ResumableModule
from crossdl.training.trainer import train
from crossdl.types import Float64Array, FloatArray

MONITOR = "valid/loss"
"""Validation E2: chooses the best epoch."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled texts as numbers.

    Attributes:
        ids: Token numbers of the image of each text that is read.
        mirrored: The same of the other image; equal where a text names no side.
        targets: ``(n, R + T)`` labels of ``ids``, in [0, 1].
    """

    ids: Sequence[Ids]
    mirrored: Sequence[Ids]
    targets: FloatArray


class LabelledBatch(NamedTuple):
    """Some texts.

    Attributes:
        ids: ``(B, L)`` int64.
        mask: ``(B, L)`` bool.
        targets: ``(B, R + T)`` float32.
    """

    ids: Tensor
    mask: Tensor
    targets: Tensor


def sentence_loss(logits: Tensor, targets: Tensor, n_regions: int) -> Tensor:
    """E2: BCE(r, r̂) + BCE(t, t̂), each a mean over its labels, averaged over sentences.

    Args:
        logits: ``(B, R + T)``, regions first.
        targets: The same, in [0, 1].
        n_regions: R.
    """
    each = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return each[:, :n_regions].mean() + each[:, n_regions:].mean()


class SentenceModule(ResumableModule):
    """Trains a network by E2."""

    monitor = MONITOR

    def __init__(
        self,
        network: TextNetwork,
        settings: FineTuning,
        n_regions: int,
        seed: int,
        fingerprint: str,
    ) -> None:
        """Ties network and settings together."""
        super().__init__(
            epochs=settings.epochs,
            patience=settings.patience,
            seed=seed,
            fingerprint=fingerprint,
            averaging=settings.averaging,
        )
        self.network = network
        self.settings = settings
        self.n_regions = n_regions

    def training_step(self, batch: LabelledBatch, batch_idx: int) -> Tensor:
        """E2 of a batch."""
        logits = self.network(batch.ids, batch.mask)
        loss = sentence_loss(logits, batch.targets, self.n_regions)
        self.log("loss", loss.detach(), prog_bar=True, logger=False)
        size = len(batch.ids)
        self.log("train/loss", loss.detach(), on_epoch=True, on_step=False, batch_size=size)
        return loss

    def validation_step(self, batch: LabelledBatch, batch_idx: int) -> None:
        """Notes E2 of a batch."""
        loss = sentence_loss(self.network(batch.ids, batch.mask), batch.targets, self.n_regions)
        self.log(MONITOR, loss, on_step=False, on_epoch=True, batch_size=len(batch.ids))

    def configure_optimizers(self) -> Any:
        """Adam as configured."""
        settings = self.settings
        return scheduled_adam(
            _by_rate(self.network, settings),
            decay=settings.weight_decay,
            steps=int(self.trainer.estimated_stepping_batches),
            warmup=settings.warmup,
            falling=settings.schedule == "linear",
        )


def _partners(targets: FloatArray, rarity: float) -> Float64Array:
    """``(n,)``: chance of each text to be joined to another."""
    rarest = np.where(targets >= 0.5, targets.mean(axis=0), 1.0).min(axis=1).astype(np.float64)
    weights = rarest**-rarity
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _by_rate(network: TextNetwork, settings: FineTuning) -> dict[float, list[nn.Parameter]]:
    """Parameters by learning rate: the encoder's, and those after it."""
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        factor = 1.0 if name.startswith("encoder.") else settings.head_rate
        groups.setdefault(settings.learning_rate * factor, []).append(parameter)
    return groups


def fine_tune(
    network: TextNetwork,
    train_set: Examples,
    valid_set: Examples,
    labels: LabelSet,
    settings: FineTuning,
    *,
    special: Mapping[str, int],
    max_length: int,
    seed: int,
    fingerprint: str,
    folder: Path,
    bf16: bool,
) -> tuple[TextNetwork, tuple[dict[str, float], ...]]:
    """Trains; resumable, see :func:`crossdl.training.trainer.train`.

    Args:
        network: With its first weights.
        train_set: To learn from.
        valid_set: To choose the best epoch.
        labels: Mirror images.
        settings: Of the training.
        special: Numbers of the special tokens.
        max_length: Tokens; texts that would be longer are not joined.
        seed: Of order and augmentation.
        fingerprint: Of everything the result depends on.
        folder: Where checkpoints go.
        bf16: Whether to compute in bfloat16.

    Returns:
        The network of the best epoch in evaluation mode, and the named losses of every epoch.
    """
    n_regions = len(labels.label_names)
    swap = np.arange(train_set.targets.shape[1])
    swap[:n_regions] = labels.mirror_index
    partners = _partners(train_set.targets, settings.mix_rarity)
    hider, never = special[MASK], np.array(sorted(special.values()))

    def drawn(rng: np.random.Generator, i: int) -> tuple[Ids, FloatArray]:
        if rng.random() < settings.swap_probability:
            return train_set.mirrored[i], train_set.targets[i][swap]
        return train_set.ids[i], train_set.targets[i]

    def make(key: Key) -> LabelledBatch:
        epoch, chosen = key
        rng = np.random.default_rng([seed, epoch, chosen[0]])
        mixing = epoch < settings.mix_share * settings.epochs
        rows, targets = [], []
        for i in chosen:
            ids, target = drawn(rng, i)
            if mixing and rng.random() < settings.mix_probability:
                more, other = drawn(rng, int(rng.choice(len(partners), p=partners)))
                if len(ids) + len(more) - 2 <= max_length:
                    first, second = (ids, more) if rng.random() < 0.5 else (more, ids)
                    ids = np.concatenate([first[:-1], second[1:]])
                    target = np.maximum(target, other)
            rows.append(ids)
            targets.append(target)
        padded = pad(rows, special[PAD])
        if settings.mask_rate:
            free = padded.mask.numpy() & ~np.isin(padded.ids.numpy(), never)
            padded.ids[torch.from_numpy(spans(rng, free, settings.mask_rate, 1))] = hider
        return LabelledBatch(*padded, torch.from_numpy(np.stack(targets)))

    def plain(key: Key) -> LabelledBatch:
        padded = pad([valid_set.ids[i] for i in key[1]], special[PAD])
        return LabelledBatch(*padded, torch.from_numpy(valid_set.targets[list(key[1])]))

    module = SentenceModule(network, settings, n_regions, seed, fingerprint)
    train(
        module,
        loader([len(row) for row in train_set.ids], settings.batch_size, make, seed),
        loader([len(row) for row in valid_set.ids], 64, plain, None),
        folder=folder,
        bf16=bf16,
        clip=settings.clip,
    )
    return network.eval(), tuple(module.history)
