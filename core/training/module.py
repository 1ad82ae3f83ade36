"""One training step on weak labels: E4, E8 and E9 over all output scales of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from crossdl.anatomy import Anatomy
from crossdl.networks.bags import Bags
from crossdl.training import losses
from crossdl.training.config import NetworkConfig
from crossdl.training.data import Batch, Statistics
from crossdl.training.model import Evidence, LearningModel
from crossdl.training.resumable import ResumableModule
from crossdl.training.schedule import rate_factor
from crossdl.types import FloatArray


class Terms(NamedTuple):
    """Losses of one batch as sums and counts, each with one number per output scale.

    Attributes:
        segmentation: E4.
        region: E8.
        scan: E9.
    """

    segmentation: losses.Part
    region: losses.Part
    scan: losses.Part


class RegionMILModule(ResumableModule):
    """Trains a model by λ·E4 + w·E8 + α·E9.

    The validation region loss (E8) chooses the best epoch; the scan loss (E9) does where E8 has
    no weight.
    """

    def __init__(
        self,
        model: LearningModel,
        config: NetworkConfig,
        anatomy: Anatomy,
        statistics: Statistics,
        seed: int,
        fingerprint: str,
        scan_frequencies: FloatArray,
    ) -> None:
        """Ties model and settings together.

        Args:
            model: What is trained.
            config: Losses and schedule.
            anatomy: Impossible cells and names of regions.
            statistics: Of the training set.
            seed: Of everything random.
            fingerprint: Of the training.
            scan_frequencies: Of the training set, ``(M,)``.
        """
        super().__init__(
            epochs=config.epochs,
            patience=config.patience,
            seed=seed,
            fingerprint=fingerprint,
            averaging=config.averaging,
        )
        self.monitor = "valid/region" if config.region_weight else "valid/scan"
        self.model = model
        self.config = config
        self.statistics = statistics
        self.dice = losses.dice_loss()
        self.weights: Tensor
        self.possible: Tensor
        self.trained: Tensor
        self.scan_weights: Tensor
        cells = statistics.frequencies
        if config.cell_frequencies == "rank_one":
            cells = losses.rank_one(cells)
        weights = losses.class_weights(cells, config.weight_epsilon)
        scans = losses.class_weights(scan_frequencies, config.weight_epsilon)
        scans = scans if config.weigh_scans else np.ones_like(scans)
        names = anatomy.region_names
        trained = [config.trained_regions is None or r in config.trained_regions for r in names]
        for name, values in (
            ("weights", torch.from_numpy(weights)),
            ("scan_weights", torch.from_numpy(scans)),
            ("possible", torch.from_numpy(anatomy.possible)),
            ("trained", torch.tensor(trained)),
        ):
            self.register_buffer(name, values, persistent=False)
        self._sums: dict[str, Tensor] = {}

    def terms(self, batch: Batch) -> Terms:
        """Losses of the scans of this process."""
        image = (batch.image.float() - self.statistics.mean) / self.statistics.std
        evidence = self.model.evidence(image, batch.regions)
        with torch.autocast(image.device.type, enabled=False):
            return self._terms(batch, evidence)

    def _terms(self, batch: Batch, evidence: Sequence[Evidence]) -> Terms:
        region, scan = [], []
        for scale in evidence:
            present = self.trained.expand(len(batch.matrix), -1)
            if scale.counted is not None:
                present = present & scale.counted
            region.append(
                losses.region_loss(
                    scale.bags, batch.matrix, self.weights, possible=self.possible, present=present
                )
            )
            real = Bags(*(values[batch.real] for values in scale.scan))
            scan.append(losses.scan_loss(real, batch.matrix[batch.real], self.scan_weights))
        segmentation = self._segmentation(batch, [e.regions for e in evidence])
        return Terms(*(_together(parts) for parts in (segmentation, region, scan)))

    def _segmentation(self, batch: Batch, maps: Sequence[Tensor | None]) -> list[losses.Part]:
        """E4 of every scale that has region maps; of the trained regions only."""
        found = [m for m in maps if m is not None]
        if not found:
            return []
        factors = [batch.regions.shape[1] // m.shape[2] for m in found]
        targets = losses.region_targets(batch.regions, len(self.trained), factors)
        if self.config.trained_regions is not None:
            found = [m[:, self.trained] for m in found]
            targets = [t[:, self.trained] for t in targets]
        return [
            losses.segmentation_loss(self.dice, m, t) for m, t in zip(found, targets, strict=True)
        ]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """λ·E4 + w·E8 + α·E9 over the scans of all processes.

        Sums are divided by the counts of all processes; times their number, because Lightning
        averages the gradients.
        """
        terms = self.terms(batch)
        weights = (self._lambda(), self.config.region_weight, self.config.alpha)
        noted = self._note("train", terms)
        total = torch.zeros((), device=self.device)
        value = torch.zeros((), dtype=torch.float64, device=self.device)
        for name, weight, part, sums in zip(Terms._fields, weights, terms, noted, strict=True):
            counts = sums[1].clamp_min(1)
            total = total + weight * (part.total / counts.float()).mean()
            mean = (sums[0] / counts).mean()
            value = value + weight * mean
            self.log(name, mean, prog_bar=True, logger=False)
        scans = noted[-1][1][:1]
        self._add("train/loss", torch.stack([value * scans, scans]))
        return total * self.trainer.world_size

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Notes the losses of a batch."""
        self._note("valid", self.terms(batch))

    def on_train_epoch_end(self) -> None:
        """Logs the means over the epoch, of every term over the items that entered it."""
        self._log_means("train")
        super().on_train_epoch_end()

    def on_validation_epoch_end(self) -> None:
        """The same."""
        super().on_validation_epoch_end()
        self._log_means("valid")

    def _note(self, split: str, terms: Terms) -> list[Tensor]:
        """Adds a batch to the epoch's sums.

        Returns:
            Per term sums and counts of each scale over all processes, ``(2, K)`` float64.
        """
        own = [torch.stack([p.total.detach().double(), p.count.double()]) for p in terms]
        everywhere = self.trainer.strategy.reduce(torch.cat(own, dim=1), reduce_op="sum")
        noted = list(everywhere.split([part.shape[1] for part in own], dim=1))
        for name, sums in zip(Terms._fields, noted, strict=True):
            self._add(f"{split}/{name}", sums)
        return noted

    def _add(self, name: str, sums: Tensor) -> None:
        self._sums[name] = self._sums[name] + sums if name in self._sums else sums.clone()

    def _log_means(self, split: str) -> None:
        for name in [n for n in self._sums if n.startswith(f"{split}/")]:
            totals, counts = self._sums.pop(name)
            if bool(counts.any()):
                self.log(name, (totals / counts.clamp_min(1)).mean())

    def _lambda(self) -> float:
        return losses.lambda_at(
            self.current_epoch, self.config.lambda_start, self.config.lambda_floor
        )

    def on_train_start(self) -> None:
        """Lays a resumed optimizer's state out like its weights; the fused Adam relies on it."""
        super().on_train_start()
        for weight, state in self.trainer.optimizers[0].state.items():
            for name in ("exp_avg", "exp_avg_sq"):
                state[name] = torch.empty_like(weight).copy_(state[name])

    def on_train_epoch_start(self) -> None:
        """Sets the rate that the epoch begins with, which is noted."""
        self._set_rate()
        super().on_train_epoch_start()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Sets the learning rate of the step."""
        super().on_train_batch_start(batch, batch_idx)
        self._set_rate()

    def _set_rate(self) -> None:
        batches = int(self.trainer.num_training_batches)
        factor = rate_factor(
            self.config,
            self.trainer.global_step,
            -(-batches // self.config.accumulate),
            [entry[str(self.monitor)] for entry in self.history],
        )
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.config.learning_rate * factor

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam; weights decay in kernels, not in biases and norms."""
        learnt = [p for p in self.parameters() if p.requires_grad]
        groups = [
            {"params": [p for p in learnt if p.ndim > 1], "weight_decay": self.config.weight_decay},
            {"params": [p for p in learnt if p.ndim <= 1], "weight_decay": 0.0},
        ]
        rate = self.config.learning_rate
        return torch.optim.AdamW([g for g in groups if g["params"]], lr=rate, fused=True)

    def facts(self) -> dict[str, float]:
        """The weight λ of the epoch."""
        return {"lambda": self._lambda()}


def _together(parts: Sequence[losses.Part]) -> losses.Part:
    """The scales of one term in one; nothing where a model has no such term."""
    if not parts:
        return losses.Part(torch.zeros(1), torch.zeros(1))
    return losses.Part(torch.stack([p.total for p in parts]), torch.stack([p.count for p in parts]))
