"""Losses E4, E8 and E9, their weights and their schedule. All of it runs in float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from crossdl.networks.bags import Bags
from crossdl.training.samples import Sample
from crossdl.types import FloatArray

if TYPE_CHECKING:
    from monai.losses.dice import DiceLoss

POSITIVE = 0.5  # a label probability from here on counts as positive


@dataclass(frozen=True)
class Part:
    """A loss as a sum, so that processes and scales can be put together before dividing.

    Attributes:
        total: Scalar, the sum over all items; 0 with a zero gradient if there are none.
        count: Scalar, how many items.
    """

    total: Tensor
    count: Tensor

    @property
    def mean(self) -> Tensor:
        """The loss; 0 if there are no items."""
        return self.total / self.count.clamp_min(1)


def lambda_at(epoch: int, start: float = 1.0, floor: float = 0.01) -> float:
    """λ of a 0-based epoch: halves every epoch, never below ``floor``."""
    return max(floor, start * 0.5**epoch)


def positive_frequencies(samples: Sequence[Sample]) -> FloatArray:
    """f_ij of E8: mean label of each cell over the training set, ``(N, M)``."""
    stacked = np.stack([s.matrix[:-2] for s in samples])
    return np.asarray(stacked.mean(axis=0, dtype=np.float64), dtype=np.float32)


def scan_frequencies(samples: Sequence[Sample]) -> FloatArray:
    """How many of the training scans show each type anywhere, ``(M,)``: mean union of all rows."""
    stacked = np.stack([s.matrix.max(axis=0) for s in samples])
    return np.asarray(stacked.mean(axis=0, dtype=np.float64), dtype=np.float32)


def class_weights(frequencies: FloatArray, epsilon: float = 1e-3) -> FloatArray:
    """W = sqrt((1 - f + ε)/(f + ε)) of E8, of the shape of the frequencies f."""
    f = np.asarray(frequencies, dtype=np.float64)
    return np.asarray(np.sqrt((1 - f + epsilon) / (f + epsilon)), dtype=np.float32)


def rank_one(frequencies: FloatArray) -> FloatArray:
    """f_ij smoothed as in the released code: row sum × column sum / total, ``(N, M)``."""
    f = np.asarray(frequencies, dtype=np.float64)
    smooth = f.sum(axis=1, keepdims=True) * f.sum(axis=0) / max(f.sum(), np.finfo(f.dtype).tiny)
    return np.asarray(smooth.clip(0, 1), dtype=np.float32)


def has_region_labels(matrix: Tensor) -> Tensor:
    """``(B,)`` bool: False where any *unclear* label of ``(B, N + 2, M)`` is positive (E8)."""
    return (matrix[:, -1] < POSITIVE).all(dim=1)


def region_targets(labels: Tensor, n_regions: int, factors: Sequence[int]) -> list[Tensor]:
    """Targets of E4 at several scales: one-hot labels, max-pooled.

    The full-resolution one-hot array, which is the largest of the whole training step, is never
    made: the labels' sub-lattices are scattered into the result one after the other.

    Args:
        labels: ``(B, D, H, W)`` uint8; 0 none, i + 1 region i.
        n_regions: N.
        factors: Pooling factors, each a multiple of the next, such as (4, 2).

    Returns:
        For each factor ``(B, N, D/factor, H/factor, W/factor)`` float32 0/1.
    """
    finest = factors[-1]
    batch, *shape = labels.shape
    target = torch.zeros(
        (batch, n_regions + 1, *(n // finest for n in shape)), device=labels.device
    )
    index = labels.to(torch.int64)
    for d in range(finest):
        for h in range(finest):
            for w in range(finest):
                lattice = index[:, None, d::finest, h::finest, w::finest]
                target.scatter_(1, lattice, 1.0)
    targets = [target[:, 1:]]
    for coarse, fine in zip(factors[-2::-1], factors[:0:-1], strict=True):
        targets.insert(0, torch.nn.functional.max_pool3d(targets[0], coarse // fine))
    return targets


def dice_loss() -> DiceLoss:
    """MONAI's Dice loss with smooth 1, one value per scan and region."""
    from monai.losses.dice import DiceLoss

    return DiceLoss(smooth_nr=1.0, smooth_dr=1.0, reduction="none")


def segmentation_loss(dice: DiceLoss, regions: Tensor, target: Tensor) -> Part:
    """E4 at one scale: Dice loss, mean over regions, of every scan that has regions.

    Args:
        dice: From :func:`dice_loss`.
        regions: Ŝ ``(B, N, D, H, W)`` in [0, 1].
        target: The same shape, 0/1; a scan that is 0 everywhere has no segmentation and is
            skipped.

    Returns:
        Items are the scans that have regions.
    """
    present = target.flatten(1).any(dim=1)
    count = present.sum()
    if not bool(count):
        return Part(regions.sum() * 0, count)
    loss: Tensor = dice(regions[present].float(), target[present])
    return Part(loss.flatten(1).mean(dim=1).sum(), count)


def region_loss(
    bags: Bags,
    matrix: Tensor,
    weights: Tensor,
    *,
    possible: Tensor | None = None,
    present: Tensor | None = None,
) -> Part:
    """E8 at one scale, over the scans without a positive *unclear* label.

    Args:
        bags: ŷ and its logarithms, ``(B, N, M)``.
        matrix: Labels ``(B, N + 2, M)``, probabilities allowed: each is both, in its share.
        weights: w ``(N, M)``.
        possible: ``(N, M)`` bool; a cell that cannot occur is negative whatever its label.
        present: ``(B, N)`` bool; a region that is not in the scan does not count.

    Returns:
        Items are the cells that count.
    """
    y = matrix[:, :-2].float()
    if possible is not None:
        y = y * possible
    counted = has_region_labels(matrix)[:, None].expand(y.shape[:2])
    if present is not None:
        counted = counted & present
    cells = -(weights * y * bags.log_positive + (1 - y) * bags.log_negative)
    total = cells.masked_fill(~counted[..., None], 0.0).sum()
    return Part(total, counted.sum() * y.shape[2])


def scan_loss(bags: Bags, matrix: Tensor, weights: Tensor | None = None) -> Part:
    """E9 at one scale: cross entropy of each type against the union of all rows.

    Args:
        bags: ŷ_j and its logarithms, ``(B, M)``; see :func:`crossdl.networks.bags.scan_bags`.
        matrix: Labels ``(B, N + 2, M)``, probabilities allowed.
        weights: ``(M,)`` of the positive term, as in the released code; None means 1, as in E9.

    Returns:
        Items are the scans; each counts with its mean over the types.
    """
    y = matrix.float().amax(dim=1)
    positive = y * bags.log_positive if weights is None else weights * y * bags.log_positive
    total = -(positive + (1 - y) * bags.log_negative).mean(dim=1).sum()
    return Part(total, torch.tensor(len(y), device=y.device))
