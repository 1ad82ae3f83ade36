"""What every training shares: history, best weights, patience, seeds, one checkpoint for all."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from crossdl.errors import CrossDLError
from crossdl.training.averaging import WeightAverage

_STATE = "crossdl"


class ResumableModule(LightningModule):
    """A training that a killed process continues to the same bytes.

    The best weights so far are part of the state, so that one checkpoint file holds all there is.

    Attributes:
        monitor: Named loss whose lowest value chooses the best epoch; None keeps the last one.
        history: Named losses per finished epoch.
        best: Tensors of the best epoch, by name.
        timing: Seconds of the steps of each finished epoch, and of them those spent waiting for
            data; not in the history, which is the same for the same seed.
    """

    monitor: str | None = None

    def __init__(
        self,
        *,
        epochs: int,
        patience: int,
        seed: int,
        fingerprint: str,
        averaging: float | None = None,
    ) -> None:
        """Keeps what all trainings have.

        Args:
            epochs: Most epochs.
            patience: Epochs without a better one until it stops.
            seed: Of everything random.
            fingerprint: Of configuration, seed and data; a checkpoint belongs to one.
            averaging: Decay of an average of the weights, which is then validated and kept.
        """
        super().__init__()
        self.epochs = epochs
        self.patience = patience
        self.seed = seed
        self.fingerprint = fingerprint
        self.averaging = averaging
        self.history: list[dict[str, float]] = []
        self.best: dict[str, Tensor] = {}
        self.timing: list[tuple[float, float]] = []
        self._rate = 0.0
        self._average: WeightAverage | None = None
        self._resumed_average: dict[str, Tensor] = {}
        self._steps = 0
        self._mark = self._busy = self._waited = 0.0

    @property
    def best_epoch(self) -> int:
        """0-based epoch that is kept: of the lowest monitored loss, the first of equals."""
        if self.monitor is None:
            return len(self.history) - 1
        values = [entry[self.monitor] for entry in self.history]
        return values.index(min(values))

    @property
    def finished(self) -> bool:
        """Whether the epochs are used up, or patience is."""
        done = len(self.history)
        if done == 0:
            return False
        return done >= self.epochs or done - 1 - self.best_epoch >= self.patience

    @abstractmethod
    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """The loss of a batch."""

    def facts(self) -> dict[str, float]:
        """More numbers for the history of the epoch that ends."""
        return {}

    def configure_gradient_clipping(
        self,
        optimizer: Any,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clips by norm also for fused optimizers: bfloat16 needs no scaling of gradients."""
        if gradient_clip_val is not None:
            torch.nn.utils.clip_grad_norm_(self.parameters(), gradient_clip_val)

    def on_train_start(self) -> None:
        """Begins the average, or takes it up again."""
        self._steps = self.trainer.global_step
        if self.averaging is not None:
            self._average = WeightAverage(self, self.averaging)
            self._average.load(self._resumed_average)

    def on_train_epoch_start(self) -> None:
        """Notes the learning rate that the epoch begins with."""
        self._rate = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        self._busy = self._waited = 0.0
        self._mark = time.perf_counter()

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seeds torch for networks that draw random numbers, such as by dropout.

        By the step, because iterators draw numbers too, and not at the same time in a resumed run.
        """
        step = self.current_epoch * 1_000_003 + batch_idx
        step = step * self.trainer.world_size + self.trainer.global_rank
        torch.manual_seed((self.seed * 1_000_000_007 + step) % 2**63)
        now = time.perf_counter()
        self._waited += now - self._mark
        self._mark = now

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Moves the average after every step of the optimizer."""
        if self.trainer.global_step != self._steps:
            self._steps = self.trainer.global_step
            if self._average is not None:
                self._average.update(self._steps)
        now = time.perf_counter()
        self._busy += now - self._mark
        self._mark = now

    def on_validation_epoch_start(self) -> None:
        """The average is what is validated."""
        if self._average is not None:
            self._average.swap()

    def on_validation_epoch_end(self) -> None:
        """Training goes on with its own weights."""
        if self._average is not None:
            self._average.swap()

    def on_train_epoch_end(self) -> None:
        """Keeps the epoch's losses, and the weights if they are the best.

        Raises:
            CrossDLError: A loss is not finite.
        """
        metrics = {k: float(v) for k, v in self.trainer.callback_metrics.items() if "/" in k}
        bad = [name for name, value in metrics.items() if not math.isfinite(value)]
        if bad:
            raise CrossDLError(
                f"training diverged in epoch {self.current_epoch + 1}: {', '.join(bad)} is not "
                "finite; lower learning_rate"
            )
        self.history.append({**metrics, **self.facts(), "learning_rate": self._rate})
        if self.best_epoch == len(self.history) - 1:
            kept = {**self.state_dict(), **(self._average.tensors if self._average else {})}
            self.best = {k: v.detach().cpu().clone() for k, v in kept.items()}
        seconds = self._busy + self._waited
        self.timing.append((seconds, self._waited))
        self.log("data_wait", self._waited / max(seconds, 1e-9))
        if self.finished:
            self.trainer.should_stop = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds history, best weights and what the training belongs to."""
        checkpoint[_STATE] = {
            "history": self.history,
            "timing": self.timing,
            "best": self.best,
            "average": self._average.tensors if self._average else {},
            "fingerprint": self.fingerprint,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Takes them back."""
        state = checkpoint[_STATE]
        self.history, self.best = list(state["history"]), dict(state["best"])
        self.timing = list(state["timing"])
        self._resumed_average = dict(state["average"])

    @staticmethod
    def owner(checkpoint: dict[str, Any]) -> str | None:
        """Fingerprint of the training that wrote a checkpoint."""
        found = checkpoint.get(_STATE, {}).get("fingerprint")
        return None if found is None else str(found)
