"""Fixtures for tests of what learns from texts."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def toys() -> ModuleType:
    """The module ``toys.py`` of this folder."""
    path = Path(__file__).parent / "toys.py"
    spec = importlib.util.spec_from_file_location("text_toys", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
