"""One training step of a map network on weak labels: E4, E8 and E9 over all output scales."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from crossdl.networks.bags import VoxelMaps, scan_bags
from crossdl.networks.maps import MapNetwork, ScaleOutput
from crossdl.training import losses
from crossdl.training.config import NetworkConfig
from crossdl.training.data import Batch, Statistics
from crossdl.training.resumable import ResumableModule

if TYPE_CHECKING:
    from crossdl.interfaces import MILPooling

MONITOR = "valid/region"
"""Validation region MIL loss (E8): chooses the best epoch."""


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
    """Trains a network and, where it has parameters, its pooling by λ·E4 + E8 + α·E9."""

    monitor = MONITOR

    def __init__(
        self,
        network: MapNetwork,
        pooling: MILPooling[Any],
        config: NetworkConfig,
        statistics: Statistics,
        seed: int,
        fingerprint: str,
    ) -> None:
        """Ties network, pooling and settings together."""
        super().__init__(
            epochs=config.epochs, patience=config.patience, seed=seed, fingerprint=fingerprint
        )
        self.network = network
        self.pooling = pooling
        self.learned = pooling.learned()
        self.config = config
        self.statistics = statistics
        self.dice = losses.dice_loss()
        weights = losses.class_weights(statistics.frequencies, config.weight_epsilon)
        self.weights: Tensor
        self.register_buffer("weights", torch.from_numpy(weights), persistent=False)
        self.possible: Tensor
        possible = torch.from_numpy(pooling.anatomy.possible)
        self.register_buffer("possible", possible, persistent=False)

    def terms(self, batch: Batch) -> Terms:
        """Losses of a batch."""
        image = (batch.image.float() - self.statistics.mean) / self.statistics.std
        outputs = self.network(image)
        with torch.autocast(image.device.type, enabled=False):
            return self._terms(batch, outputs)

    def _terms(self, batch: Batch, outputs: Sequence[ScaleOutput]) -> Terms:
        factors = [batch.regions.shape[1] // o.regions.shape[2] for o in outputs]
        targets = losses.region_targets(batch.regions, outputs[-1].regions.shape[1], factors)
        found: dict[str, list[losses.Part]] = {"segmentation": [], "region": [], "scan": []}
        before, coarse = None, None
        for output, target in zip(outputs, targets, strict=True):
            a, b = output
            coarser = None
            if coarse is not None:
                coarser = torch.nn.functional.interpolate(coarse, b.shape[2:], mode="nearest")
                coarser = coarser.flatten(2)
            maps = VoxelMaps(a.flatten(2), b.flatten(2), coarser, before)
            found["segmentation"].append(losses.segmentation_loss(self.dice, a.sigmoid(), target))
            found["region"].append(
                losses.region_loss(
                    self.pooling.bags(maps), batch.matrix, self.weights, possible=self.possible
                )
            )
            found["scan"].append(losses.scan_loss(scan_bags(maps.abnormality), batch.matrix))
            before, coarse = maps.detached(), b.detach()
        return Terms(
            **{name: torch.stack([p.mean for p in parts]).mean() for name, parts in found.items()},
            segmented=int(found["segmentation"][0].count),
            labelled=int(losses.has_region_labels(batch.matrix).sum()),
            scans=len(batch.matrix),
        )

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """λ·E4 + E8 + α·E9 of a batch."""
        terms = self.terms(batch)
        total = self._lambda() * terms.segmentation + terms.region + self.config.alpha * terms.scan
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
