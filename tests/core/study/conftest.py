"""A project whose runs take seconds: plugins without networks or registration."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent / "project"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with ``registry.toml``, plugins and an own cache."""
    import shutil

    folder = tmp_path / "project"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def start(project: Path) -> Callable[..., subprocess.Popen[str]]:
    """``start("NAME", "--scale", "tiny")``: ``crossdl study`` in the project."""

    def call(*arguments: str, **environment: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "crossdl", "study", *arguments]
        return subprocess.Popen(
            [*command, "--registry", "registry.toml", "--threads", "1"],
            cwd=project,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            start_new_session=True,
            env={
                **os.environ,
                "CROSSDL_CACHE": str(project / "cache"),
                "COLUMNS": "160",
                **environment,
            },
        )

    return call


@pytest.fixture
def finish() -> Callable[..., str]:
    """Waits for a process and returns what it printed."""

    def wait(process: subprocess.Popen[str], code: int = 0, timeout_s: float = 1200) -> str:
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        assert process.returncode == code, output
        return output

    return wait
