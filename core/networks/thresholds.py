"""The k-th largest value of long rows, found by counting instead of sorting.

A sorted sample guesses the threshold, counting above the guess corrects it until fewer than
``_NEAR`` ranks are missing, and the few values near it are then ordered exactly. Values lie in
[0, 1], so x > t is ceil(x - t): in torch, comparing into booleans takes five times as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from crossdl.networks.products import BLOCK

CHUNK = 65536
"""Columns taken at a time, so that what is made of them stays in the processor's cache."""

_SAMPLE = 1024  # values of a row that are sorted for the first guess
_SHORT = 4096  # shorter rows are sorted
_NEAR = 48  # ranks between guess and goal that the last step bridges
_BLOCKS = 128  # blocks nearest to the guess that the last step orders
_WINDOW = 24  # ranks of the sample to either side that say how dense values are near the guess
_FEW = 256  # up to this k, blocks are searched by their maxima
_PASSES = 7  # guesses before the row is sorted after all


class Threshold(NamedTuple):
    """The k-th largest value of each of R rows.

    Attributes:
        value: ``(R,)``.
        column: ``(R,)`` int64, one place where it is.
        above: ``(R,)`` how many values are larger, less than k.
        equal: ``(R,)`` how many are equal to it, at least 1.
    """

    value: Tensor
    column: Tensor
    above: Tensor
    equal: Tensor


def kth_largest(values: Tensor, k: Tensor, buffer: Tensor) -> Threshold:
    """Finds the k-th largest value of every row, exactly.

    Args:
        values: ``(R, n)`` float32 in [0, 1]; n a multiple of ``BLOCK``.
        k: ``(R,)`` int64 in [1, n].
        buffer: ``(R, CHUNK)``; overwritten.

    Returns:
        Thresholds of the rows.
    """
    n = values.shape[1]
    if n <= _SHORT:
        return _by_sorting(values, k)
    few = k <= _FEW
    if bool(few.all()):
        return _by_blocks(values, k)
    if bool(few.any()):
        parts = [
            kth_largest(values[rows], k[rows], buffer[: int(rows.sum())]) for rows in (few, ~few)
        ]
        order = torch.cat([few.nonzero(), (~few).nonzero()])[:, 0].argsort()
        return Threshold(*(torch.cat(pair)[order] for pair in zip(*parts, strict=True)))
    return _by_counting(values, k, buffer)


def _by_counting(values: Tensor, k: Tensor, buffer: Tensor) -> Threshold:
    n = values.shape[1]
    sample = values[:, :: n // _SAMPLE | 1].sort(dim=1, descending=True).values
    scale = sample.shape[1] / n
    guess = _between(sample, k * scale)
    slope = (_between(sample, k * scale - _WINDOW) - _between(sample, k * scale + _WINDOW)) / (
        2 * _WINDOW / scale
    )
    low, high = torch.full_like(guess, -torch.inf), torch.full_like(guess, torch.inf)
    before, before_count = guess, k
    for number in range(_PASSES):
        count = _count(values, guess, buffer)
        missing = count - k
        if int(missing.abs().max()) < _NEAR:
            found = _nearby(values, k, guess, count, buffer)
            if found is not None:
                return found
            break
        low = torch.where(missing >= 0, guess, low)
        high = torch.where(missing >= 0, high, guess)
        if number == 0:
            following = guess + missing * slope
        else:  # the secant through the last two guesses
            change = (count - before_count).where(count != before_count, 1)
            following = guess - missing * (guess - before) / change
        inside = (following > low) & (following < high)
        following = torch.where(inside, following, (low + high) / 2)
        before, before_count = guess, count
        settled = (missing.abs() < _NEAR // 2) | ~following.isfinite()
        guess = torch.where(settled, guess, following)
    return _by_sorting(values, k)


def _between(sample: Tensor, rank: Tensor) -> Tensor:
    """Value of a descending sample at a fractional rank."""
    last = sample.shape[1] - 1
    rank = (rank - 0.5).clamp(0, last)
    before = rank.floor().long()
    pair = sample.gather(1, torch.stack([before, (before + 1).clamp_max(last)], dim=1))
    return pair[:, 0] + (pair[:, 1] - pair[:, 0]) * (rank - before)


def chunks(values: Tensor, buffer: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Some columns after the others: which ones, their values, as much of the buffer."""
    for start in range(0, values.shape[1], CHUNK):
        part = values[:, start : start + CHUNK]
        yield slice(start, start + part.shape[1]), part, buffer[:, : part.shape[1]]


def _count(values: Tensor, guess: Tensor, buffer: Tensor) -> Tensor:
    """How many values of each row are above a guess."""
    total = torch.zeros_like(guess)
    for _, part, over in chunks(values, buffer):
        total += torch.sub(part, guess[:, None], out=over).ceil_().sum(dim=1)
    return total.long()


def _nearby(
    values: Tensor, k: Tensor, guess: Tensor, count: Tensor, buffer: Tensor
) -> Threshold | None:
    """Orders the values near a guess; None if the k-th is not among them."""
    rows, n = values.shape
    distance = values.new_empty((rows, n // BLOCK))
    for at, part, far in chunks(values, buffer):
        torch.sub(part, guess[:, None], out=far).abs_()
        blocks = slice(at.start // BLOCK, at.stop // BLOCK)
        distance[:, blocks] = far.unflatten(1, (-1, BLOCK)).amin(dim=2)  # type: ignore[no-untyped-call]
    chosen = distance.topk(min(_BLOCKS, distance.shape[1]), dim=1, largest=False, sorted=False)
    radius = chosen.values.amax(dim=1, keepdim=True)  # whatever is nearer than this is in them
    columns = (chosen.indices[..., None] * BLOCK + torch.arange(BLOCK, device=k.device)).flatten(1)
    near = values.gather(1, columns)
    inside = (near - guess[:, None]).abs() < radius
    ordered = near.masked_fill(~inside, float("-inf")).topk(2 * _BLOCKS, dim=1)
    total = inside.sum(dim=1)
    above = (inside & (near > guess[:, None])).sum(dim=1)
    place = above - (count - k) - 1
    if not bool(((place >= 0) & (place < total.clamp_max(2 * _BLOCKS))).all()):
        return None
    value = ordered.values.gather(1, place[:, None])
    column = columns.gather(1, ordered.indices.gather(1, place[:, None]))[:, 0]
    higher = (ordered.values > value).sum(dim=1)
    equal = (inside & (near == value)).sum(dim=1)
    return Threshold(value[:, 0], column, count - above + higher, equal)


def _by_blocks(values: Tensor, k: Tensor) -> Threshold:
    """For small k: the k largest values lie in the k blocks with the largest maxima."""
    blocks = values.view(len(values), -1, BLOCK)
    largest = int(k.max())
    chosen = blocks.amax(dim=2).topk(min(largest, blocks.shape[1]), dim=1, sorted=False).indices
    columns = (chosen[..., None] * BLOCK + torch.arange(BLOCK, device=k.device)).flatten(1)
    near = values.gather(1, columns)
    found = _by_sorting(near, k)
    column = columns.gather(1, found.column[:, None])[:, 0]
    tied = (values == found.value[:, None]).sum(dim=1)
    return Threshold(found.value, column, found.above, tied)


def _by_sorting(values: Tensor, k: Tensor) -> Threshold:
    ordered, columns = values.topk(int(k.max()), dim=1)
    place = (k - 1)[:, None]
    value = ordered.gather(1, place)
    return Threshold(
        value[:, 0],
        columns.gather(1, place)[:, 0],
        (values > value).sum(dim=1),
        (values == value).sum(dim=1),
    )
