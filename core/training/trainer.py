"""The training loop: Lightning, resumable after a kill, the same bytes for the same seed."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from crossdl.errors import ConfigError
from crossdl.networks.devices import device
from crossdl.training.checkpoint import SafetensorsCheckpointIO, read_checkpoint
from crossdl.training.resumable import ResumableModule


def train(
    module: ResumableModule,
    loader: DataLoader[Any],
    valid: DataLoader[Any] | None,
    *,
    folder: Path,
    bf16: bool,
    clip: float | None = None,
) -> None:
    """Trains ``module`` and leaves the best epoch's weights in it, on the CPU.

    ``folder/last.safetensors`` is written after every epoch; if it is there at the start,
    training goes on from it and ends with the same weights as without the interruption.
    Curves for TensorBoard are in ``folder/tensorboard``.

    Args:
        module: With its first weights.
        loader: Training batches.
        valid: Validation batches, where the module monitors one of their losses.
        folder: Where checkpoints go.
        bf16: Whether to compute in bfloat16.
        clip: Largest norm of a gradient.

    Raises:
        InputError: The checkpoint is damaged.
        ConfigError: The folder's checkpoint is of another configuration or other data.
        CrossDLError: Training diverged.
    """
    checkpoint = folder / "last.safetensors"
    resume = checkpoint.is_file()
    if resume:
        state = read_checkpoint(checkpoint)
        if module.owner(state) != module.fingerprint:
            raise ConfigError(
                f"{checkpoint}: belongs to training with another configuration, seed or data; "
                "remove its folder or give another one"
            )
        module.on_load_checkpoint(state)
    if not module.finished:
        with _quiet(), _deterministic(), torch.random.fork_rng():
            trainer = _trainer(
                folder, epochs=module.epochs, steps=len(loader), bf16=bf16, clip=clip
            )
            module.train()  # Lightning keeps the mode of each part, and loaded encoders evaluate
            trainer.fit(module, loader, valid, ckpt_path=str(checkpoint) if resume else None)
    module.load_state_dict(module.best)
    module.cpu().eval()


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


def _trainer(folder: Path, *, epochs: int, steps: int, bf16: bool, clip: float | None) -> Trainer:
    keep = ModelCheckpoint(
        dirpath=folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    keep.FILE_EXTENSION = ".safetensors"
    return Trainer(
        accelerator=device().type,
        devices=1,
        precision="bf16-mixed" if bf16 else "32-true",
        max_epochs=epochs,
        logger=TensorBoardLogger(folder, name="tensorboard", version=""),
        callbacks=[keep, _Bar()],
        plugins=[SafetensorsCheckpointIO()],
        num_sanity_val_steps=0,
        gradient_clip_val=clip,
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
