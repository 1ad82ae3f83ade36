"""The training loop: Lightning, resumable after a kill, the same bytes for the same seed."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from crossdl.anatomy import Anatomy
from crossdl.errors import ConfigError, InputError
from crossdl.interfaces import FitResult
from crossdl.networks.devices import device, uses_bf16
from crossdl.networks.maps import MapNetwork
from crossdl.training.checkpoint import SafetensorsCheckpointIO, read_checkpoint
from crossdl.training.config import NetworkConfig
from crossdl.training.data import Statistics, fingerprint, train_loader, valid_loader
from crossdl.training.losses import POSITIVE
from crossdl.training.module import MONITOR, RegionMILModule
from crossdl.training.samples import TrainingSet

if TYPE_CHECKING:
    from crossdl.interfaces import MILPooling


def fit(
    network: MapNetwork,
    pooling: MILPooling[Any],
    *,
    config: NetworkConfig,
    anatomy: Anatomy,
    statistics: Statistics,
    train: TrainingSet,
    valid: TrainingSet,
    seed: int,
    folder: Path,
) -> FitResult:
    """Trains ``network`` in place and leaves the best epoch's weights in it.

    ``folder/last.safetensors`` is written after every epoch; if it is there at the start,
    training goes on from it and ends with the same weights as without the interruption.
    Curves for TensorBoard are in ``folder/tensorboard``.

    Args:
        network: With its first weights.
        pooling: Its parameters, if it has any, are trained along.
        config: Losses and schedule.
        anatomy: Mirror images of the labels.
        statistics: Of the training set.
        train: Scans to learn from.
        valid: Scans that choose the best epoch by E8.
        seed: Of order and augmentation.
        folder: Where checkpoints go.

    Raises:
        InputError: A set has no scan with region labels, or the checkpoint is damaged.
        ConfigError: The folder's checkpoint is of another configuration or other data.
        CrossDLError: Training diverged.
    """
    for name, samples in (("training", train), ("validation", valid)):
        if not any((s.matrix[-1] < POSITIVE).all() for s in samples):
            raise InputError(
                f"the {name} set has no scan without a positive {anatomy.unclear.name!r} label, "
                "so the region loss is undefined; add scans"
            )
    owner = fingerprint(
        config.model_dump_json(), anatomy.model_dump_json(), str(seed), train, valid
    )
    module = RegionMILModule(network, pooling, config, statistics, seed, owner)
    checkpoint = folder / "last.safetensors"
    resume = checkpoint.is_file()
    if resume:
        state = read_checkpoint(checkpoint)
        if RegionMILModule.owner(state) != owner:
            raise ConfigError(
                f"{checkpoint}: belongs to training with another configuration, seed or data; "
                "remove its folder or give another one"
            )
        module.on_load_checkpoint(state)
    if not module.finished:
        with _quiet(), _deterministic(), torch.random.fork_rng():
            trainer = _trainer(config, folder, steps=-(-len(train) // config.batch_size))
            trainer.fit(
                module,
                train_loader(train, config, anatomy, seed),
                valid_loader(valid, config, anatomy),
                ckpt_path=str(checkpoint) if resume else None,
            )
    module.load_state_dict(module.best)
    module.cpu().eval()
    best = module.best_epoch
    return FitResult(best, module.history[best][MONITOR], tuple(module.history))


class _Bar(RichProgressBar):
    """Lightning's bar on stderr, without the run's number."""

    def __init__(self) -> None:
        super().__init__(console_kwargs={"stderr": True})

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


def _trainer(config: NetworkConfig, folder: Path, steps: int) -> Trainer:
    keep = ModelCheckpoint(
        dirpath=folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    keep.FILE_EXTENSION = ".safetensors"
    return Trainer(
        accelerator=device().type,
        devices=1,
        precision="bf16-mixed" if uses_bf16(config) else "32-true",
        max_epochs=config.epochs,
        logger=TensorBoardLogger(folder, name="tensorboard", version=""),
        callbacks=[keep, _Bar()],
        plugins=[SafetensorsCheckpointIO()],
        num_sanity_val_steps=0,
        log_every_n_steps=min(10, steps),
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


@contextmanager
def _deterministic() -> Iterator[None]:
    """Deterministic algorithms; where CUDA has none it warns and goes on."""
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    memory: Any = torch.utils.deterministic
    fill = memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=device().type != "cpu")
    memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        memory.fill_uninitialized_memory = fill


@contextmanager
def _quiet() -> Iterator[None]:
    """Hides Lightning's greetings and hints that do not apply to samples held in memory."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in (
                ".*does not have many workers.*",
                ".*Checkpoint directory .* exists and is not empty.*",
                ".*LeafSpec.* is deprecated.*",
            ):
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        logger.setLevel(level)
