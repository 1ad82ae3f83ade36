from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from crossdl.anatomy import load_anatomy
from crossdl.training.augment import augment, mirror, rotate

ANATOMY = load_anatomy("head_ct")


def sample(seed: int = 0, shape: tuple[int, int, int] = (4, 20, 28)) -> tuple[Tensor, ...]:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, shape, dtype=np.uint8)
    regions = rng.integers(0, ANATOMY.n_regions + 1, shape, dtype=np.uint8)
    matrix = rng.random((ANATOMY.n_regions + 2, ANATOMY.n_types)).astype(np.float32)
    return torch.from_numpy(image), torch.from_numpy(regions), torch.from_numpy(matrix)


def test_mirroring_twice_is_nothing() -> None:
    before = sample()
    after = mirror(*mirror(*before, ANATOMY), ANATOMY)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_mirroring_swaps_names_where_it_moves_voxels() -> None:
    image, regions, matrix = sample()
    flipped, labels, rows = mirror(image, regions, matrix, ANATOMY)
    names = ANATOMY.region_names
    for i, region in enumerate(ANATOMY.regions):
        partner = names.index(region.mirror)
        assert torch.equal(labels == partner + 1, (regions == i + 1).flip(-1))
        assert torch.equal(rows[partner], matrix[i])
    assert torch.equal(rows[-2:], matrix[-2:])
    assert torch.equal(labels == 0, (regions == 0).flip(-1))
    assert torch.equal(flipped, image.flip(-1))


@pytest.mark.parametrize("shape", [(2, 41, 41), (2, 41, 61)])
def test_rotation_moves_a_point_from_w_toward_h(shape: tuple[int, int, int]) -> None:
    image = torch.zeros(shape, dtype=torch.uint8)
    h, w = (shape[1] - 1) // 2, (shape[2] - 1) // 2
    image[:, h - 1 : h + 2, w + 11 : w + 14] = 200
    turned, labels = rotate(image, (image > 0).to(torch.uint8), 30.0)
    centre = torch.nonzero(labels[0]).double().mean(dim=0).numpy()
    expected = [h + 12 * np.sin(np.pi / 6), w + 12 * np.cos(np.pi / 6)]
    np.testing.assert_allclose(centre, expected, atol=0.5)
    weight = turned[0].double()
    rows = torch.arange(shape[1])[:, None] * weight
    np.testing.assert_allclose(float(rows.sum() / weight.sum()), expected[0], atol=0.3)


def test_rotation_by_nothing_changes_nothing() -> None:
    image, regions, _ = sample()
    turned, labels = rotate(image, regions, 0.0)
    assert torch.equal(turned, image)
    assert torch.equal(labels, regions)


def test_the_same_generator_gives_the_same_sample() -> None:
    def draw(seed: int) -> tuple[Tensor, ...]:
        return augment(
            *sample(),  # type: ignore[call-arg]
            anatomy=ANATOMY,
            generator=np.random.default_rng(seed),
            flip_probability=0.5,
            rotation_degrees=15,
        )

    assert all(torch.equal(a, b) for a, b in zip(draw(3), draw(3), strict=True))
    assert not torch.equal(draw(3)[0], draw(4)[0])


def test_flips_happen_as_often_as_asked() -> None:
    image, regions, matrix = sample()
    flips = 0
    for seed in range(400):
        result = augment(
            image, regions, matrix, anatomy=ANATOMY, generator=np.random.default_rng(seed),
            flip_probability=0.25, rotation_degrees=0,
        )  # fmt: skip
        flips += not torch.equal(result[0], image)
    assert 70 < flips < 130
