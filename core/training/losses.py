"""Losses E4, E8 and E9, their weights and their schedule. All of it runs in float32."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from crossdl.training.samples import Sample
from crossdl.types import FloatArray

if TYPE_CHECKING:
    from monai.losses.dice import DiceLoss

_TINY = 1e-30  # floor of a probability inside a logarithm
_GAP = 2.0**-24  # floor of 1 - p: the gap below 1 in float32
POSITIVE = 0.5  # a label probability from here on counts as positive


def lambda_at(epoch: int, start: float = 1.0, floor: float = 0.01) -> float:
    """λ of a 0-based epoch: halves every epoch, never below ``floor``."""
    return max(floor, start * 0.5**epoch)


def positive_frequencies(samples: Sequence[Sample]) -> FloatArray:
    """f_ij of E8: mean label of each cell over the training set, ``(N, M)``."""
    stacked = np.stack([s.matrix[:-2] for s in samples])
    return np.asarray(stacked.mean(axis=0, dtype=np.float64), dtype=np.float32)


def class_weights(frequencies: FloatArray, epsilon: float = 1e-3) -> FloatArray:
    """w_ij = sqrt((1 - f_ij + ε)/(f_ij + ε)) of E8, ``(N, M)``."""
    f = np.asarray(frequencies, dtype=np.float64)
    return np.asarray(np.sqrt((1 - f + epsilon) / (f + epsilon)), dtype=np.float32)


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


def segmentation_loss(dice: DiceLoss, regions: Tensor, target: Tensor) -> Tensor:
    """E4 at one scale: mean Dice loss over regions, and over the scans that have regions.

    Args:
        dice: From :func:`dice_loss`.
        regions: Ŝ ``(B, N, D, H, W)`` in [0, 1].
        target: The same shape, 0/1; a scan that is 0 everywhere has no segmentation and is
            skipped.

    Returns:
        Scalar; 0 if no scan has regions.
    """
    present = target.flatten(1).any(dim=1)
    if not bool(present.any()):
        return regions.sum() * 0
    loss: Tensor = dice(regions[present].float(), target[present])
    return loss.mean()


def region_loss(bags: Tensor, matrix: Tensor, weights: Tensor) -> Tensor:
    """E8 at one scale, averaged over the scans without a positive *unclear* label.

    Args:
        bags: ŷ ``(B, N, M)`` in [0, 1].
        matrix: Labels ``(B, N + 2, M)``, probabilities allowed.
        weights: w ``(N, M)``.

    Returns:
        Scalar; 0 if every scan is unclear.
    """
    counted = has_region_labels(matrix)
    if not bool(counted.any()):
        return bags.sum() * 0
    p, y = bags[counted].float(), matrix[counted, :-2].float()
    positive = weights * y * p.clamp_min(_TINY).log()
    negative = (1 - y) * (1 - p).clamp_min(_GAP).log()
    return -(positive + negative).mean()


def scan_loss(abnormality: Tensor, matrix: Tensor) -> Tensor:
    """E9 at one scale: cross entropy of each map's maximum against the union of all rows.

    Args:
        abnormality: D̂ ``(B, M, ...)`` in [0, 1].
        matrix: Labels ``(B, N + 2, M)``, probabilities allowed.

    Returns:
        Scalar. Where voxels tie for the maximum, one of them receives the gradient.
    """
    p = abnormality.flatten(2).float().max(dim=2).values
    y = matrix.float().amax(dim=1)
    positive = y * p.clamp_min(_TINY).log()
    negative = (1 - y) * (1 - p).clamp_min(_GAP).log()
    return -(positive + negative).mean()
