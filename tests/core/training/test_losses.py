from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from crossdl.networks.bags import Bags, VoxelMaps, scan_bags
from crossdl.training import losses
from crossdl.training.samples import Sample

N, M = 5, 3


def random_labels(batch: int, seed: int, soft: bool = False) -> np.ndarray:
    rng = np.random.default_rng(seed)
    matrix = (rng.random((batch, N + 2, M)) < 0.3).astype(np.float32)
    if soft:
        matrix = rng.random((batch, N + 2, M)).astype(np.float32)
    matrix[:, -1] = 0
    return matrix


def test_lambda_halves_down_to_its_floor() -> None:
    values = [losses.lambda_at(epoch) for epoch in range(9)]
    assert values[:3] == [1.0, 0.5, 0.25]
    assert values[6] == 1 / 64
    assert values[7:] == [0.01, 0.01]


def test_class_weights_follow_the_formula() -> None:
    f = np.array([[0.0, 0.5], [1.0, 0.1]], dtype=np.float32)
    expected = np.sqrt((1 - f.astype(np.float64) + 1e-3) / (f.astype(np.float64) + 1e-3))
    np.testing.assert_allclose(losses.class_weights(f, 1e-3), expected, rtol=1e-6)


@pytest.mark.parametrize("factors", [(2,), (4, 2), (8, 4, 2), (8, 2)])
def test_targets_equal_max_pooled_one_hot(factors: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, N + 1, (2, 8, 16, 24), generator=generator, dtype=torch.uint8)
    labels[1, :4] = 0
    one_hot = torch.nn.functional.one_hot(labels.long(), N + 1).movedim(-1, 1)[:, 1:].float()
    targets = losses.region_targets(labels, N, factors)
    for factor, target in zip(factors, targets, strict=True):
        assert torch.equal(target, torch.nn.functional.max_pool3d(one_hot, factor))


def naive_segmentation(s: Tensor, target: np.ndarray) -> Tensor:
    t = torch.from_numpy(target).double()
    values = []
    for b in range(len(t)):
        if not t[b].any():
            continue
        for i in range(t.shape[1]):
            overlap = (s[b, i] * t[b, i]).sum()
            values.append(1 - (2 * overlap + 1) / (s[b, i].sum() + t[b, i].sum() + 1))
    return torch.stack(values).mean()


def naive_region(p: Tensor, matrix: np.ndarray, w: np.ndarray) -> Tensor:
    values = []
    for b in range(len(p)):
        if (matrix[b, -1] >= 0.5).any():
            continue
        total = torch.zeros((), dtype=torch.float64)
        for i in range(N):
            for j in range(M):
                y = float(matrix[b, i, j])
                total = total + float(w[i, j]) * y * p[b, i, j].log()
                total = total + (1 - y) * (1 - p[b, i, j]).log()
        values.append(-total / (N * M))
    return torch.stack(values).mean()


def naive_scan(d: Tensor, matrix: np.ndarray) -> Tensor:
    values = []
    for b in range(len(d)):
        for j in range(M):
            y, p = float(matrix[b, :, j].max()), d[b, j].max()
            values.append(-(y * p.log() + (1 - y) * (1 - p).log()))
    return torch.stack(values).mean()


def compare(mine: Tensor, given: Tensor, naive: Tensor, reference: Tensor) -> None:
    (got,) = torch.autograd.grad(mine, given)
    (wanted,) = torch.autograd.grad(naive, reference)
    assert mine.dtype == torch.float32
    torch.testing.assert_close(mine.double(), naive, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(got.double(), wanted, rtol=1e-4, atol=1e-6)


def pair(shape: tuple[int, ...], seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    reference = torch.rand(shape, generator=generator, dtype=torch.float64) * 0.98 + 0.01
    return reference.float().requires_grad_(), reference.requires_grad_()


@pytest.mark.parametrize("autocast", [False, True])
def test_segmentation_loss(autocast: bool) -> None:
    given, reference = pair((3, N, 2, 4, 6), 1)
    target = (np.random.default_rng(1).random((3, N, 2, 4, 6)) < 0.3).astype(np.float32)
    target[1] = 0  # a scan without regions is skipped
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        mine = losses.segmentation_loss(losses.dice_loss(), given, torch.from_numpy(target)).mean
    compare(mine, given, naive_segmentation(reference, target), reference)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_region_loss(soft: bool, autocast: bool) -> None:
    given, reference = pair((4, N, M), 2)
    matrix = random_labels(4, 2, soft)
    matrix[2, -1, 1] = 0.9  # unclear: does not count
    w = np.random.default_rng(3).uniform(0.5, 5, (N, M)).astype(np.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        bags = Bags.from_probability(given)
        mine = losses.region_loss(bags, torch.from_numpy(matrix), torch.from_numpy(w)).mean
    compare(mine, given, naive_region(reference, matrix, w), reference)


@pytest.mark.parametrize("soft", [False, True])
def test_scan_loss_uses_the_union_of_all_rows(soft: bool) -> None:
    given, reference = pair((3, M, 2, 4, 6), 4)
    matrix = random_labels(3, 4, soft)
    matrix[0] = 0
    matrix[0, -1, 0] = 1  # unclear counts for the scan
    logits = VoxelMaps.from_probabilities(given, given).abnormality
    mine = losses.scan_loss(scan_bags(logits), torch.from_numpy(matrix)).mean
    compare(mine, given, naive_scan(reference, matrix), reference)


def test_scans_that_count_nowhere_give_zero_with_zero_gradient() -> None:
    logits = torch.randn((2, N, M), requires_grad=True)
    matrix = torch.zeros((2, N + 2, M))
    matrix[:, -1] = 1
    maps = torch.rand((2, N, 2, 2, 2), requires_grad=True)
    parts = (
        losses.region_loss(Bags.from_logit(logits), matrix, torch.ones(N, M)),
        losses.segmentation_loss(losses.dice_loss(), maps, torch.zeros((2, N, 2, 2, 2))),
    )
    total = parts[0].mean + parts[1].mean
    total.backward()
    assert float(total) == 0 and [int(p.count) for p in parts] == [0, 0]
    assert logits.grad is not None and not logits.grad.any()
    assert maps.grad is not None and not maps.grad.any()


def test_a_cell_that_cannot_occur_is_negative_and_an_absent_region_does_not_count() -> None:
    logits = torch.randn((2, N, M), requires_grad=True)
    matrix = torch.zeros((2, N + 2, M))
    matrix[:, 1, 2] = 1
    possible = torch.ones((N, M), dtype=torch.bool)
    possible[1, 2] = False
    present = torch.ones((2, N), dtype=torch.bool)
    present[0, 3] = False
    bags, w = Bags.from_logit(logits), torch.full((N, M), 2.0)
    part = losses.region_loss(bags, matrix, w, possible=possible, present=present)
    negative = losses.region_loss(bags, torch.zeros_like(matrix), w, present=present)
    assert int(part.count) == (2 * N - 1) * M
    torch.testing.assert_close(part.total, negative.total)
    (gradient,) = torch.autograd.grad(part.total, logits)
    assert not gradient[0, 3].any() and gradient[1, 3].all()


def test_rank_one_frequencies_keep_rows_and_columns() -> None:
    f = np.random.default_rng(0).uniform(0, 0.3, (N, M)).astype(np.float32)
    smooth = losses.rank_one(f)
    assert np.linalg.matrix_rank(smooth, tol=1e-5) == 1
    np.testing.assert_allclose(smooth.sum(axis=0), f.sum(axis=0), rtol=1e-5)
    np.testing.assert_allclose(smooth.sum(axis=1), f.sum(axis=1), rtol=1e-5)
    assert not losses.rank_one(np.zeros((N, M), np.float32)).any()


@pytest.mark.parametrize("weighted", [False, True])
def test_scan_loss_of_several_voxels(weighted: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn((3, M, 50), generator=generator)
    matrix = torch.from_numpy(random_labels(3, 1))
    w = np.array([1.5, 2.0, 0.5], dtype=np.float32) if weighted else np.ones(M, np.float32)
    wanted = 0.0
    for b, j in np.ndindex(3, M):
        p = 1 / (1 + np.exp(-np.sort(logits[b, j].double().numpy())[-7:]))
        y = float(matrix[b, :, j].max())
        wanted -= (w[j] * y * np.log(p) + (1 - y) * np.log(1 - p)).mean() / (3 * M)
    weights = torch.from_numpy(w) if weighted else None
    part = losses.scan_loss(scan_bags(logits, 7), matrix, weights)
    assert int(part.count) == 3
    np.testing.assert_allclose(float(part.mean), wanted, rtol=1e-5)


@pytest.mark.parametrize("logit", [-200.0, -90.0, -20.0, 0.0, 20.0, 90.0, 200.0])
@pytest.mark.parametrize("label", [0.0, 0.5, 1.0])
def test_saturated_maps_give_finite_losses_and_gradients(logit: float, label: float) -> None:
    logits = torch.full((1, N, M), logit, requires_grad=True)
    matrix = torch.full((1, N + 2, M), label)
    matrix[:, -1] = 0
    region = losses.region_loss(Bags.from_logit(logits), matrix, torch.ones(N, M))
    total = region.mean + losses.scan_loss(scan_bags(logits.transpose(1, 2)), matrix).mean
    total.backward()
    assert torch.isfinite(total)
    assert logits.grad is not None and torch.isfinite(logits.grad).all()


def test_a_confidently_wrong_cell_still_learns() -> None:
    logits = torch.full((1, N, M), 60.0, requires_grad=True)
    bags = Bags.from_logit(logits)
    losses.region_loss(bags, torch.zeros(1, N + 2, M), torch.ones(N, M)).mean.backward()
    assert logits.grad is not None
    torch.testing.assert_close(logits.grad, torch.full_like(logits, 1 / (N * M)))


def test_scan_frequencies_are_those_of_the_union() -> None:
    matrices = np.zeros((4, 5, 2), dtype=np.float32)
    matrices[0, 0, 0] = matrices[0, 1, 0] = matrices[1, -1, 0] = matrices[2, -2, 1] = 1
    voxel = np.zeros((1, 1, 1), dtype=np.uint8)
    samples = [Sample(str(n), voxel, voxel, m) for n, m in enumerate(matrices)]
    np.testing.assert_array_equal(losses.scan_frequencies(samples), [0.5, 0.25])
