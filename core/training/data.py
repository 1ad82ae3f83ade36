"""Samples → batches; order and augmentation depend only on seed, epoch and scan."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.training.augment import augment
from crossdl.training.config import NetworkConfig
from crossdl.training.losses import positive_frequencies
from crossdl.training.samples import Sample, TrainingSet
from crossdl.types import FloatArray

Key = tuple[int, int]
"""Epoch and number of a scan."""


class Batch(NamedTuple):
    """Some scans.

    Attributes:
        image: ``(B, 1, D, H, W)`` uint8.
        regions: ``(B, D, H, W)`` uint8 labels.
        matrix: ``(B, N + 2, M)`` float32.
    """

    image: Tensor
    regions: Tensor
    matrix: Tensor


@dataclass(frozen=True, eq=False)
class Statistics:
    """What a model must remember of its training set.

    Attributes:
        mean: Of all voxels, 0 to 255.
        std: Of all voxels.
        frequencies: f_ij of E8, ``(N, M)``.
    """

    mean: float
    std: float
    frequencies: FloatArray


def statistics(samples: TrainingSet) -> Statistics:
    """Mean and standard deviation of all voxels, exact, and the cells' frequencies.

    Raises:
        InputError: There is no sample, or all voxels are equal.
    """
    if not samples:
        raise InputError("there is no scan to train on")
    counts = np.zeros(256, dtype=np.int64)
    for sample in samples:
        counts += np.bincount(sample.image.ravel(), minlength=256)
    values = np.arange(256)
    mean = float((counts * values).sum() / counts.sum())
    std = float(np.sqrt((counts * (values - mean) ** 2).sum() / counts.sum()))
    if std == 0:
        raise InputError("all training images are constant; check window and preprocessing")
    return Statistics(mean, std, positive_frequencies(samples))


def fingerprint(*parts: TrainingSet | str) -> str:
    """Hex digest of samples and texts; a checkpoint belongs to exactly one."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, str):
            digest.update(part.encode())
            continue
        for sample in part:
            digest.update(sample.scan_id.encode())
            for array in (sample.image, sample.regions, sample.matrix):
                digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def train_loader(
    samples: TrainingSet, config: NetworkConfig, anatomy: Anatomy, seed: int
) -> DataLoader[Batch]:
    """Augmented batches in a new order every epoch."""
    return DataLoader(
        _Samples(samples, config, anatomy, seed),
        batch_size=config.batch_size,
        sampler=_Shuffled(len(samples), seed),
        collate_fn=_collate,
    )


def valid_loader(
    samples: TrainingSet, config: NetworkConfig, anatomy: Anatomy
) -> DataLoader[Batch]:
    """Batches as they are."""
    return DataLoader(
        _Samples(samples, config, anatomy, None),
        batch_size=config.batch_size,
        sampler=_InOrder(len(samples)),
        collate_fn=_collate,
    )


class _Shuffled(Sampler[Key]):
    """Scans in an order drawn from (seed, epoch); Lightning calls ``set_epoch``."""

    def __init__(self, count: int, seed: int) -> None:
        self.count = count
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Key]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        return iter([(self.epoch, int(i)) for i in order])


class _InOrder(Sampler[Key]):
    """Scans as they come."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Key]:
        return iter([(0, i) for i in range(self.count)])


class _Samples(Dataset[Batch]):
    """Samples by (epoch, number), augmented if there is a seed."""

    def __init__(
        self, samples: TrainingSet, config: NetworkConfig, anatomy: Anatomy, seed: int | None
    ) -> None:
        self.samples = samples
        self.config = config
        self.anatomy = anatomy
        self.seed = seed

    def __getitem__(self, key: Key) -> Batch:
        epoch, number = key
        sample: Sample = self.samples[number]
        arrays = (sample.image, sample.regions, sample.matrix)
        image, regions, matrix = (torch.from_numpy(np.array(a)) for a in arrays)  # into memory
        if self.seed is not None:
            image, regions, matrix = augment(
                image,
                regions,
                matrix,
                anatomy=self.anatomy,
                settings=self.config.augmentation,
                key=(self.seed, epoch, number),
            )
        return Batch(image[None], regions, matrix)


def _collate(items: Sequence[Batch]) -> Batch:
    return Batch(*(torch.stack(tensors) for tensors in zip(*items, strict=True)))
