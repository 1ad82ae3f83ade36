"""Lightning's loggers by name, imported when they are used."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.errors import ConfigError
from crossdl.hints import suggest
from crossdl.training.execution import LoggerSettings

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger

_KNOWN = {
    "tensorboard": "TensorBoardLogger",
    "csv": "CSVLogger",
    "wandb": "WandbLogger",
    "mlflow": "MLFlowLogger",
    "comet": "CometLogger",
}


def make_logger(settings: LoggerSettings, folder: Path) -> Logger | None:
    """The logger; what it writes to disk goes into ``folder`` unless its arguments say otherwise.

    Raises:
        ConfigError: There is no such logger, its package is not installed, or it refuses its
            arguments.
    """
    if settings.name == "none":
        return None
    cls = _class(settings.name)
    arguments: dict[str, Any] = {}
    if "save_dir" in inspect.signature(cls).parameters:
        arguments["save_dir"] = str(folder)
    if settings.name == "tensorboard":
        arguments |= {"name": "tensorboard", "version": ""}
    elif settings.name == "csv":
        arguments["name"] = "csv"
    try:
        made: Logger = cls(**{**arguments, **settings.arguments})
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"execution.logger: {settings.name!r} is not installed ({error})"
        ) from error
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"execution.logger.arguments: {settings.name!r} refuses them: {error}"
        ) from error
    return made


def _class(name: str) -> Any:
    """Class of a known name or of a reference ``package.module:Class``."""
    if name in _KNOWN:
        return getattr(importlib.import_module("lightning.pytorch.loggers"), _KNOWN[name])
    module, separator, attribute = name.partition(":")
    if not separator:
        raise ConfigError(
            f"execution.logger: {name!r} is unknown{suggest(name, [*_KNOWN, 'none'])}; any other "
            'one is named as "package.module:Class"'
        )
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"execution.logger: {name!r} cannot be imported: {error}") from error
