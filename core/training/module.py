"""One training step on weak labels: E4, E8 and E9 over all output scales of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from crossdl.anatomy import Anatomy
from crossdl.training import losses
from crossdl.training.config import NetworkConfig
from crossdl.training.data import Batch, Statistics
from crossdl.training.model import Evidence, LearningModel
from crossdl.training.resumable import ResumableModule


class Terms(NamedTuple):
    """The losses of one batch, averaged over the output scales.

    Attributes:
        segmentation: E4.
        region: E8.
        scan: E9.
        segmented: Scans that entered E4.
        labelled: Scans that entered E8.
        scans: Scans that entered E9.
    """

    segmentation: Tensor
    region: Tensor
    scan: Tensor
    segmented: int
    labelled: int
    scans: int


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
    ) -> None:
        """Ties model and settings together."""
        super().__init__(
            epochs=config.epochs, patience=config.patience, seed=seed, fingerprint=fingerprint
        )
        self.monitor = "valid/region" if config.region_weight else "valid/scan"
        self.model = model
        self.config = config
        self.statistics = statistics
        self.dice = losses.dice_loss()
        self.weights: Tensor
        self.possible: Tensor
        self.trained: Tensor
        weights = losses.class_weights(statistics.frequencies, config.weight_epsilon)
        names = anatomy.region_names
        trained = [config.trained_regions is None or r in config.trained_regions for r in names]
        for name, values in (
            ("weights", torch.from_numpy(weights)),
            ("possible", torch.from_numpy(anatomy.possible)),
            ("trained", torch.tensor(trained)),
        ):
            self.register_buffer(name, values, persistent=False)

    def terms(self, batch: Batch) -> Terms:
        """Losses of a batch."""
        image = (batch.image.float() - self.statistics.mean) / self.statistics.std
        evidence = self.model.evidence(image, batch.regions)
        with torch.autocast(image.device.type, enabled=False):
            return self._terms(batch, evidence)

    def _terms(self, batch: Batch, evidence: Sequence[Evidence]) -> Terms:
        segmentation = self._segmentation(batch, [e.regions for e in evidence])
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
            scan.append(losses.scan_loss(scale.scan, batch.matrix))
        means = [
            torch.stack([p.mean for p in parts]).mean() if parts else torch.zeros(())
            for parts in (segmentation, region, scan)
        ]
        return Terms(
            segmentation=means[0],
            region=means[1],
            scan=means[2],
            segmented=int(segmentation[0].count) if segmentation else 0,
            labelled=int(losses.has_region_labels(batch.matrix).sum()),
            scans=len(batch.matrix),
        )

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
        """λ·E4 + E8 + α·E9 of a batch."""
        terms = self.terms(batch)
        config = self.config
        total = self._lambda() * terms.segmentation + config.region_weight * terms.region
        total = total + config.alpha * terms.scan
        self._note("train", terms)
        self.log("train/loss", total.detach(), on_epoch=True, on_step=False, batch_size=terms.scans)
        for name in ("segmentation", "region", "scan"):
            self.log(name, getattr(terms, name).detach(), prog_bar=True, logger=False)
        return total

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Notes the losses of a batch."""
        self._note("valid", self.terms(batch))

    def _note(self, split: str, terms: Terms) -> None:
        """Logs each term as a mean over the scans that entered it."""
        counts = (terms.segmented, terms.labelled, terms.scans)
        for name, count in zip(("segmentation", "region", "scan"), counts, strict=True):
            if count:
                value = getattr(terms, name).detach()
                self.log(f"{split}/{name}", value, on_step=False, on_epoch=True, batch_size=count)

    def _lambda(self) -> float:
        return losses.lambda_at(
            self.current_epoch, self.config.lambda_start, self.config.lambda_floor
        )

    def configure_optimizers(self) -> Any:
        """Adam; the learning rate halves every epoch from ``halve_from_epoch`` on."""
        config = self.config
        parameters = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(parameters, lr=config.learning_rate)
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: 0.5 ** max(0, epoch + 2 - config.halve_from_epoch)
        )
        return [optimizer], [scheduler]

    def facts(self) -> dict[str, float]:
        """The weight λ of the epoch."""
        return {"lambda": self._lambda()}
