"""Two processes with one scan each make the steps of one process with two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from crossdl.training.data import Turns


@pytest.mark.parametrize(("count", "batch_size", "world"), [(7, 1, 2), (8, 2, 2), (5, 2, 3)])
def test_processes_share_the_steps_of_one(
    count: int, batch_size: int, world: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Turns(count, batch_size * world, seed=3)
    whole.set_epoch(2)
    parts = []
    for rank in range(world):
        monkeypatch.setattr("crossdl.training.data._place", lambda r=rank: (r, world))
        turns = Turns(count, batch_size, seed=3)
        turns.set_epoch(2)
        parts.append(list(turns))
        assert len(turns) == len(parts[-1])
    monkeypatch.undo()
    order = list(whole)
    for step in range(len(parts[0]) // batch_size):
        at = slice(step * batch_size, (step + 1) * batch_size)
        together = [key for part in parts for key in part[at]]
        size = batch_size * world
        expected = order[step * size : (step + 1) * size]
        assert together == expected + [(2, -1)] * (size - len(expected))


@pytest.mark.slow
def test_two_processes_with_batch_1_train_as_one_with_batch_2(
    toys: ModuleType, tmp_path: Path
) -> None:
    """Also where a scan is unclear, one has no regions, and the last step is not full."""
    train = list(toys.blobs(7, 0))
    unclear = train[0].matrix.copy()
    unclear[-1, 0] = 1
    train[0] = replace(train[0], matrix=unclear)
    train[1] = replace(train[1], regions=np.zeros_like(train[1].regions))
    valid = toys.blobs(3, 1)
    results, weights = [], []
    for batch_size, devices in ((2, 1), (1, 2)):
        analyzer = toys.unet(
            epochs=3,
            batch_size=batch_size,
            precision="32",
            averaging=0.9,
            clip=1.0,
            execution={"workers": 0, "devices": devices},
        )
        folder = tmp_path / str(devices)
        folder.mkdir()
        results.append(analyzer.fit(tuple(train), valid, seed=0, folder=folder))
        weights.append(analyzer._trained.model.state_dict())
    assert results[0].best_epoch == results[1].best_epoch
    for one, two in zip(results[0].history, results[1].history, strict=True):
        assert one.keys() == two.keys()
        for name, value in one.items():
            assert two[name] == pytest.approx(value, abs=1e-5), name
    for name, tensor in weights[0].items():
        torch.testing.assert_close(weights[1][name], tensor, rtol=0, atol=1e-4)
