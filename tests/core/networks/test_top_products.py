"""The fast searches for large products against sorting all of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crossdl.networks import thresholds
from crossdl.networks.bags import Bags, VoxelMaps, product_logit
from crossdl.networks.cells import CHUNK, Search, count_above, ranked_voxels
from crossdl.networks.products import k_largest, largest_products, logits_at
from crossdl.networks.sums import noisy_or_bags
from crossdl.networks.thresholds import _by_sorting, k_largest_of_rows
from crossdl.networks.top_means import share_of, top_bags

VOXELS = 70_000  # so many that blocks are sampled and bounded, and thresholds counted


def random_maps(
    seed: int, batch: int = 1, n: int = 3, m: int = 2, voxels: int = VOXELS
) -> VoxelMaps:
    """Noise everywhere."""
    generator = torch.Generator().manual_seed(seed)
    made = (2 * torch.randn((batch, c, voxels), generator=generator) for c in (n, m))
    return VoxelMaps(*made)


def local_maps(seed: int, **sizes: int) -> VoxelMaps:
    """Regions and lesions that are nowhere but in some stretch of the voxels."""
    maps = random_maps(seed, **sizes)
    voxels = maps.regions.shape[2]
    place = torch.arange(voxels) / voxels
    for x, width in ((maps.regions, 0.06), (maps.abnormality, 0.01)):
        centres = torch.linspace(0.2, 0.3, x.shape[1])[:, None]
        x += torch.where((place - centres).abs() < width, 6.0, -12.0)
    return maps


MAPS = [random_maps, local_maps]


def all_logits(maps: VoxelMaps) -> Tensor:
    return product_logit(maps.regions[:, :, None], maps.abnormality[:, None])


@pytest.mark.parametrize("make", MAPS)
@pytest.mark.parametrize("k", [1, 2, 10, 300])
def test_k_largest_finds_them_all(make, k: int) -> None:
    maps = make(k, batch=2)
    found = logits_at(maps, k_largest(maps, k)).sort(dim=-1, descending=True).values
    expected = all_logits(maps).topk(k, dim=-1).values
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**31), voxels=st.integers(1, 300), k=st.integers(1, 310))
def test_k_largest_of_few_voxels(seed: int, voxels: int, k: int) -> None:
    maps = random_maps(seed, 2, 2, 2, voxels)
    index = k_largest(maps, k)
    assert index.shape == (2, 2, 2, min(k, voxels))
    assert all(len(set(cell.tolist())) == min(k, voxels) for cell in index.view(8, -1))
    found = logits_at(maps, index).sort(dim=-1, descending=True).values
    expected = all_logits(maps).topk(min(k, voxels), dim=-1).values
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_saturated_products_are_told_apart() -> None:
    a = torch.full((1, 1, VOXELS), 30.0)
    b = torch.full((1, 1, VOXELS), 20.0)
    b[..., 4321] = 21.0
    assert int(k_largest(VoxelMaps(a, b), 1)) == 4321
    s = torch.tensor([[[0.5, 0.9]]])
    torch.testing.assert_close(largest_products(s, s), torch.tensor([[[0.81]]]))


@pytest.mark.parametrize("k", [1, 2, 300, 5000, 30_000, 69_999, 70_016])
@pytest.mark.parametrize("kind", ["smooth", "tied", "constant", "sparse"])
@pytest.mark.parametrize("way", ["here", "threads", "sorting"])
def test_k_largest_of_rows_are_the_sorted_ones(k: int, kind: str, way: str, monkeypatch) -> None:
    monkeypatch.setattr(thresholds, "_ALONE", 0)
    generator = torch.Generator().manual_seed(k)
    values = torch.rand((3, 70_016), generator=generator) * torch.rand(70_016, generator=generator)
    if kind == "tied":
        values = (values * 50).floor() / 50
    if kind == "constant":
        values = torch.full_like(values, 0.25)
    if kind == "sparse":
        values = values * (torch.rand(values.shape, generator=generator) < 0.02)
    ranks = [k, max(1, k // 2), min(70_016, 2 * k)]
    if way == "threads":
        with ThreadPoolExecutor(2) as pool:
            found = k_largest_of_rows(values.clone(), ranks, pool)
    else:
        find = _by_sorting if way == "sorting" else k_largest_of_rows
        found = find(values.clone(), ranks)
    ordered = values.double().sort(dim=1, descending=True).values
    for row, right, number, top in zip(values, ordered, ranks, found, strict=True):
        value, total, share = top
        assert total == pytest.approx(float(right[:number].sum()), rel=1e-6)
        assert value == right[number - 1]
        above, equal = int((row > value).sum()), int((row == value).sum())
        assert share == pytest.approx((number - above) / equal)


@pytest.mark.parametrize("make", MAPS)
def test_counts_and_ranks(make) -> None:
    maps = make(5, batch=2, voxels=CHUNK + 65)
    products = maps.s[:, :, None] * maps.d[:, None]
    for threshold in (0.01, 0.5, 0.9):
        expected = (products > threshold).sum(dim=-1)
        assert torch.equal(count_above(maps.regions, maps.abnormality, threshold), expected)
    ranks = torch.randint(1, 900, products.shape[:3], generator=torch.Generator().manual_seed(0))
    voxel = ranked_voxels(maps, ranks)[..., None]
    expected = products.sort(dim=-1, descending=True).values.gather(3, ranks[..., None] - 1)
    torch.testing.assert_close(products.gather(3, voxel), expected)


@pytest.mark.parametrize("make", MAPS)
@pytest.mark.parametrize("reduce", ["mean", "loss"])
@pytest.mark.parametrize("voxels", [VOXELS, 64 * 100 + 1, CHUNK + 65])
def test_top_means_of_any_k_have_the_values_and_gradients_of_sorting(
    make, reduce: str, voxels: int
) -> None:
    maps = make(7, batch=2, voxels=voxels)
    exact = VoxelMaps(*(x.double().requires_grad_() for x in (maps.regions, maps.abnormality)))
    mine = VoxelMaps(*(x.clone().requires_grad_() for x in (maps.regions, maps.abnormality)))
    counts = torch.tensor([[1, 3], [40, 900], [5000, 10**6]]).expand(2, -1, -1)
    ordered = all_logits(exact).sort(dim=-1, descending=True).values
    kept = torch.arange(voxels) < counts[..., None]
    each = Bags.from_logit(ordered)
    k = counts.clamp_max(voxels)
    means = [(x * kept).sum(-1) / k for x in each]
    if reduce == "mean":
        rest = (Bags.from_logit(-ordered).probability * kept).sum(-1) / k
        means = [means[0], means[0].log(), rest.log()]
    found = top_bags(mine, counts, reduce)  # type: ignore[arg-type]
    weights = torch.randn(counts.shape, generator=torch.Generator().manual_seed(1)).double()
    for x, y in zip(found, means, strict=True):
        torch.testing.assert_close(x.double(), y, rtol=1e-5, atol=1e-5)
        got, right = (
            torch.autograd.grad((z * weights).sum(), (m.regions, m.abnormality), retain_graph=True)
            for z, m in ((x, mine), (y, exact))
        )
        for a, b in zip(got, right, strict=True):
            torch.testing.assert_close(a.double(), b, rtol=0, atol=1e-5 * float(b.abs().max()))


def test_equal_products_share_the_places_left() -> None:
    a = torch.zeros((1, 1, VOXELS), requires_grad=True)
    b = torch.zeros((1, 1, VOXELS))
    b[..., :1000], b[..., 1000:5000] = 2.0, 1.0
    bags = top_bags(VoxelMaps(a, b), torch.tensor([[[3000]]]))
    s, d = 0.5, torch.tensor([2.0, 1.0]).sigmoid()
    expected = s * float(d[0] * 1000 + d[1] * 2000) / 3000
    assert float(bags.probability.detach()) == pytest.approx(expected, rel=1e-5)
    (gradient,) = torch.autograd.grad(bags.probability.sum(), a)
    assert not gradient[..., 5000:].any()
    torch.testing.assert_close(
        gradient[0, 0, [0, 999, 1000, 4999]],
        torch.stack([d[0], d[0], d[1] / 2, d[1] / 2]) * s * s / 3000,
    )


def test_maps_that_are_the_same_everywhere() -> None:
    maps = VoxelMaps(torch.zeros((1, 1, VOXELS)), torch.ones((1, 1, VOXELS)))
    bags = top_bags(maps, torch.tensor([[[700]]]))
    assert float(bags.probability) == pytest.approx(0.5 * float(torch.ones(()).sigmoid()))


def test_nothing_allocates_more_than_both_maps() -> None:
    """17 x 4 cells: their products would be 68 maps, the maps are 21."""
    from torch.profiler import ProfilerActivity, profile

    maps = random_maps(0, 1, 17, 4, 64 * 1100)
    leaves = VoxelMaps(*(x.requires_grad_() for x in (maps.regions, maps.abnormality)))
    counts = torch.full((1, 17, 4), 5000)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        top_bags(leaves, counts).log_negative.sum().backward()
        noisy_or_bags(leaves).log_negative.sum().backward()
    largest = max(e.cpu_memory_usage for e in profiled.events())
    assert 0 < largest <= 21.5 * 4 * maps.regions.shape[2]


def test_search_keeps_the_blocks_of_a_region_only() -> None:
    maps = local_maps(0)
    search = Search(maps.regions, maps.abnormality)
    where = torch.zeros((1, 3, 2), dtype=torch.bool)
    where[0, 1] = True
    counts = torch.full((1, 3, 2), 400)
    ((cells, tops),) = search.ranks(counts, where)
    assert cells.blocks is not None and len(cells.blocks) < VOXELS // 64 // 4
    exact = (maps.s[:, 1, None] * maps.d).sort(dim=-1, descending=True).values[0, :, 399]
    torch.testing.assert_close(torch.tensor([top.value for top in tops]), exact)


def test_a_share_is_one_of_the_soft_volume() -> None:
    region = torch.tensor([[0.5, 0.5, 0.6], [0.0, 0.0, 0.0]])
    assert share_of(region, 0.5).tolist() == [1, 1]
    assert share_of(region, 1.0).tolist() == [2, 1]
