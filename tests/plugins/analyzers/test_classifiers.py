"""Baselines A and B: they learn, and their maps are class activation maps."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.errors import ConfigError
from crossdl.networks.cam import activation_maps

KINDS = pytest.mark.parametrize("kind", ["classifier", "attention_classifier"])


def load_toys() -> Any:
    path = Path(__file__).parents[2] / "core" / "training" / "toys.py"
    spec = importlib.util.spec_from_file_location("toys", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


toys = load_toys()


def analyzer(kind: str, **fields: Any) -> Any:
    table = {"levels": 3, "base_filters": 4, "epochs": 2, "precision": "32", **fields}
    catalog = default_catalog()
    config = catalog.parse("analyzer", {"kind": kind, **table})
    return catalog.create("analyzer", config, toys.ANATOMY)


@pytest.mark.slow
@KINDS
def test_it_learns_which_scan_shows_what(kind: str, tmp_path: Path) -> None:
    from sklearn.metrics import roc_auc_score

    made = analyzer(kind, epochs=8, patience=8, learning_rate=4e-3, halve_from_epoch=7, alpha=1.0)
    result = made.fit(toys.blobs(60, 0), toys.blobs(12, 1), seed=0, folder=tmp_path)
    test = toys.blobs(40, 2)
    found = [made.predict(toys.volume(s)) for s in test]
    truth = np.stack([s.matrix for s in test])
    scan = np.stack([f.scan_scores for f in found])
    assert roc_auc_score(truth.max(axis=1).ravel(), scan.ravel()) > 0.85
    assert "train/segmentation" not in result.history[0]
    assert result.best_value == min(entry["valid/region"] for entry in result.history)


@KINDS
@pytest.mark.parametrize(("fields", "level"), [({}, 2), ({"maps": "hires_cam", "cam_layer": 1}, 1)])
def test_maps_are_class_activation_maps(
    kind: str, fields: dict[str, Any], level: int, tmp_path: Path
) -> None:
    made = analyzer(kind, epochs=1, **fields)
    made.fit(toys.blobs(3, 0), toys.blobs(2, 1), seed=0, folder=tmp_path)
    sample = toys.blobs(1, 2)[0]
    found = made.predict(toys.volume(sample))
    trained = made.trained
    image = torch.from_numpy(sample.image)[None, None].float()
    image = (image - trained.statistics.mean) / trained.statistics.std
    method = fields.get("maps", "grad_cam")
    maps = activation_maps(trained.model.network, image, method=method, level=level, regions=True)
    np.testing.assert_allclose(found.abnormality_maps, maps.scan[0], atol=1e-5)
    np.testing.assert_allclose(found.scan_scores, maps.output.scan[0].sigmoid(), atol=1e-6)
    assert found.grid.shape == tuple(n // 2**level for n in toys.SHAPE)
    assert maps.regions is not None
    if kind == "classifier":
        np.testing.assert_allclose(found.region_maps, maps.regions[0], atol=1e-5)
    else:
        largest = found.region_maps.reshape(toys.ANATOMY.n_regions, -1).max(axis=1)
        np.testing.assert_allclose(largest, 1.0, atol=0.3 if level == 1 else 1e-6)
        assert maps.output.attention is not None
        order = maps.output.attention[0, 0].flatten().argmax()
        if level == 2:
            assert found.region_maps[0].argmax() == int(order)


@KINDS
def test_bad_settings_are_refused(kind: str) -> None:
    with pytest.raises(ValidationError, match="cam_layer must be at most"):
        analyzer(kind, cam_layer=3)
    with pytest.raises(ValidationError, match="multiple of 4"):
        analyzer(kind, volume_shape=(8, 30, 32))
    with pytest.raises(ConfigError, match="multiple of 64"):
        analyzer(kind, levels=7)
    with pytest.raises(ValidationError, match="pooling"):
        analyzer(kind, pooling="max")


def test_paper_size() -> None:
    anatomy = load_anatomy("head_ct")
    catalog = default_catalog()
    made = catalog.create("analyzer", catalog.parse("analyzer", "classifier"), anatomy)
    assert made.build().network.linear.weight.shape == (18 * 4, 512)
