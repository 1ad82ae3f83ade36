"""Training a text model: it learns, repeats exactly, survives a kill, refuses what cannot work."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from crossdl.errors import ConfigError, InputError
from crossdl.text.scores import score
from crossdl.types import SentenceLabels


def test_it_learns_sentences_it_has_not_seen(toys: ModuleType, tmp_path: Path) -> None:
    made = toys.tiny(
        pooling="cls_mean_max", training={"epochs": 40, "patience": 40, "batch_size": 8}
    )
    train, test = toys.sentences(0, 110), toys.sentences(0, 144)
    made.fit(train, train, seed=0, folder=tmp_path)
    unseen = test.take(range(110, 144))
    found = score(unseen, made.label(unseen.sentences), toys.ANATOMY)
    assert found.micro["all"] is not None and found.micro["all"] > 0.9


@pytest.mark.parametrize("precision", ["32", "bf16"])
def test_the_same_seed_gives_the_same_bytes(
    toys: ModuleType, tmp_path: Path, precision: str
) -> None:
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        made = toys.tiny(precision=precision)
        made.fit(
            toys.sentences(0, 60), toys.sentences(1, 20), seed=seed, folder=tmp_path / f"{name}t"
        )
        (tmp_path / name).mkdir()
        made.save(tmp_path / name)
        weights.append(
            tuple((tmp_path / name / f).read_bytes() for f in ("model.safetensors", "model.json"))
        )
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


@pytest.mark.parametrize(
    "stage", [pytest.param("pretraining", marks=pytest.mark.slow), "fine_tuning"]
)
def test_a_killed_training_ends_with_the_same_weights(
    toys: ModuleType, tmp_path: Path, stage: str
) -> None:
    toys.train_long(tmp_path / "whole")
    folder = tmp_path / "killed"
    with subprocess.Popen([sys.executable, toys.__file__, str(folder)]) as process:
        checkpoint = folder / stage / "last.safetensors"
        while process.poll() is None and not checkpoint.is_file():
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "model").exists()
    toys.train_long(folder)
    for name in ("model.safetensors", "model.json", "tokenizer.json"):
        whole = (tmp_path / "whole" / "model" / name).read_bytes()
        assert (folder / "model" / name).read_bytes() == whole


def test_a_checkpoint_of_other_training_is_refused(toys: ModuleType, tmp_path: Path) -> None:
    train, valid = toys.sentences(0, 40), toys.sentences(1, 10)
    toys.tiny().fit(train, valid, seed=0, folder=tmp_path)
    with pytest.raises(ConfigError, match="another configuration, seed or data"):
        toys.tiny().fit(train, valid, seed=1, folder=tmp_path)
    with pytest.raises(ConfigError, match="another configuration, seed or data"):
        toys.tiny(training={"epochs": 3}).fit(train, valid, seed=0, folder=tmp_path)
    with pytest.raises(ConfigError, match="another configuration, seed or data"):
        toys.tiny().fit(train.take(range(30)), valid, seed=0, folder=tmp_path)


def test_no_texts_no_training(toys: ModuleType, tmp_path: Path) -> None:
    some, none = toys.sentences(0, 10), toys.sentences(0, 0)
    with pytest.raises(InputError, match="no labelled training text"):
        toys.tiny().fit(none, some, seed=0, folder=tmp_path)
    with pytest.raises(InputError, match="no labelled validation text"):
        toys.tiny().fit(some, none, seed=0, folder=tmp_path)


def test_swapping_and_joining_keep_labels_right(toys: ModuleType, tmp_path: Path) -> None:
    """With both augmentations at full rate the plain sentences are still learnt."""
    changes = {"swap_probability": 0.5, "mix_probability": 0.5, "epochs": 40, "patience": 40}
    changes |= {"mix_rarity": 0.5, "mix_share": 0.7, "mask_rate": 0.05, "head_rate": 2.0}
    made = toys.tiny(pooling="label_attention", training={**changes, "batch_size": 8})
    train = toys.sentences(0, 144)
    made.fit(train, train, seed=0, folder=tmp_path)
    found = score(train, made.label(train.sentences), toys.ANATOMY)
    assert found.micro["all"] is not None and found.micro["all"] > 0.9


def test_silver_limits_the_training_texts(toys: ModuleType, tmp_path: Path) -> None:
    made = toys.tiny(silver=12, training={"epochs": 1})
    made.fit(toys.sentences(0, 40), toys.sentences(1, 10), seed=3, folder=tmp_path)
    (tmp_path / "model").mkdir()
    made.save(tmp_path / "model")
    assert '"texts": 12' in (tmp_path / "model" / "model.json").read_text("utf-8")


def test_best_thresholds_and_temperature_are_kept(toys: ModuleType, tmp_path: Path) -> None:
    train = toys.sentences(0, 100)
    made = toys.tiny(cutoffs="f1", training={"epochs": 6, "patience": 6})
    made.fit(train, toys.sentences(1, 60), seed=0, folder=tmp_path)
    (tmp_path / "model").mkdir()
    made.save(tmp_path / "model")
    again = toys.tiny(model=str(tmp_path / "model"))
    assert again.trained
    for mine, theirs in zip(made.thresholds, again.thresholds, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert any((cut != 0.5).any() for cut in again.thresholds)
    said: list[SentenceLabels] = [m.label(train.sentences) for m in (made, again)]
    np.testing.assert_array_equal(said[0].regions, said[1].regions)
    np.testing.assert_array_equal(said[0].types, said[1].types)
