"""What a pooling gets, the logits of one output scale, and what it gives, the bags.

Everything is said in logits, because a probability that rounds to 0 or 1 has lost its logarithm
and its gradient. For a product p = σ(a)·σ(b) of a region and an abnormality voxel::

    ln p           = ln σ(a) + ln σ(b)
    (1 - p)/p      = e^-a + e^-b + e^(-a-b)
    logit(p) = z   = -ln(e^-a + e^-b + e^(-a-b))

with ∂z/∂a and ∂z/∂b in [0, 1] everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

_TINY = 1e-30  # floor of a probability that becomes a logit


class Bags(NamedTuple):
    """Bag probabilities of one output scale, each ``(B, N, M)`` float32.

    Attributes:
        probability: ŷ, in [0, 1].
        log_positive: What E8 uses as ln ŷ; finite.
        log_negative: What E8 uses as ln(1 - ŷ); finite.
    """

    probability: Tensor
    log_positive: Tensor
    log_negative: Tensor

    @classmethod
    def from_logit(cls, logit: Tensor) -> Bags:
        """Bags of ŷ = σ(logit); exact, with a useful gradient, also where ŷ rounds to 0 or 1."""
        positive = logsigmoid(logit)
        return cls(positive.exp(), positive, logsigmoid(-logit))

    @classmethod
    def from_probability(cls, probability: Tensor) -> Bags:
        """Bags of ŷ where there is no logit; both logarithms have a floor of the dtype's eps."""
        gap = torch.finfo(probability.dtype).eps
        positive, negative = (x.clamp_min(gap).log() for x in (probability, 1 - probability))
        return cls(probability, positive, negative)


@dataclass(frozen=True, eq=False)
class VoxelMaps:
    """Flattened float32 logits of one output scale.

    Attributes:
        regions: Of Ŝ, ``(B, N, V)``; 0/1 atlas regions as about ±30.
        abnormality: Of D̂, ``(B, M, V)``.
        coarser: Of D̂ of the next coarser scale, resampled to this scale's voxels, detached,
            ``(B, M, V)``; None at the coarsest scale.
        before: All maps of the next coarser scale at its own voxels, detached, for poolings that
            count there; None at the coarsest scale or if not known.
    """

    regions: Tensor
    abnormality: Tensor
    coarser: Tensor | None = None
    before: VoxelMaps | None = None

    @classmethod
    def from_probabilities(
        cls, regions: Tensor, abnormality: Tensor, coarser: Tensor | None = None
    ) -> VoxelMaps:
        """The same from maps ``(B, N, ...)`` and ``(B, M, ...)`` in [0, 1], of any precision."""
        return cls(
            _logit(regions), _logit(abnormality), None if coarser is None else _logit(coarser)
        )

    def detached(self) -> VoxelMaps:
        """These maps for the next finer scale to count on, without their own coarser ones."""
        return VoxelMaps(self.regions.detach(), self.abnormality.detach())

    @cached_property
    def s(self) -> Tensor:
        """Ŝ, ``(B, N, V)``."""
        return self.regions.sigmoid()

    @cached_property
    def d(self) -> Tensor:
        """D̂, ``(B, M, V)``."""
        return self.abnormality.sigmoid()

    @cached_property
    def not_s(self) -> Tensor:
        """1 - Ŝ, exact also where Ŝ rounds to 1."""
        return (-self.regions).sigmoid()

    @cached_property
    def not_d(self) -> Tensor:
        """1 - D̂, exact also where D̂ rounds to 1."""
        return (-self.abnormality).sigmoid()


def product_logit(a: Tensor, b: Tensor) -> Tensor:
    """Logit of σ(a)·σ(b), by broadcasting: -ln(e^-a + e^-b + e^(-a-b))."""
    return -torch.logaddexp(torch.logaddexp(-a, -b), -a - b)


def scan_bags(abnormality: Tensor, k: int = 1) -> Bags:
    """ŷ_j of E9: mean of the k largest voxels of each abnormality map.

    Args:
        abnormality: Logits of D̂, ``(B, M, V)``.
        k: 1 for the maximum of E9; the released code takes 10 at its coarser and 80 at its finer
            scale, with one cross entropy per voxel.

    Returns:
        ``(B, M)`` each. With k above 1 the logarithms are means over the voxels, as released.
    """
    if k == 1:
        return Bags.from_logit(abnormality.amax(dim=2))
    largest = abnormality.topk(min(k, abnormality.shape[2]), dim=2, sorted=False).values
    return Bags(*(x.mean(dim=2) for x in Bags.from_logit(largest)))


def _logit(probability: Tensor) -> Tensor:
    p = probability.flatten(2).float()
    return p.clamp_min(_TINY).log() - (1 - p).clamp_min(_TINY).log()
