"""Masked-language pre-training of a new encoder on texts without labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from crossdl.text.batches import Key, loader, pad
from crossdl.text.optimizer import scheduled_adam
from crossdl.text.settings import ScratchEncoder
from crossdl.text.tokens import MASK, PAD, SPECIAL, Ids, special_id
from crossdl.training.resumable import ResumableModule
from crossdl.training.trainer import train
from crossdl.types import BoolArray

WARMUP = 0.06
"""Share of the steps in which the learning rate rises."""

DECAY = 0.01
"""Weight decay."""


class MaskedBatch(NamedTuple):
    """Texts with hidden tokens.

    Attributes:
        ids: ``(B, L)`` int64 as the network sees them.
        mask: ``(B, L)`` bool, True where there is a token.
        hidden: ``(B, L)`` bool, True where the token is to be told.
        truth: ``(B, L)`` int64 as they are.
    """

    ids: Tensor
    mask: Tensor
    hidden: Tensor
    truth: Tensor


class MaskedModule(ResumableModule):
    """Learns to tell hidden tokens; the last epoch is kept."""

    def __init__(self, model: Any, settings: ScratchEncoder, seed: int, fingerprint: str) -> None:
        """Takes a BERT with a masked-language head."""
        super().__init__(
            epochs=settings.epochs, patience=settings.epochs, seed=seed, fingerprint=fingerprint
        )
        self.model = model
        self.settings = settings

    def on_train_start(self) -> None:
        """Drops nothing out: few epochs do not overfit, and drawing costs a quarter of the time."""
        self.model.eval()

    def training_step(self, batch: MaskedBatch, batch_idx: int) -> Tensor:
        """Cross entropy over the hidden tokens; only their logits are computed."""
        output = self.model.bert(input_ids=batch.ids, attention_mask=batch.mask.long())
        logits = self.model.cls(output.last_hidden_state[batch.hidden])
        loss = torch.nn.functional.cross_entropy(logits.float(), batch.truth[batch.hidden])
        self.log("masked", loss.detach(), prog_bar=True, logger=False)
        self.log("train/masked", loss.detach(), on_epoch=True, on_step=False, batch_size=1)
        return loss

    def configure_optimizers(self) -> Any:
        """AdamW with warm-up and linear decay."""
        steps = int(self.trainer.estimated_stepping_batches)
        return scheduled_adam(
            {self.settings.learning_rate: self.model.parameters()},
            decay=DECAY,
            steps=steps,
            warmup=WARMUP,
            falling=True,
        )


def pretrain(
    model: Any,
    tokenizer: Any,
    ids: Sequence[Ids],
    settings: ScratchEncoder,
    *,
    seed: int,
    fingerprint: str,
    folder: Path,
    bf16: bool,
) -> None:
    """Trains ``model`` in place, resumable; see :func:`crossdl.training.trainer.train`."""
    padding, hider = special_id(tokenizer, PAD), special_id(tokenizer, MASK)
    never = np.array([special_id(tokenizer, token) for token in SPECIAL])
    vocabulary = tokenizer.get_vocab_size()

    def make(key: Key) -> MaskedBatch:
        epoch, chosen = key
        rng = np.random.default_rng([seed, epoch, chosen[0]])
        padded = pad([ids[i] for i in chosen], padding)
        truth = padded.ids.numpy()
        free = padded.mask.numpy() & ~np.isin(truth, never)
        hidden = spans(rng, free, settings.mask_rate, settings.longest_span)
        shown = truth.copy()
        fate = rng.random(truth.shape)
        shown[hidden & (fate < 0.8)] = hider
        random = hidden & (fate >= 0.8) & (fate < 0.9)
        shown[random] = rng.integers(len(SPECIAL), vocabulary, size=int(random.sum()))
        return MaskedBatch(
            torch.from_numpy(shown), padded.mask, torch.from_numpy(hidden), padded.ids
        )

    module = MaskedModule(model, settings, seed, fingerprint)
    batches = loader([len(row) for row in ids], settings.batch_size, make, seed)
    train(module, batches, None, folder=folder, bf16=bf16, clip=1.0)


def spans(rng: np.random.Generator, free: BoolArray, rate: float, longest: int) -> BoolArray:
    """Chooses spans of 1 to ``longest`` tokens so that about ``rate`` of them are hidden.

    Args:
        rng: Source of chance.
        free: ``(B, L)``, tokens that may be hidden.
        rate: Share of them.
        longest: Tokens hidden together, at most.

    Returns:
        ``(B, L)``; at least one token of every text that has a free one.
    """
    lengths = rng.integers(1, longest + 1, size=free.shape)
    starts = (rng.random(free.shape) < rate * 2 / (1 + longest)) & free
    hidden = np.zeros_like(free)
    for offset in range(longest):
        reach = starts & (lengths > offset)
        hidden[:, offset:] |= reach[:, : free.shape[1] - offset]
    hidden &= free
    for row in np.flatnonzero(free.any(axis=1) & ~hidden.any(axis=1)):
        hidden[row, rng.choice(np.flatnonzero(free[row]))] = True
    return hidden
