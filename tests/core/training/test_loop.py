"""Training: it learns, repeats exactly, survives a kill, and refuses what cannot work."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from crossdl.errors import ConfigError, CrossDLError, InputError
from crossdl.training.config import NetworkConfig
from crossdl.training.data import fingerprint, statistics, train_loader


def test_it_learns_which_region_shows_what(toys: ModuleType, tmp_path: Path) -> None:
    from sklearn.metrics import roc_auc_score

    analyzer = toys.unet(epochs=9, patience=9, learning_rate=4e-3, halve_from_epoch=7)
    result = analyzer.fit(toys.blobs(48, 0), toys.blobs(12, 1), seed=0, folder=tmp_path)
    test = toys.blobs(40, 2)
    scores = np.stack([analyzer.predict(toys.volume(s)).region_scores for s in test])
    truth = np.stack([s.matrix[:-2] for s in test])
    assert result.best_value < 0.6 * result.history[0]["valid/region"]
    assert roc_auc_score(truth.ravel(), scores.ravel()) > 0.9
    assert result.best_value == min(entry["valid/region"] for entry in result.history)


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_the_same_seed_gives_the_same_bytes(
    toys: ModuleType, tmp_path: Path, precision: str
) -> None:
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        analyzer = toys.unet(epochs=2, precision=precision)
        analyzer.fit(toys.blobs(4, 0), toys.blobs(2, 1), seed=seed, folder=tmp_path / name)
        analyzer.save(tmp_path / name)
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


@pytest.mark.parametrize(
    "recipe",
    ["paper", *(pytest.param(name, marks=pytest.mark.slow) for name in ("long", "plateau"))],
)
def test_a_killed_training_ends_with_the_same_weights(
    toys: ModuleType, tmp_path: Path, recipe: str
) -> None:
    toys.train_long(tmp_path / "whole", recipe)
    folder = tmp_path / "killed"
    with subprocess.Popen([sys.executable, toys.__file__, str(folder), recipe]) as process:
        checkpoint = folder / "last.safetensors"
        while process.poll() is None and not checkpoint.is_file():
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "model").exists()
    toys.train_long(folder, recipe)
    for name in ("model.safetensors", "model.json"):
        whole = (tmp_path / "whole" / "model" / name).read_bytes()
        assert (folder / "model" / name).read_bytes() == whole


def test_a_finished_training_is_not_repeated(toys: ModuleType, tmp_path: Path) -> None:
    train, valid = toys.blobs(3, 0), toys.blobs(2, 1)
    first = toys.unet(epochs=1).fit(train, valid, seed=0, folder=tmp_path)
    stamp = (tmp_path / "last.safetensors").stat().st_mtime_ns
    assert toys.unet(epochs=1).fit(train, valid, seed=0, folder=tmp_path) == first
    assert (tmp_path / "last.safetensors").stat().st_mtime_ns == stamp


def test_a_checkpoint_of_other_training_is_refused(toys: ModuleType, tmp_path: Path) -> None:
    train, valid = toys.blobs(3, 0), toys.blobs(2, 1)
    toys.unet(epochs=1).fit(train, valid, seed=0, folder=tmp_path)
    with pytest.raises(ConfigError, match="another configuration, seed or data"):
        toys.unet(epochs=1).fit(train, valid, seed=1, folder=tmp_path)
    with pytest.raises(ConfigError, match="another configuration, seed or data"):
        toys.unet(epochs=2).fit(train, valid, seed=0, folder=tmp_path)
    with pytest.raises(ConfigError, match="another configuration, seed or data"):
        toys.unet(epochs=1).fit(train[:2], valid, seed=0, folder=tmp_path)


def test_patience_and_schedule(toys: ModuleType, tmp_path: Path) -> None:
    """A learning rate of next to nothing never improves after the first epoch."""
    analyzer = toys.unet(
        epochs=20, patience=2, learning_rate=1e-30, halve_from_epoch=2, lambda_floor=0.3
    )
    result = analyzer.fit(toys.blobs(2, 0), toys.blobs(2, 1), seed=0, folder=tmp_path)
    assert result.best_epoch == 0
    assert len(result.history) == 3
    assert [e["lambda"] for e in result.history] == [1.0, 0.5, 0.3]
    assert [e["learning_rate"] / 1e-30 for e in result.history] == pytest.approx([1, 0.5, 0.25])


def test_the_terms_add_up(toys: ModuleType, tmp_path: Path) -> None:
    analyzer = toys.unet(epochs=2, alpha=0.2)
    result = analyzer.fit(toys.blobs(4, 0), toys.blobs(2, 1), seed=0, folder=tmp_path)
    for entry in result.history:
        total = entry["lambda"] * entry["train/segmentation"] + entry["train/region"]
        total += 0.2 * entry["train/scan"]
        assert entry["train/loss"] == pytest.approx(total, rel=1e-5)


def test_nothing_is_pickled_and_curves_are_kept(toys: ModuleType, tmp_path: Path) -> None:
    toys.unet(epochs=1).fit(toys.blobs(2, 0), toys.blobs(2, 1), seed=0, folder=tmp_path)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.name for p in files if p.parent == tmp_path} == {"last.safetensors"}
    assert any(p.name.startswith("events.out") for p in files)


def test_training_is_silent_but_for_its_bar(
    toys: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        toys.unet(epochs=1).fit(toys.blobs(2, 0), toys.blobs(2, 1), seed=0, folder=tmp_path)
    out, err = capfd.readouterr()
    assert out == ""
    for chatter in ("GPU", "TPU", "LOCAL_RANK", "Tip", "Seed set", "deprecated", "`Trainer"):
        assert chatter not in err
    assert "region" in err
    assert not [w for w in caught if "lightning" in w.filename]


def test_global_state_is_left_alone(toys: ModuleType, tmp_path: Path) -> None:
    before = torch.random.get_rng_state()
    toys.unet(epochs=1).fit(toys.blobs(2, 0), toys.blobs(2, 1), seed=0, folder=tmp_path)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


def test_scans_without_regions_or_with_unclear_labels_take_part(
    toys: ModuleType, tmp_path: Path
) -> None:
    train = list(toys.blobs(4, 0))
    unclear = train[0].matrix.copy()
    unclear[-1, 0] = 1
    train[0] = replace(train[0], matrix=unclear)
    train[1] = replace(train[1], regions=np.zeros_like(train[1].regions))
    result = toys.unet(epochs=2).fit(tuple(train), toys.blobs(2, 1), seed=0, folder=tmp_path)
    assert len(result.history) == 2


def test_a_set_of_unclear_scans_only_is_refused(toys: ModuleType, tmp_path: Path) -> None:
    train, valid = toys.blobs(2, 0), toys.blobs(1, 1)
    unclear = valid[0].matrix.copy()
    unclear[-1] = 1
    with pytest.raises(InputError, match="validation set has no scan"):
        toys.unet().fit(train, (replace(valid[0], matrix=unclear),), seed=0, folder=tmp_path)
    with pytest.raises(InputError, match="no scan to train on"):
        toys.unet().fit((), valid, seed=0, folder=tmp_path)


def test_divergence_is_told(toys: ModuleType, tmp_path: Path) -> None:
    train, valid = toys.blobs(3, 0), toys.blobs(2, 1)
    with pytest.raises(CrossDLError, match="lower learning_rate"):
        toys.unet(learning_rate=1e20).fit(train, valid, seed=0, folder=tmp_path)
    assert not (tmp_path / "last.safetensors").exists()


def test_statistics_are_exact(toys: ModuleType) -> None:
    samples = toys.blobs(5, 0)
    voxels = np.stack([s.image for s in samples]).astype(np.float64)
    found = statistics(samples)
    assert found.mean == pytest.approx(voxels.mean(), rel=1e-12)
    assert found.std == pytest.approx(voxels.std(), rel=1e-12)
    np.testing.assert_allclose(found.frequencies, np.mean([s.matrix[:-2] for s in samples], axis=0))


def test_order_and_augmentation_depend_on_seed_epoch_and_scan_only(toys: ModuleType) -> None:
    samples = toys.blobs(6, 0)
    config: NetworkConfig = toys.unet().config
    epochs = []
    for seed, epoch in ((3, 0), (3, 1), (3, 0), (4, 0)):
        loader = train_loader(samples, config, toys.ANATOMY, seed)
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        epochs.append(torch.cat([batch.image for batch in loader]))
    assert torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], epochs[1])
    assert not torch.equal(epochs[0], epochs[3])


def test_a_changed_voxel_changes_the_fingerprint(toys: ModuleType) -> None:
    samples = toys.blobs(2, 0)
    image = samples[1].image.copy()
    image[0, 0, 0] ^= 1
    changed = (samples[0], replace(samples[1], image=image))
    assert fingerprint(samples, "x") == fingerprint(samples, "x")
    assert (
        len({fingerprint(samples, "x"), fingerprint(changed, "x"), fingerprint(samples, "y")}) == 3
    )


def test_history_is_json(toys: ModuleType, tmp_path: Path) -> None:
    result = toys.unet(epochs=1).fit(toys.blobs(2, 0), toys.blobs(2, 1), seed=0, folder=tmp_path)
    assert json.loads(json.dumps(result.history, allow_nan=False)) == list(result.history)
