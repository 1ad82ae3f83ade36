"""Batches of texts of like length, so that little of a batch is padding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from crossdl.text.tokens import Ids

Key = tuple[int, tuple[int, ...]]
"""Epoch and the texts of a batch."""

BatchT = TypeVar("BatchT")

_POOL = 50
"""Batches among which texts are sorted by length."""

STEP = 8
"""Lengths of batches are multiples of this, so that kernels see few shapes."""


class Padded(NamedTuple):
    """Texts as one array.

    Attributes:
        ids: ``(B, L)`` int64 token numbers.
        mask: ``(B, L)`` bool, True where there is a token.
    """

    ids: Tensor
    mask: Tensor


def pad(rows: Sequence[Ids], padding: int, length: int | None = None) -> Padded:
    """Joins rows of different length; L is the next multiple of 8, or ``length``."""
    longest = max(len(row) for row in rows)
    length = length or -(-longest // STEP) * STEP
    ids = np.full((len(rows), length), padding, dtype=np.int64)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
    lengths = np.array([len(row) for row in rows])
    return Padded(
        torch.from_numpy(ids), torch.from_numpy(np.arange(length)[None, :] < lengths[:, None])
    )


def loader(
    lengths: Sequence[int],
    batch_size: int,
    make: Callable[[Key], BatchT],
    seed: int | None,
) -> DataLoader[BatchT]:
    """Batches in an order drawn from (seed, epoch), or by length if there is no seed.

    Args:
        lengths: Tokens of every text.
        batch_size: Texts per batch.
        make: Gives the batch of a key; what is random in it must come from the key.
        seed: Of the order.
    """
    return DataLoader(_Made(make), batch_size=None, sampler=_ByLength(lengths, batch_size, seed))


class _Made(Dataset[BatchT]):
    """Whole batches by key."""

    def __init__(self, make: Callable[[Key], BatchT]) -> None:
        self.make = make

    def __getitem__(self, key: Key) -> BatchT:
        return self.make(key)


class _ByLength(Sampler[Key]):
    """Keys of batches; Lightning calls ``set_epoch``."""

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int | None) -> None:
        self.lengths = np.asarray(lengths)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[Key]:
        """Drawn at the first step: Lightning may set the epoch after it asked for an iterator."""
        rng = None if self.seed is None else np.random.default_rng([self.seed, self.epoch])
        n, size = len(self.lengths), self.batch_size
        order = np.arange(n) if rng is None else rng.permutation(n)
        pool = n if rng is None else size * _POOL
        batches: list[tuple[int, ...]] = []
        for start in range(0, n, max(1, pool)):
            part = order[start : start + pool]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches += [tuple(part[i : i + size].tolist()) for i in range(0, len(part), size)]
        turns = np.arange(len(batches)) if rng is None else rng.permutation(len(batches))
        for i in turns:
            yield self.epoch, batches[i]
