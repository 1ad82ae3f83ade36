"""What can be trained: atlas regions, single regions, scan-level labels only."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from crossdl.errors import ConfigError, InputError
from crossdl.types import Quality, RegionMap


def weights(analyzer: Any) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in analyzer.trained.model.state_dict().items()}


def atlas(toys: ModuleType, sample: Any, flags: tuple[str, ...] = ()) -> RegionMap:
    return RegionMap(sample.regions, toys.volume(sample).grid, Quality({}, flags))


@pytest.mark.slow
@pytest.mark.parametrize("inference", [None, "dynamic"])
def test_static_regions_are_learned(
    toys: ModuleType, tmp_path: Path, inference: str | None
) -> None:
    from sklearn.metrics import roc_auc_score

    analyzer = toys.unet(
        epochs=7,
        patience=7,
        learning_rate=4e-3,
        halve_from_epoch=5,
        regions="static",
        inference_regions=inference,
    )
    result = analyzer.fit(toys.blobs(48, 0), toys.blobs(12, 1), seed=0, folder=tmp_path)
    assert ("valid/segmentation" in result.history[0]) == (inference == "dynamic")
    test = toys.blobs(40, 2)
    regions = [atlas(toys, s) if inference is None else None for s in test]
    scores = np.stack(
        [
            analyzer.predict(toys.volume(s), r).region_scores
            for s, r in zip(test, regions, strict=True)
        ]
    )
    truth = np.stack([s.matrix[:-2] for s in test])
    assert roc_auc_score(truth.ravel(), scores.ravel()) > (0.9 if inference is None else 0.8)


def test_static_regions_must_be_given(toys: ModuleType, tmp_path: Path) -> None:
    analyzer = toys.unet(epochs=1, inference_regions="static")
    assert analyzer.needs_regions
    analyzer.fit(toys.blobs(2, 0), toys.blobs(2, 1), seed=0, folder=tmp_path)
    sample = toys.blobs(1, 2)[0]
    with pytest.raises(InputError, match="give the scan's region map"):
        analyzer.predict(toys.volume(sample))
    given = atlas(toys, sample, ("registration is doubtful",))
    found = analyzer.predict(toys.volume(sample), given)
    assert "registration is doubtful" in found.quality.flags
    half = sample.regions[::2, ::2, ::2]
    for region in range(toys.ANATOMY.n_regions):
        np.testing.assert_array_equal(found.region_maps[region], half == region + 1)
    empty = RegionMap(np.zeros_like(sample.regions), given.grid)
    assert analyzer.predict(toys.volume(sample), empty).region_scores.max() < 1e-6


def test_a_half_without_regions_is_told(toys: ModuleType, tmp_path: Path) -> None:
    analyzer = toys.unet(epochs=1, inference_regions="static")
    analyzer.fit(toys.blobs(2, 0), toys.blobs(2, 1), seed=0, folder=tmp_path)
    sample = toys.blobs(1, 2)[0]
    labels = sample.regions.copy()
    labels[labels == 1] = 0
    found = analyzer.predict(toys.volume(sample), RegionMap(labels, toys.volume(sample).grid))
    (flag,) = [f for f in found.quality.flags if "mirror region" in f]
    assert flag.startswith("the registration finds") and "left front" in flag


def test_untrained_regions_have_no_scores(toys: ModuleType, tmp_path: Path) -> None:
    analyzer = toys.unet(epochs=1, trained_regions=["right_front"])
    train = toys.blobs(3, 0)
    analyzer.fit(train, toys.blobs(2, 1), seed=0, folder=tmp_path / "one")
    found = analyzer.predict(toys.volume(train[0]))
    assert np.isnan(found.region_scores).all(axis=1).tolist() == [True, False, True, True]
    assert not np.isnan(found.region_scores[1]).any()
    assert found.region_maps[[0, 2, 3]].max() == 0 < found.region_maps[1].max()
    assert not [f for f in found.quality.flags if "mirror region" in f]


def test_untrained_regions_teach_nothing(toys: ModuleType, tmp_path: Path) -> None:
    """Their head keeps its first weights, and their labels do not matter."""
    fields = {"epochs": 1, "trained_regions": ["right_front"], "alpha": 0.0}
    fields["augmentation"] = {"flip_probability": 0.0, "rotation_degrees": 0.0}
    found = []
    for name in ("as they are", "changed"):
        train = toys.blobs(4, 0)
        if name == "changed":
            for sample in train:
                sample.matrix[[0, 2, 3]] = 1 - sample.matrix[[0, 2, 3]]
        analyzer = toys.unet(**fields)
        first = analyzer._seeded(0).state_dict()
        analyzer.fit(train, toys.blobs(2, 1), seed=0, folder=tmp_path / name)
        found.append(weights(analyzer))
        for scale in range(2):
            key = f"network.region_heads.{scale}.weight"
            moved = (found[-1][key] != first[key]).flatten(1).any(dim=1)
            assert moved.tolist() == [False, True, False, False]
    assert all(torch.equal(found[0][k], found[1][k]) for k in found[0])


def test_scan_level_labels_only(toys: ModuleType, tmp_path: Path) -> None:
    """Which region is positive does not matter, only the union does."""
    found = []
    for name, row in (("first region", 0), ("unclear", -1)):
        samples = []
        for sample in toys.blobs(6, 0):
            union = sample.matrix.max(axis=0)
            sample.matrix[:] = 0
            sample.matrix[row] = union
            samples.append(sample)
        analyzer = toys.unet(
            epochs=2,
            region_weight=0.0,
            alpha=1.0,
            augmentation={"flip_probability": 0.0, "rotation_degrees": 0.0},
        )
        result = analyzer.fit(
            tuple(samples[:4]), tuple(samples[4:]), seed=0, folder=tmp_path / name
        )
        assert result.best_value == min(entry["valid/scan"] for entry in result.history)
        found.append(weights(analyzer))
    assert all(torch.equal(found[0][k], found[1][k]) for k in found[0])


def test_unknown_regions_are_refused(toys: ModuleType) -> None:
    with pytest.raises(ConfigError, match="did you mean 'right_front'"):
        toys.unet(trained_regions=["right_fron"])


def test_released_weights_reach_the_losses(toys: ModuleType) -> None:
    from crossdl.training import losses
    from crossdl.training.data import statistics
    from crossdl.training.module import RegionMILModule

    train = toys.blobs(30, 0)
    measured, scans = statistics(train), losses.scan_frequencies(train)
    for released in (False, True):
        analyzer = toys.unet(
            cell_frequencies="rank_one" if released else "counted", weigh_scans=released
        )
        module = RegionMILModule(
            analyzer._seeded(0), analyzer.config, toys.ANATOMY, measured, 0, "", scans
        )
        f = measured.frequencies.astype(np.float64)
        if released:
            f = f.sum(axis=1, keepdims=True) * f.sum(axis=0) / f.sum()
        expected = np.sqrt((1 - f + 1e-3) / (f + 1e-3))
        np.testing.assert_allclose(module.weights, expected, rtol=1e-5)
        g = scans.astype(np.float64)
        weight = np.sqrt((1 - g + 1e-3) / (g + 1e-3)) if released else np.ones(2)
        np.testing.assert_allclose(module.scan_weights, weight, rtol=1e-5)
