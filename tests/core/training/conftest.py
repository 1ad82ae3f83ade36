from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def toys() -> ModuleType:
    """The module beside this file, which importlib mode does not let tests import."""
    path = Path(__file__).with_name("toys.py")
    spec = importlib.util.spec_from_file_location("crossdl_toys", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
