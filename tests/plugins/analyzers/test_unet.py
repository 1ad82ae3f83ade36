from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.catalog import default_catalog
from crossdl.errors import ConfigError, InputError
from crossdl.plugins.analyzers.unet import UNet, UNetConfig
from crossdl.testing.analyzer import example_samples
from crossdl.types import Grid, Volume

ANATOMY = load_anatomy("head_ct")
SHAPE = (16, 32, 32)


def unet(anatomy: Anatomy = ANATOMY, **fields: Any) -> UNet:
    table = {"volume_shape": SHAPE, "levels": 3, "base_filters": 2, "epochs": 1, **fields}
    config = default_catalog().parse("analyzer", {"kind": "unet", **table})
    assert isinstance(config, UNetConfig)
    return UNet(config, anatomy)


def trained(folder: Path, **fields: Any) -> UNet:
    analyzer = unet(**fields)
    samples = example_samples(ANATOMY, SHAPE, 3, seed=0)
    analyzer.fit(samples[:2], samples[2:], seed=0, folder=folder / "training")
    return analyzer


def ball(shape: tuple[int, int, int] = (30, 80, 70), name: str = "scan") -> Volume:
    grid = Grid(
        shape, np.array([[-2.5, 0, 0, 90], [0, 2.5, 0, -100], [0, 0, 5, -60], [0, 0, 0, 1.0]])
    )
    centre = (np.array(shape) - 1) / 2
    place = np.moveaxis(np.indices(shape), 0, -1)
    inside = (((place - centre) / (centre * 0.8)) ** 2).sum(axis=-1) < 1
    array = np.where(inside, 40.0, -1000.0).astype(np.float32)
    array[inside] += np.random.default_rng(0).normal(0, 20, int(inside.sum())).astype(np.float32)
    return Volume(array, grid, name)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[UNet, Path]:
    folder = tmp_path_factory.mktemp("unet")
    analyzer = trained(folder)
    (folder / "model").mkdir()
    analyzer.save(folder / "model")
    return analyzer, folder / "model"


def test_scores_are_the_maxima_of_the_maps(model: tuple[UNet, Path]) -> None:
    prediction = model[0].predict(ball())
    s, d = prediction.region_maps, prediction.abnormality_maps
    assert s.shape == (ANATOMY.n_regions, 8, 16, 16)
    assert d.shape == (ANATOMY.n_types, 8, 16, 16)
    expected = (s[:, None].astype(np.float64) * d[None]).max(axis=(2, 3, 4))
    np.testing.assert_allclose(prediction.region_scores, expected, atol=1e-6)
    np.testing.assert_array_equal(prediction.scan_scores, d.max(axis=(1, 2, 3)))


def test_the_maps_lie_in_the_head(model: tuple[UNet, Path]) -> None:
    volume = ball()
    grid = model[0].predict(volume).grid
    corners = grid.index_to_world([(-0.5, -0.5, -0.5), (7.5, 15.5, 15.5)])
    centre = volume.grid.index_to_world((np.array(volume.grid.shape) - 1) / 2)
    np.testing.assert_allclose(corners.mean(axis=0), centre, atol=5)
    size = np.array([69, 79, 29]) * 0.8 * [2.5, 2.5, 5]
    np.testing.assert_allclose(corners[1] - corners[0], size, atol=12)


def test_quality_of_a_good_and_of_doubtful_scans(model: tuple[UNet, Path]) -> None:
    analyzer = model[0]
    good = analyzer.predict(ball()).quality
    assert not [flag for flag in good.flags if "mirror region" not in flag]
    assert good.values["slices"] == 30
    few = analyzer.predict(ball((9, 80, 70))).quality
    assert any("only 9 slices, 10 are expected" in flag for flag in few.flags)
    resampled = replace(ball(), meta={"slice_positions_mm": [0.0, 20.0, 40.0]})
    assert any("only 3 slices" in flag for flag in analyzer.predict(resampled).quality.flags)
    volume = ball()
    small = Volume(
        volume.array, Grid(volume.grid.shape, np.diag([0.2, 0.2, 0.2, 1.0]) @ volume.grid.affine)
    )
    assert any("box around the head" in flag for flag in analyzer.predict(small).quality.flags)
    warned = replace(volume, meta={"warnings": ["2 slices are missing"]})
    assert analyzer.predict(warned).quality.flags[0] == "2 slices are missing"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_saved_model_predicts_the_same(tmp_path: Path, dtype: str) -> None:
    analyzer = trained(tmp_path, save_dtype=dtype, precision="32")
    analyzer.save(tmp_path)
    again = unet(save_dtype=dtype, precision="32")
    again.load(tmp_path)
    a, b = (x.predict(ball()) for x in (analyzer, again))
    tolerance = 0 if dtype == "float32" else 5e-3
    np.testing.assert_allclose(a.region_scores, b.region_scores, atol=tolerance, rtol=0)
    again.save(tmp_path / ".")
    assert (tmp_path / "model.json").is_file()


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    sizes = []
    for dtype in ("float32", "float16"):
        folder = tmp_path / dtype
        analyzer = trained(folder, save_dtype=dtype, base_filters=8)
        analyzer.save(folder)
        sizes.append((folder / "model.safetensors").stat().st_size)
    assert 0.45 < sizes[1] / sizes[0] < 0.6


def test_model_json_says_what_it_is(model: tuple[UNet, Path]) -> None:
    described = json.loads((model[1] / "model.json").read_text(encoding="utf-8"))
    assert Anatomy.model_validate(described["anatomy"]) == ANATOMY
    assert described["config"]["pooling"] == {"kind": "max"}
    assert described["training"]["train_scans"] == 2
    assert {p.name for p in model[1].iterdir()} == {"model.json", "model.safetensors"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(anatomy="knee"), "damaged"),
        (lambda d: d["anatomy"]["regions"].reverse(), "made for anatomy 'head_ct'"),
        (lambda d: d["anatomy"]["types"].reverse(), "made for anatomy"),
        (lambda d: d.update(format=99), "format 99"),
        (lambda d: d.pop("mean"), "damaged"),
        (lambda d: d.update(std="wide"), "damaged"),
        (lambda d: d.update(weights_sha256="0"), "damaged or not of the model.json"),
        (lambda d: d.update(input_shape=[8, 8, 16]), "volumes of"),
        (lambda d: d.update(frequencies="x"), "damaged"),
        (lambda d: d.clear(), "damaged"),
    ],
)
def test_load_refuses(model: tuple[UNet, Path], tmp_path: Path, change: Any, message: str) -> None:
    described = json.loads((model[1] / "model.json").read_text(encoding="utf-8"))
    change(described)
    (tmp_path / "model.json").write_text(json.dumps(described), encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes((model[1] / "model.safetensors").read_bytes())
    with pytest.raises(InputError, match=message):
        unet().load(tmp_path)


def test_load_refuses_another_network(model: tuple[UNet, Path]) -> None:
    with pytest.raises(InputError, match="damaged"):
        unet(base_filters=3).load(model[1])


def test_a_failed_load_keeps_the_old_weights(model: tuple[UNet, Path], tmp_path: Path) -> None:
    analyzer = unet()
    analyzer.load(model[1])
    with pytest.raises(InputError):
        analyzer.load(tmp_path)
    assert analyzer.predict(ball()).scan_scores.shape == (ANATOMY.n_types,)


def test_an_untrained_analyzer_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train it or load"):
        unet().predict(ball())
    with pytest.raises(InputError, match="train it or load"):
        unet().save(tmp_path)


def test_samples_of_another_shape_are_refused(tmp_path: Path) -> None:
    samples = example_samples(ANATOMY, (8, 32, 32), 2, seed=0)
    with pytest.raises(InputError, match="the analyzer takes"):
        unet().fit(samples, samples, seed=0, folder=tmp_path)


@pytest.mark.parametrize("fields", [{"abnormality_activation": "softmax"}, {"scales": 1}])
@pytest.mark.parametrize("pooling", [{"kind": "max"}, {"kind": "top_k", "k": 5}])
def test_variants_train(tmp_path: Path, fields: dict[str, Any], pooling: dict[str, Any]) -> None:
    analyzer = trained(tmp_path, pooling=pooling, **fields)
    assert np.isfinite(analyzer.predict(ball()).region_maps).all()


def test_the_default_is_the_paper() -> None:
    analyzer = UNet(UNetConfig(), ANATOMY)
    assert analyzer.input_shape == (80, 160, 160)
    assert analyzer.config.pooling.kind == "max"


def test_shapes_are_checked_before_training() -> None:
    with pytest.raises(ValidationError, match="multiple of 4"):
        unet(volume_shape=(16, 30, 32))
    with pytest.raises(ValidationError, match="scales must be at most"):
        unet(scales=3)
    with pytest.raises(ConfigError, match="multiple of 64"):
        UNet(UNetConfig(levels=7), ANATOMY)


def test_importing_the_plugin_imports_nothing_heavy() -> None:
    code = (
        "import sys; from crossdl.catalog import default_catalog as c; "
        "c().parse('analyzer', {'kind': 'unet', 'pooling': 'top_k'}); "
        "print([m for m in ('torch', 'lightning', 'monai', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_training_starts_from_a_saved_model(model: tuple[UNet, Path], tmp_path: Path) -> None:
    samples = example_samples(ANATOMY, SHAPE, 3, seed=0)
    tuned = unet(start_from=str(model[1]), epochs=1, learning_rate=1e-12)
    tuned.fit(samples[:2], samples[2:], seed=5, folder=tmp_path / "tuned")
    before, after = (a.predict(ball()) for a in (model[0], tuned))
    np.testing.assert_allclose(after.region_maps, before.region_maps, atol=1e-3)
    with pytest.raises(InputError, match="is missing"):
        unet(start_from=str(tmp_path)).fit(samples[:2], samples[2:], seed=0, folder=tmp_path / "x")
