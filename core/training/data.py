"""Samples → batches; order and augmentation depend only on seed, epoch and scan."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.networks.devices import device
from crossdl.training.augment import augment
from crossdl.training.augmentation import Augmentation
from crossdl.training.config import NetworkConfig
from crossdl.training.losses import positive_frequencies
from crossdl.training.samples import Sample, TrainingSet
from crossdl.types import FloatArray

Key = tuple[int, int]
"""Epoch and number of a scan; with number -1 nothing, see :attr:`Batch.real`."""


class Batch(NamedTuple):
    """Some scans.

    Attributes:
        image: ``(B, 1, D, H, W)`` uint8.
        regions: ``(B, D, H, W)`` uint8 labels.
        matrix: ``(B, N + 2, M)`` float32.
        real: ``(B,)`` bool; False fills up the last step of an epoch where several processes
            take part: no regions, *unclear*, and not counted in E9.
    """

    image: Tensor
    regions: Tensor
    matrix: Tensor
    real: Tensor


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
    return _loader(_Samples(samples, config.augmentation, anatomy, seed), config, seed)


def valid_loader(
    samples: TrainingSet, config: NetworkConfig, anatomy: Anatomy
) -> DataLoader[Batch]:
    """Batches as they are."""
    return _loader(_Samples(samples, config.augmentation, anatomy, None), config, None)


def _loader(dataset: _Samples, config: NetworkConfig, seed: int | None) -> DataLoader[Batch]:
    workers = config.execution.workers
    on_gpu = device().type == "cuda"
    if workers is None:
        workers = min(4, os.cpu_count() or 1) if on_gpu else 1
    workers = min(workers, len(dataset))
    return DataLoader(
        dataset,
        batch_size=config.batch_size,
        sampler=Turns(len(dataset), config.batch_size, seed),
        collate_fn=_collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=on_gpu,
    )


class Turns(Sampler[Key]):
    """Which scans a process takes, in order.

    One step of W processes takes ``W · batch_size`` scans from one order, the same for all, and
    the process of rank r the r-th part of them. So a training on two processes with batch 1
    makes the steps of one process with batch 2. Lightning calls ``set_epoch``.
    """

    def __init__(self, count: int, batch_size: int, seed: int | None) -> None:
        """Keeps the three; without a seed scans come as they are.

        Args:
            count: Scans.
            batch_size: Scans per step and process.
            seed: With the epoch it draws the order.
        """
        self.count = count
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Of the order that is drawn next."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Scans of this process per epoch."""
        return len(self._own(*_place()))

    def __iter__(self) -> Iterator[Key]:
        """Keys of one epoch."""
        order = np.arange(self.count)
        if self.seed is not None:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.count)
        places = self._own(*_place())
        return iter([(self.epoch, int(order[i]) if i < self.count else -1) for i in places])

    def _own(self, rank: int, world: int) -> list[int]:
        """Places of a process in the order; those beyond its end are filled up with nothing."""
        if world == 1:
            return list(range(self.count))
        size = self.batch_size
        steps = range(0, self.count, size * world)
        return [start + rank * size + i for start in steps for i in range(size)]


def _place() -> tuple[int, int]:
    """Rank of this process and how many train together."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return torch.distributed.get_rank(), torch.distributed.get_world_size()
    return 0, 1


class _Samples(Dataset[Batch]):
    """Samples by (epoch, number), augmented if there is a seed.

    Loading processes get nothing else of the config: a pooling from a user's folder is no module
    that a new process could import.
    """

    def __init__(
        self, samples: TrainingSet, settings: Augmentation, anatomy: Anatomy, seed: int | None
    ) -> None:
        self.samples = samples
        self.settings = settings
        self.anatomy = anatomy
        self.seed = seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: Key) -> Batch:
        epoch, number = key
        sample: Sample = self.samples[max(0, number)]
        arrays = (sample.image, sample.regions, sample.matrix)
        image, regions, matrix = (torch.from_numpy(np.array(a)) for a in arrays)  # into memory
        if number < 0:
            regions.zero_()
            matrix[-1] = 1.0
        elif self.seed is not None:
            image, regions, matrix = augment(
                image,
                regions,
                matrix,
                anatomy=self.anatomy,
                settings=self.settings,
                key=(self.seed, epoch, number),
            )
        return Batch(image[None], regions, matrix, torch.tensor(number >= 0))


def _collate(items: Sequence[Batch]) -> Batch:
    return Batch(*(torch.stack(tensors) for tensors in zip(*items, strict=True)))
