"""The k largest values of long rows, found by selection instead of sorting.

Of a row on the CPU numpy's ``partition`` is used: a vectorised quickselect that takes a tenth of
the time of torch's ``topk`` or ``kthvalue`` (Bingmann et al. describe the idea; numpy ships it for
AVX2, AVX-512 and NEON). It releases Python's lock, so rows are taken on as many threads as torch
may use. On other devices the rows are sorted, which is fast there.
"""

from __future__ import annotations

from concurrent.futures import Executor
from typing import NamedTuple

import torch
from torch import Tensor

_ALONE = 32768  # shorter rows are not worth a thread


class Top(NamedTuple):
    """The k largest values of each of R rows.

    Attributes:
        value: The k-th largest, ``(R,)``.
        total: Sum of the k largest, ``(R,)``.
        share: How much of each value equal to the k-th belongs to the k largest, in (0, 1],
            ``(R,)``: 1 unless there are more of them than places.
    """

    value: Tensor
    total: Tensor
    share: Tensor


def k_largest_of_rows(values: Tensor, k: list[int], threads: Executor | None = None) -> Top:
    """Finds the k-th largest value of every row, exactly, and sums what is not below it.

    Args:
        values: ``(R, n)`` float32, contiguous rows; every row is put into another order.
        k: R numbers in [1, n].
        threads: Where rows are taken at the same time; None: here, one after the other.

    Returns:
        Of every row.
    """
    n = values.shape[1]
    if values.device.type == "cpu":
        rows = list(zip(values.detach().numpy(), k, strict=True))
        if threads is None or n < _ALONE:
            for row, number in rows:
                row.partition(n - number)
        else:
            list(threads.map(lambda pair: pair[0].partition(n - pair[1]), rows))
    else:
        values.copy_(values.sort(dim=1).values)
    tops = [row[n - number :] for row, number in zip(values, k, strict=True)]
    value = torch.stack([top[0] for top in tops])
    share = torch.ones_like(value)
    for at, (row, number) in enumerate(zip(values, k, strict=True)):
        if number < n and bool(row[: n - number].amax() == value[at]):
            inside = (tops[at] == value[at]).sum()
            share[at] = inside / (inside + (row[: n - number] == value[at]).sum())
    return Top(value, torch.stack([top.sum() for top in tops]), share)
