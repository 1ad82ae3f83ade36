"""What a model tells the losses, against definitions in numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.networks.maps import ScaleOutput
from crossdl.networks.unet3d import UNet3D
from crossdl.training.model import MapModel

SHAPE = (8, 16, 16)
N, M = 3, 2


def pooling(kind: str = "max", **fields: Any) -> Any:
    catalog = default_catalog()
    config = catalog.parse("pooling", {"kind": kind, **fields})
    return catalog.create("pooling", config, load_anatomy("head_ct"))


def model(n_regions: int = N, **fields: Any) -> MapModel:
    torch.manual_seed(0)
    made = fields.pop("pooling", pooling())
    return MapModel(UNet3D(1, n_regions, M, levels=3, base_filters=2), made, N, **fields)


def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(2, 1, *SHAPE, generator=generator)
    labels = torch.zeros(2, *SHAPE, dtype=torch.uint8)
    labels[:, :, :8], labels[:, :, 8:12] = 1, 2  # region 3 is absent
    labels[1, :, 8:12] = 0
    return image, labels


def downsampled(labels: Tensor, factor: int) -> Any:
    """0/1 regions ``(B, N, ...)``: whether any voxel of a block has the label."""
    one_hot = (labels.numpy()[:, None] == np.arange(1, N + 1)[None, :, None, None, None]).astype(
        int
    )
    b, n, d, h, w = one_hot.shape
    f = factor
    return one_hot.reshape(b, n, d // f, f, h // f, f, w // f, f).max(axis=(3, 5, 7))


def test_dynamic_bags_are_e6_at_every_scale() -> None:
    image, labels = inputs()
    made = model()
    for found, output in zip(made.evidence(image, labels), made.network(image), strict=True):
        s, d = (x.detach().sigmoid().flatten(2).numpy().astype(np.float64) for x in output)
        expected = (s[:, :, None] * d[:, None]).max(axis=3)
        np.testing.assert_allclose(found.bags.probability.detach(), expected, atol=1e-6)
        np.testing.assert_allclose(found.scan.probability.detach(), d.max(axis=2), atol=1e-6)
        assert found.regions is not None and found.counted is not None
        torch.testing.assert_close(found.regions.flatten(2), torch.from_numpy(s).float())
        assert bool(found.counted.all())


def test_static_bags_are_e5_at_every_scale_and_absent_regions_do_not_count() -> None:
    image, labels = inputs()
    made = model(0, regions="static", inference_regions="static")
    with torch.no_grad():
        evidence = made.evidence(image, labels)
    for factor, found, output in zip((4, 2), evidence, made.network(image), strict=True):
        regions = downsampled(labels, factor).reshape(2, N, -1)
        d = output.abnormality.detach().sigmoid().flatten(2).numpy()
        present = regions.any(axis=2)
        assert found.counted is not None and found.regions is None
        np.testing.assert_array_equal(found.counted.numpy(), present)
        assert present.tolist() == [[True, True, False], [True, False, False]]
        for b, i in np.argwhere(present):
            expected = d[b][:, regions[b, i] > 0].max(axis=1)
            np.testing.assert_allclose(found.bags.probability[b, i], expected, atol=1e-6)
        assert float(found.bags.probability[0, 2].max()) < 1e-6


def test_static_inference_of_a_dynamically_trained_model() -> None:
    image, labels = inputs()
    made = model(inference_regions="static")
    with torch.no_grad():
        found = made.infer(image, labels)
        plain = model().infer(image, None)
    regions = downsampled(labels, 2)
    np.testing.assert_array_equal(found.regions.numpy(), regions)
    torch.testing.assert_close(found.abnormality, plain.abnormality)
    d = found.abnormality[0].flatten(1).numpy()
    expected = d[:, regions[0, 0].ravel() > 0].max(axis=1)
    np.testing.assert_allclose(found.region_scores[0, 0], expected, atol=1e-6)
    assert float(found.region_scores[0, 2].max()) < 1e-6
    with pytest.raises(ValueError, match="need labels"):
        made.infer(image, None)


def test_static_training_with_dynamic_inference_trains_both() -> None:
    image, labels = inputs()
    made = model(regions="static")
    found = made.evidence(image, labels)[-1]
    assert found.regions is not None
    torch.testing.assert_close(found.regions, made.network(image)[-1].regions.sigmoid())
    with torch.no_grad():
        assert torch.equal(made.infer(image, None).regions, found.regions)


def test_a_region_with_a_vanishing_map_is_not_counted() -> None:
    image, labels = inputs()
    made = model(min_region_sum=0.1)
    forward = made.network.forward

    def without_the_second(given: Tensor) -> list[ScaleOutput]:
        outputs = forward(given)
        for output in outputs:
            output.regions[0, 1] = -30.0
        return outputs

    with torch.no_grad():
        made.network.forward = without_the_second
        for found in made.evidence(image, labels):
            assert found.counted is not None
            assert found.counted.tolist() == [[True, False, True], [True, True, True]]


@pytest.mark.parametrize("regions", ["dynamic", "static"])
def test_the_coarser_map_is_resampled_detached_and_counts(regions: str) -> None:
    """DaMIL's bags of the finer scale are E7 from the maps of both scales."""
    image, labels = inputs()
    threshold = 0.25 if regions == "dynamic" else 0.5
    made = model(pooling=pooling("damil", threshold=threshold), regions=regions)
    found = made.evidence(image, labels)
    coarse, fine = made.network(image)
    d, before = (
        o.abnormality.detach().sigmoid().numpy().astype(np.float64) for o in (fine, coarse)
    )
    s = fine.regions.detach().sigmoid().numpy() if regions == "dynamic" else downsampled(labels, 2)
    wide = before.repeat(2, axis=2).repeat(2, axis=3).repeat(2, axis=4)
    sizes = set()
    for b, i, j in np.ndindex(2, 2 if regions == "dynamic" else 1, M):
        k = max(1, int((s[b, i] * wide[b, j] > threshold).sum()))
        sizes.add(k)
        expected = np.sort((s[b, i] * d[b, j]).ravel())[-k:].mean()
        found_one = found[1].bags.probability[b, i, j].item()
        assert found_one == pytest.approx(expected, abs=1e-5)
    assert len(sizes) > 2
    head = made.network.abnormality_heads[0].weight
    (gradient,) = torch.autograd.grad(
        found[1].bags.probability.sum(), head, allow_unused=True, retain_graph=True
    )
    assert gradient is None or not gradient.any()


@pytest.mark.parametrize("flows", [True, False])
def test_the_gradient_to_the_region_maps_can_be_stopped(flows: bool) -> None:
    image, labels = inputs()
    made = model(region_gradient=flows)
    found = made.evidence(image, labels)
    heads = [h.weight for h in made.network.region_heads]
    total = torch.stack([e.bags.log_positive.sum() for e in found]).sum()
    gradients = torch.autograd.grad(total, heads, allow_unused=True)
    assert all((g is not None and bool(g.any())) == flows for g in gradients)


def test_more_voxels_for_the_scan_loss() -> None:
    image, labels = inputs()
    made = model(scan_voxels=3)
    for k, found, output in zip(
        (3, 24), made.evidence(image, labels), made.network(image), strict=True
    ):
        d = output.abnormality.detach().sigmoid().flatten(2)
        expected = d.topk(k, dim=2).values.mean(dim=2)
        torch.testing.assert_close(found.scan.probability.detach(), expected)


def test_weights_have_the_names_that_files_use() -> None:
    assert {name.split(".")[0] for name in model().state_dict()} == {"network"}
    made = model()
    made.checkpointing = True
    assert made.network.checkpointing and made.checkpointing
