from __future__ import annotations

import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from crossdl.catalog import Catalog
from crossdl.training.data import train_loader
from crossdl.training.samples import Sample


def test_mapped_files_go_to_other_processes_by_name(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 60), dtype=np.uint8)
    np.save(tmp_path / "image.npy", image)
    mapped = np.load(tmp_path / "image.npy", mmap_mode="r")
    part = np.load(tmp_path / "image.npy", mmap_mode="r")[1:]
    data = pickle.dumps(Sample("a", mapped, part[:2], np.ones((3, 2), dtype=np.float32)))
    assert len(data) < 20_000
    again = pickle.loads(data)
    assert isinstance(again.image, np.memmap)
    np.testing.assert_array_equal(again.image, image)
    np.testing.assert_array_equal(again.regions, image[1:3])
    assert again.scan_id == "a"


POOLING = """
from typing import Literal

from crossdl.config import ComponentConfig
from crossdl.interfaces import MILPooling


class MineConfig(ComponentConfig):
    kind: Literal["mine"] = "mine"


class Mine(MILPooling[MineConfig]):
    def bags(self, maps):
        raise NotImplementedError
"""


def test_workers_that_cannot_import_a_users_plugin_load_data(
    tmp_path: Path, toys: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "analyzers" / "pooling"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text(POOLING, encoding="utf-8")
    config = Catalog([tmp_path]).parse("analyzer", {"kind": "unet", "pooling": {"kind": "mine"}})
    data = pickle.dumps(train_loader(toys.blobs(2, 0), config, toys.ANATOMY, 3).dataset)  # type: ignore[arg-type]
    module = type(config.pooling).__module__  # type: ignore[attr-defined]
    monkeypatch.delitem(sys.modules, module)
    with pytest.raises(ModuleNotFoundError, match="mine"):
        __import__(module)
    assert len(pickle.loads(data)[0, 1].image) == 1


def test_workers_change_nothing(toys: ModuleType) -> None:
    samples = toys.blobs(5, 0)
    found = []
    for workers in (0, 2):
        config = toys.unet(batch_size=2, execution={"workers": workers}).config
        loader = train_loader(samples, config, toys.ANATOMY, 3)
        batches = []
        for epoch in range(2):
            loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
            batches += list(loader)
        found.append(batches)
    for one, two in zip(*found, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
