"""Training a model on weak labels."""

from __future__ import annotations

from pathlib import Path

import torch

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.interfaces import FitResult
from crossdl.networks.devices import lay_out, uses_bf16
from crossdl.training.config import NetworkConfig
from crossdl.training.data import Statistics, fingerprint, train_loader, valid_loader
from crossdl.training.losses import POSITIVE, scan_frequencies
from crossdl.training.model import LearningModel
from crossdl.training.module import RegionMILModule
from crossdl.training.samples import TrainingSet
from crossdl.training.trainer import train as run_training


def fit(
    model: LearningModel,
    *,
    config: NetworkConfig,
    anatomy: Anatomy,
    statistics: Statistics,
    train: TrainingSet,
    valid: TrainingSet,
    seed: int,
    folder: Path,
) -> FitResult:
    """Trains ``model`` in place, resumable; see :func:`crossdl.training.trainer.train`.

    Args:
        model: With its first weights.
        config: Losses and schedule.
        anatomy: Mirror images of the labels.
        statistics: Of the training set.
        train: Scans to learn from.
        valid: Scans that choose the best epoch.
        seed: Of order and augmentation.
        folder: Where checkpoints go.

    Raises:
        InputError: A set has no scan with region labels, or the checkpoint is damaged.
        ConfigError: The folder's checkpoint is of another configuration or other data.
        CrossDLError: Training diverged.
    """
    for name, samples in (("training", train), ("validation", valid)):
        if config.region_weight and not any((s.matrix[-1] < POSITIVE).all() for s in samples):
            raise InputError(
                f"the {name} set has no scan without a positive {anatomy.unclear.name!r} label, "
                "so the region loss is undefined; add scans"
            )
    settings = config.model_dump_json(exclude={"execution": {"workers", "logger"}})
    owner = fingerprint(settings, anatomy.model_dump_json(), str(seed), train, valid)
    module = RegionMILModule(
        model, config, anatomy, statistics, seed, owner, scan_frequencies(train)
    )
    model.checkpointing = config.execution.checkpointing
    bf16 = uses_bf16(config.precision)
    if bf16:  # bfloat16 convolutions are fastest where a voxel's channels lie together
        lay_out(model, torch.channels_last_3d)
    run_training(
        module,
        train_loader(train, config, anatomy, seed),
        valid_loader(valid, config, anatomy),
        folder=folder,
        bf16=bf16,
        clip=config.clip,
        accumulate=config.accumulate,
        execution=config.execution,
    )
    lay_out(model, torch.contiguous_format)
    best = module.best_epoch
    return FitResult(best, module.history[best][str(module.monitor)], tuple(module.history))
