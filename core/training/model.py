"""What is trained: a model that turns images into the evidence which the losses judge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from crossdl.networks.bags import Bags, VoxelMaps, scan_bags
from crossdl.networks.classifiers import EncoderClassifier
from crossdl.networks.maps import MapNetwork, ScaleOutput
from crossdl.networks.products import largest_logits
from crossdl.training.losses import region_targets

if TYPE_CHECKING:
    from crossdl.interfaces import MILPooling

RegionSource = Literal["dynamic", "static"]
"""Where regions come from: dynamic are the network's own (E6), static the atlas's (E5)."""

_STATIC_LOGIT = 30.0  # of a voxel in an atlas region; minus this outside of it


class Evidence(NamedTuple):
    """What a model says at one output scale, for the losses.

    Attributes:
        bags: ŷ of every region and type, ``(B, N, M)``, for E8.
        scan: ŷ_j of every type, ``(B, M)``, for E9.
        regions: Ŝ ``(B, N, D, H, W)`` in [0, 1], for E4; None of a model without region maps.
        counted: ``(B, N)`` bool, regions that are there; bags of the others enter no loss. None
            means all.
    """

    bags: Bags
    scan: Bags
    regions: Tensor | None
    counted: Tensor | None


class Inference(NamedTuple):
    """What a model says of images, float32, all in [0, 1].

    Attributes:
        regions: Region maps, ``(B, N, D, H, W)``.
        abnormality: Abnormality maps, ``(B, M, D, H, W)``.
        region_scores: ``(B, N, M)``.
        scan_scores: ``(B, M)``.
    """

    regions: Tensor
    abnormality: Tensor
    region_scores: Tensor
    scan_scores: Tensor


class LearningModel(nn.Module, ABC):
    """A network with everything between it and the losses.

    Attributes:
        network: The convolutions.
    """

    network: MapNetwork | EncoderClassifier

    @abstractmethod
    def evidence(self, image: Tensor, labels: Tensor) -> list[Evidence]:
        """For training.

        Args:
            image: ``(B, 1, D, H, W)`` float32, normalised.
            labels: ``(B, D, H, W)`` uint8, the coarse atlas regions; 0 none, i + 1 region i.

        Returns:
            One per output scale, coarsest first.
        """

    @abstractmethod
    def infer(self, image: Tensor, labels: Tensor | None) -> Inference:
        """For prediction, of the finest scale; called without gradients.

        Args:
            image: As for :meth:`evidence`.
            labels: As for :meth:`evidence`; None where the model needs none.
        """

    @property
    def checkpointing(self) -> bool:
        """Whether blocks are computed again on the way back; see :class:`MapNetwork`."""
        return self.network.checkpointing

    @checkpointing.setter
    def checkpointing(self, on: bool) -> None:
        self.network.checkpointing = on


class MapModel(LearningModel):
    """A map network with its pooling and its source of regions.

    Attributes:
        network: Gives the maps.
        pooling: Parameters of the pooling, or None; the files of a model call both by these
            names.
    """

    network: MapNetwork

    def __init__(
        self,
        network: MapNetwork,
        pooling: MILPooling[Any],
        n_regions: int,
        *,
        regions: RegionSource = "dynamic",
        inference_regions: RegionSource = "dynamic",
        region_gradient: bool = True,
        min_region_sum: float = 0.0,
        scan_voxels: int = 1,
    ) -> None:
        """Puts them together.

        Args:
            network: With region heads, unless regions are static everywhere.
            pooling: Makes bags of the maps of each scale.
            n_regions: N.
            regions: Source in training.
            inference_regions: Source in prediction.
            region_gradient: Whether gradients flow from the bags to Ŝ.
            min_region_sum: A region whose map sums to less at a scale is not counted there.
            scan_voxels: Voxels averaged for E9 at the coarsest scale, 1 for the maximum; more
                become eight times as many at each finer scale.
        """
        super().__init__()
        self.network = network
        self.pooling = pooling.learned()
        self.bags = pooling.bags
        self.n_regions = n_regions
        self.source = regions
        self.inference_source = inference_regions
        self.region_gradient = region_gradient
        self.min_region_sum = min_region_sum
        self.scan_voxels = scan_voxels

    def evidence(self, image: Tensor, labels: Tensor) -> list[Evidence]:
        """Bags of every scale by the pooling, scans by E9."""
        outputs = self.network(image)
        atlases: Sequence[Tensor | None] = [None] * len(outputs)
        if self.source == "static":
            atlases = self._static(labels, [o.abnormality for o in outputs])
        found = []
        before, coarse, k = None, None, self.scan_voxels
        with torch.autocast(image.device.type, enabled=False):
            for output, atlas in zip(outputs, atlases, strict=True):
                d = output.abnormality
                a = _region_logits(output) if atlas is None else _logits(atlas)
                coarser = None
                if coarse is not None:
                    coarser = interpolate(coarse, d.shape[2:], mode="nearest").flatten(2)
                used = a if self.region_gradient else a.detach()
                maps = VoxelMaps(used.flatten(2), d.flatten(2), coarser, before)
                found.append(
                    Evidence(
                        bags=self.bags(maps),
                        scan=scan_bags(maps.abnormality, k),
                        regions=None if output.regions is None else output.regions.sigmoid(),
                        counted=self._counted(maps.s.view_as(a) if atlas is None else atlas),
                    )
                )
                before, coarse = maps.detached(), d.detach()
                k = 8 * k if k > 1 else 1
        return found

    def infer(self, image: Tensor, labels: Tensor | None) -> Inference:
        """E6, or E5 with static regions; scans by the maximum of each map.

        Raises:
            ValueError: Regions are static and there are no labels.
        """
        output = self.network(image)[-1]
        d = output.abnormality
        if self.inference_source == "static":
            if labels is None:
                raise ValueError("static regions need labels")
            regions = self._static(labels, [d])[0]
            a = _logits(regions)
        else:
            a = _region_logits(output)
            regions = a.sigmoid()
        largest = largest_logits(VoxelMaps(a.flatten(2), d.flatten(2)), 1)[..., 0]
        abnormality = d.sigmoid()
        return Inference(
            regions, abnormality, largest.sigmoid(), abnormality.flatten(2).amax(dim=2)
        )

    def _static(self, labels: Tensor, maps: list[Tensor]) -> list[Tensor]:
        """Atlas regions ``(B, N, D, H, W)`` 0/1 on the voxels of each map: one-hot, max-pooled."""
        factors = [labels.shape[1] // m.shape[2] for m in maps]
        return region_targets(labels, self.n_regions, factors)

    @torch.no_grad()
    def _counted(self, regions: Tensor) -> Tensor:
        total = regions.flatten(2).sum(dim=2)
        return (total > 0) & (total >= self.min_region_sum)


def _region_logits(output: ScaleOutput) -> Tensor:
    assert output.regions is not None, "the network of dynamic regions has no region heads"
    return output.regions


def _logits(atlas: Tensor) -> Tensor:
    return (2 * atlas - 1) * _STATIC_LOGIT
