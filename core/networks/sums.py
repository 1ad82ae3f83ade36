"""Sums over the voxels of every cell, as products of matrices: Ŝ-weighted means and noisy-or."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import logsigmoid

from crossdl.networks.bags import Bags, VoxelMaps

EMPTY = 1e-3
"""Voxels that say no in every region, so that a region without any gives about 0."""

_TINY = 1e-30  # floor inside a logarithm
_CHUNK = 16384  # voxels whose products exist at a time


def odds_bags(yes: Tensor, no: Tensor) -> Bags:
    """Bags of ŷ = yes/(yes + no), from two sums of which neither was found by subtraction."""
    return Bags.from_logit(yes.clamp_min(_TINY).log() - no.clamp_min(_TINY).log())


def weighted_mean_bags(maps: VoxelMaps, weight: Tensor | None = None) -> Bags:
    """ŷ_ij = Σ_v Ŝ_iv w_jv D̂_jv / (Σ_v Ŝ_iv w_jv + EMPTY).

    Args:
        maps: N regions and M types at V voxels.
        weight: w, ``(B, M, V)``, positive; None means 1.

    Returns:
        ``(B, N, M)`` each.
    """
    yes, no = (maps.d, maps.not_d) if weight is None else (maps.d * weight, maps.not_d * weight)
    return odds_bags(maps.s @ yes.mT, maps.s @ no.mT + EMPTY)


def softmax_weights(maps: VoxelMaps, alpha: Tensor | float) -> Tensor:
    """w_jv = exp(α·(D̂_jv - 1)), ``(B, M, V)``: the softmax over voxels before its division."""
    return (-alpha * maps.not_d).exp()


def power_bags(maps: VoxelMaps, n: Tensor | float) -> Bags:
    """ŷ_ij = Σ_v p^(n+1) / (Σ_v p^n + EMPTY) with p = Ŝ_iv·D̂_jv."""
    s, d = (_powers(x, n) for x in (maps.regions, maps.abnormality))
    more = s * maps.s
    yes = more @ (d * maps.d).mT
    no = (s * maps.not_s) @ d.mT + more @ (d * maps.not_d).mT  # Σ p^n·(1 - p)
    return odds_bags(yes, no + EMPTY)


def gem_bags(maps: VoxelMaps, p: float) -> Bags:
    """ŷ_ij = (Σ_v Ŝ_iv D̂_jv^p / (Σ_v Ŝ_iv + EMPTY))^(1/p)."""
    logs = logsigmoid(maps.abnormality) * p
    volume = maps.s.sum(dim=2)[..., None] + EMPTY
    share = maps.s @ logs.exp().mT / volume
    rest = (maps.s @ -torch.expm1(logs).mT + EMPTY) / volume
    positive = _log_share(share, rest) / p
    return odds_bags(positive.exp(), -torch.expm1(positive))


def lse_bags(maps: VoxelMaps, r: float) -> Bags:
    """ŷ_ij = 1/r·ln((Σ_v Ŝ_iv e^(r D̂_jv) + EMPTY)/(Σ_v Ŝ_iv + EMPTY))."""
    volume = maps.s.sum(dim=2)[..., None] + EMPTY
    yes = torch.log1p(maps.s @ torch.expm1(r * maps.d).mT / volume)
    lost = maps.s @ -torch.expm1(-r * maps.not_d).mT - EMPTY * math.expm1(-r)
    lost = lost / volume
    near_one = -torch.log1p(-lost.clamp_max(0.5))
    return odds_bags(yes, torch.where(lost < 0.5, near_one, r - yes))


def _log_share(share: Tensor, rest: Tensor) -> Tensor:
    """Logarithm of a share in (0, 1] of which also the rest is known, exact near 0 and near 1."""
    near_one = torch.log1p(-rest.clamp_max(0.5))
    return torch.where(rest < 0.5, near_one, share.clamp_min(_TINY).log())


def _powers(logits: Tensor, n: Tensor | float) -> Tensor:
    """σ(logits)^n, with a gradient also for n."""
    if isinstance(n, float) and n == 1.0:
        return logits.sigmoid()
    return (logsigmoid(logits) * n).exp()


def noisy_or_bags(maps: VoxelMaps) -> Bags:
    """ŷ_ij = 1 - Π_v (1 - Ŝ_iv·D̂_jv)."""
    missed: Tensor = _LogMissed.apply(maps.regions, maps.abnormality)  # type: ignore[no-untyped-call]
    sure = torch.log1p(-(-missed.clamp_min(0.5)).exp())
    positive = torch.where(missed > 0.5, sure, (-torch.expm1(-missed)).clamp_min(_TINY).log())
    return Bags(positive.exp(), positive, -missed)


class _LogMissed(torch.autograd.Function):
    """-Σ_v ln(1 - Ŝ_iv·D̂_jv), the products of a few voxels at a time in both directions."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        """Sums, ``(B, N, M)``."""
        ctx.save_for_backward(a, b)
        total = a.new_zeros((*a.shape[:2], b.shape[1]))
        for start in range(0, a.shape[2], _CHUNK):
            s, d, gap = _gap(a[..., start : start + _CHUNK], b[..., start : start + _CHUNK])
            products = s[:, :, None] * d[:, None]
            logs = torch.log1p(-products.clamp_max(0.9))
            if bool((products > 0.9).any()):
                logs = torch.where(products > 0.9, gap.log_(), logs)
            total -= logs.sum(dim=3)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """∂/∂a_iv = Σ_j s(1 - s)d/(1 - sd), ∂/∂b_jv = Σ_i d(1 - d)s/(1 - sd)."""
        a, b = ctx.saved_tensors
        to_a, to_b = torch.empty_like(a), torch.empty_like(b)
        for start in range(0, a.shape[2], _CHUNK):
            part = slice(start, start + _CHUNK)
            s, d, gap = _gap(a[..., part], b[..., part])
            ratio = torch.div(gradient[..., None], gap, out=gap)
            to_a[..., part] = (ratio * d[:, None]).sum(dim=2) * s * (-a[..., part]).sigmoid()
            to_b[..., part] = (ratio.mul_(s[:, :, None])).sum(dim=1) * d * (-b[..., part]).sigmoid()
        return to_a, to_b


def _gap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Ŝ, D̂ and 1 - Ŝ·D̂ = (1 - Ŝ) + Ŝ·(1 - D̂), ``(B, N, M, v)``, never 0."""
    s, d = a.sigmoid(), b.sigmoid()
    not_s, not_d = (-a).sigmoid(), (-b).sigmoid()
    gap = s[:, :, None] * not_d[:, None]
    return s, d, gap.add_(not_s[:, :, None]).clamp_min_(_TINY)
