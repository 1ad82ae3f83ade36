from __future__ import annotations

from types import ModuleType

import pytest
import torch

from crossdl.training.averaging import WeightAverage
from crossdl.training.schedule import plateaus, rate_factor


def rates(toys: ModuleType, monitored: tuple[float, ...] = (), **fields: object) -> list[float]:
    config = toys.unet(epochs=5, **fields).config
    return [rate_factor(config, step, 4, monitored) for step in range(20)]


def test_halving_begins_with_the_epoch_named(toys: ModuleType) -> None:
    found = rates(toys, halve_from_epoch=3)
    assert found == [1.0] * 8 + [0.5] * 4 + [0.25] * 4 + [0.125] * 4


def test_cosine_rises_and_falls_to_nothing(toys: ModuleType) -> None:
    found = rates(toys, schedule="cosine", warmup=0.2)
    assert found[:4] == [0.25, 0.5, 0.75, 1.0]
    assert found[4] == 1.0
    assert found[12] == pytest.approx(0.5)
    assert found[4:] == sorted(found[4:], reverse=True)
    assert 0 < found[-1] < 0.02


def test_constant_stays(toys: ModuleType) -> None:
    assert set(rates(toys, schedule="constant")) == {1.0}


@pytest.mark.parametrize("patience", [0, 1, 2])
def test_plateaus_are_counted_as_torch_does(toys: ModuleType, patience: int) -> None:
    values = (5.0, 4.0, 4.5, 4.2, 4.1, 3.0, 3.0, 3.1, 3.2, 3.3, 3.4, 3.5)
    layer = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    reference = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=patience, threshold=0
    )
    for n, value in enumerate(values, start=1):
        reference.step(value)
        assert 0.5 ** plateaus(values[:n], patience) == optimizer.param_groups[0]["lr"]
    found = rates(toys, values, schedule="plateau", plateau_patience=patience)
    assert found[0] == optimizer.param_groups[0]["lr"] < 1


def test_an_average_follows_and_can_be_exchanged() -> None:
    layer = torch.nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
    average = WeightAverage(layer, 0.9)
    expected = 0.0
    for step in range(1, 60):
        with torch.no_grad():
            layer.weight.fill_(float(step))
        average.update(step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    average.swap()
    torch.testing.assert_close(layer.weight, torch.full((1, 2), expected))
    average.swap()
    assert float(layer.weight.detach()[0, 0]) == 59.0
    torch.testing.assert_close(average.tensors["weight"], torch.full((1, 2), expected))
