from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from crossdl.errors import ConfigError
from crossdl.training.execution import LoggerSettings
from crossdl.training.loggers import make_logger


def test_curves_go_where_the_config_says(toys: ModuleType, tmp_path: Path) -> None:
    analyzer = toys.unet(epochs=1, execution={"workers": 0, "logger": {"name": "csv"}})
    analyzer.fit(toys.blobs(2, 0), toys.blobs(1, 1), seed=0, folder=tmp_path)
    (table,) = tmp_path.rglob("metrics.csv")
    header = table.read_text().splitlines()[0].split(",")
    assert {"train/loss", "valid/region", "data_wait"} <= set(header)
    assert not list(tmp_path.rglob("events.out*"))


def test_known_loggers_take_arguments(tmp_path: Path) -> None:
    logger = make_logger(LoggerSettings(arguments={"name": "mine"}), tmp_path)
    assert logger is not None
    assert logger.name == "mine"
    reference = LoggerSettings(name="lightning.pytorch.loggers:CSVLogger")
    assert type(make_logger(reference, tmp_path)).__name__ == "CSVLogger"
    assert make_logger(LoggerSettings(name="none"), tmp_path) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "tensorbord"}, "tensorboard"),
        ({"name": "nowhere:Logger"}, "cannot be imported"),
        ({"arguments": {"zoo": 1, "save_dir": None}}, "refuses them"),
    ],
)
def test_mistakes_are_named(settings: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        make_logger(LoggerSettings.model_validate(settings), tmp_path)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        def make(**_: object) -> object:
            raise ModuleNotFoundError("Requirement 'wandb' not met. Try: pip install wandb")

        return make

    monkeypatch.setattr("crossdl.training.loggers._class", missing)
    with pytest.raises(ConfigError, match="pip install wandb"):
        make_logger(LoggerSettings(name="wandb"), tmp_path)
