"""The released code's losses, written from its description in numpy float64, against ours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from crossdl.anatomy import load_anatomy
from crossdl.networks.bags import VoxelMaps, scan_bags
from crossdl.plugins.analyzers.pooling.damil import DaMIL, DaMILConfig
from crossdl.training import losses

N, M, BATCH = 5, 4, 2
SHAPE = (4, 8, 10)  # of the coarse scale; the fine one has twice as many voxels a side

Maps = list[tuple[np.ndarray, np.ndarray]]


def maps_of(scale: float, seed: int) -> Maps:
    """Logits of regions and types, coarse then fine; the last region of scan 1 is absent."""
    rng = np.random.default_rng(seed)
    made = []
    for factor in (1, 2):
        voxels = int(np.prod(SHAPE)) * factor**3
        a, b = (rng.normal(0, scale, (BATCH, c, voxels)) for c in (N, M))
        a[1, -1] = -40
        made.append((a.astype(np.float32).astype(np.float64), b.astype(np.float32).astype(float)))
    return made


def log_sigmoid(x: np.ndarray) -> np.ndarray:
    return -np.logaddexp(0, -x)


def cross_entropy(log_p: np.ndarray, y: float, w: float) -> float:
    """Mean over voxels of the weighted cross entropy."""
    return float(-(w * y * log_p + (1 - y) * np.log(-np.expm1(log_p))).mean())


def largest(x: np.ndarray, k: int) -> np.ndarray:
    return np.sort(x)[::-1][:k]


def released(maps: Maps, matrix: np.ndarray, w: np.ndarray, w_scan: np.ndarray) -> float:
    """0.2 of the region loss and 0.02 of the scan loss, averaged over both scales."""
    total = 0.0
    for scale, (a, b) in enumerate(maps):
        cells, scans = [], []
        for n in range(BATCH):
            for i in range(N):
                if matrix[n, -1].any() or (1 / (1 + np.exp(-a[n, i]))).sum() < 0.1:
                    continue
                for j in range(M):
                    k = 10
                    if scale:
                        coarse = log_sigmoid(maps[0][0][n, i]) + log_sigmoid(maps[0][1][n, j])
                        k = max(8 * int((coarse > np.log(0.5)).sum()), 8) // 2
                    top = largest(log_sigmoid(a[n, i]) + log_sigmoid(b[n, j]), k)
                    cells.append(cross_entropy(top, matrix[n, i, j], w[i, j]))
            for j in range(M):
                top = largest(log_sigmoid(b[n, j]), 80 if scale else 10)
                scans.append(cross_entropy(top, matrix[n, :, j].max(), w_scan[j]))
        total += (0.2 * np.mean(cells) + 0.02 * np.mean(scans)) / 2
    return total


def ours(maps: list[tuple[torch.Tensor, torch.Tensor]], matrix, w, w_scan) -> torch.Tensor:
    pooling = DaMIL(DaMILConfig(variant="released"), load_anatomy("head_ct"))
    total, before, coarser = torch.zeros(()), None, None
    for scale, (a, b) in enumerate(maps):
        if before is not None:
            grid = before.abnormality.view(BATCH, M, *SHAPE)
            coarser = torch.nn.functional.interpolate(grid, scale_factor=2).flatten(2)
        given = VoxelMaps(a, b, coarser, before)
        present = given.s.sum(dim=2) >= 0.1
        e8 = losses.region_loss(pooling.bags(given), matrix, w, present=present)
        e9 = losses.scan_loss(scan_bags(b, 80 if scale else 10), matrix, w_scan)
        total = total + (0.2 * e8.mean + 0.02 * e9.mean) / 2
        before = given.detached()
    return total


@pytest.mark.parametrize("scale", [0.5, 2.0, 6.0, 15.0])
@pytest.mark.parametrize("unclear", [False, True])
def test_the_losses_are_those_of_the_released_code(scale: float, unclear: bool) -> None:
    maps = maps_of(scale, seed=int(scale * 2))
    rng = np.random.default_rng(1)
    matrix = (rng.random((BATCH, N + 2, M)) < 0.3).astype(np.float32)
    matrix[:, -1] = 0
    matrix[0, -1, 0] = unclear
    frequencies = losses.rank_one(rng.uniform(0.01, 0.3, (N, M)).astype(np.float32))
    w = losses.class_weights(frequencies)
    w_scan = losses.class_weights(np.array([0.217, 0.208, 0.285, 0.0586], np.float32))
    leaves = [tuple(torch.from_numpy(x).float().requires_grad_() for x in pair) for pair in maps]
    given = (torch.from_numpy(x) for x in (matrix, w, w_scan))
    mine = ours(leaves, *given)  # type: ignore[arg-type]
    expected = released(maps, matrix, w, w_scan)
    np.testing.assert_allclose(float(mine.detach()), expected, rtol=1e-5)
    mine.backward()
    for _ in range(3):  # along random directions, the gradient is the difference quotient
        step = [[rng.normal(0, 1e-6, x.shape) for x in pair] for pair in maps]
        moved = [
            [
                tuple(x + sign * h for x, h in zip(*pair, strict=True))
                for pair in zip(maps, step, strict=True)
            ]
            for sign in (1, -1)
        ]
        slope = released(moved[0], matrix, w, w_scan) - released(moved[1], matrix, w, w_scan)
        along = sum(
            float((leaf.grad.double().numpy() * h).sum()) * 2
            for pair, hs in zip(leaves, step, strict=True)
            for leaf, h in zip(pair, hs, strict=True)
        )
        np.testing.assert_allclose(along, slope, rtol=1e-3, atol=1e-11)
