"""The training loop: Lightning, resumable after a kill, the same bytes for the same seed."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar
from rich.console import Console
from torch.utils.data import DataLoader

from crossdl.errors import ConfigError
from crossdl.networks.devices import device, keep_freed_memory
from crossdl.training.checkpoint import SafetensorsCheckpointIO, read_checkpoint
from crossdl.training.execution import Execution
from crossdl.training.loggers import make_logger
from crossdl.training.resumable import ResumableModule

_LOG = logging.getLogger("crossdl.training")


def train(
    module: ResumableModule,
    loader: DataLoader[Any],
    valid: DataLoader[Any] | None,
    *,
    folder: Path,
    bf16: bool,
    clip: float | None = None,
    accumulate: int = 1,
    execution: Execution | None = None,
) -> None:
    """Trains ``module`` and leaves the best epoch's weights in it, on the CPU.

    ``folder/last.safetensors`` is written after every epoch; if it is there at the start,
    training goes on from it and ends with the same weights as without the interruption.
    Curves for TensorBoard are in ``folder/tensorboard``, unless another logger is configured.

    Args:
        module: With its first weights.
        loader: Training batches; where several processes train, its sampler gives each its own.
        valid: Validation batches, where the module monitors one of their losses.
        folder: Where checkpoints go.
        bf16: Whether to compute in bfloat16.
        clip: Largest norm of a gradient.
        accumulate: Batches whose gradients make one step.
        execution: Processes and logger; None means one process and TensorBoard.

    Raises:
        InputError: The checkpoint is damaged.
        ConfigError: The folder's checkpoint is of another configuration or other data, or the
            logger cannot be used.
        CrossDLError: Training diverged.
    """
    keep_freed_memory()
    execution = execution or Execution()
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
        if hasattr(loader.sampler, "set_epoch"):  # workers look at it before Lightning sets it
            loader.sampler.set_epoch(len(module.history))
        with _quiet(), _deterministic(), torch.random.fork_rng():
            trainer = Trainer(
                accelerator=device().type,
                devices=execution.devices,
                num_nodes=execution.nodes,
                strategy=_strategy(execution),
                precision="bf16-mixed" if bf16 else "32-true",
                max_epochs=module.epochs,
                logger=make_logger(execution.logger, folder) or False,
                callbacks=[_last(folder), _Bar(), _Told()],
                plugins=[SafetensorsCheckpointIO()],
                num_sanity_val_steps=0,
                gradient_clip_val=clip,
                accumulate_grad_batches=accumulate,
                log_every_n_steps=min(10, len(loader)),
                enable_model_summary=False,
                use_distributed_sampler=False,
            )
            module.train()  # Lightning keeps the mode of each part, and loaded encoders evaluate
            trainer.fit(module, loader, valid, ckpt_path=str(checkpoint) if resume else None)
        if not module.finished:  # other processes trained a copy
            module.on_load_checkpoint(read_checkpoint(checkpoint))
        if trainer.is_global_zero:
            Console(stderr=True).print(_told(module), highlight=False)
    module.load_state_dict(module.best)
    module.cpu().eval()


def _strategy(execution: Execution) -> str:
    """Lightning's name; several processes of one machine are started here, with the same data."""
    if execution.strategy != "auto" or execution.devices * execution.nodes == 1:
        return execution.strategy
    if execution.nodes > 1:
        return "ddp"
    return "ddp_spawn"


def _last(folder: Path) -> ModelCheckpoint:
    """Writes ``last.safetensors`` after every epoch."""
    keep = ModelCheckpoint(
        dirpath=folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False
    )
    keep.FILE_EXTENSION = ".safetensors"
    return keep


def _told(module: ResumableModule) -> str:
    """How long it took, and what of that was spent waiting for data."""
    seconds, waited = (sum(column) for column in zip(*module.timing, strict=True))
    return (
        f"Trained {len(module.history)} epochs, kept epoch {module.best_epoch + 1}; steps took "
        f"{timedelta(seconds=round(seconds))}, {100 * waited / max(seconds, 1e-9):.1f} % of it "
        "waiting for data"
    )


class _Bar(RichProgressBar):
    """Lightning's bar on stderr, without the run's number, with the time left for all epochs."""

    def __init__(self) -> None:
        super().__init__(console_kwargs={"stderr": True})
        self._begin: tuple[float, int] | None = None

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Losses of the step, and how long training takes if it uses all its epochs."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        now, step = time.monotonic(), trainer.global_step
        if self._begin is None:
            self._begin = (now, step)
        done = step - self._begin[1]
        total = trainer.estimated_stepping_batches
        if done > 0 and math.isfinite(total):
            left = (now - self._begin[0]) / done * (total - step)
            metrics["left"] = str(timedelta(seconds=round(left)))
        return metrics


class _Told(Callback):
    """Says in the program's log which epoch has ended; a run keeps that in ``run.log``."""

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After validation."""
        losses = {k: float(v) for k, v in trainer.callback_metrics.items() if "/" in k}
        said = ", ".join(f"{name} {value:.4g}" for name, value in losses.items())
        _LOG.info("epoch %d of %d: %s", trainer.current_epoch + 1, trainer.max_epochs, said)


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
