"""Building a cohort component from its config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.interfaces import CohortSource


@pytest.fixture(scope="session")
def source() -> Callable[..., CohortSource]:
    """``source(kind, folder, **fields)``."""

    def make(kind: str, folder: Path, **fields: Any) -> CohortSource:
        catalog = default_catalog()
        config = catalog.parse("cohort", {"kind": kind, "folder": str(folder), **fields})
        return catalog.create("cohort", config, load_anatomy("head_ct"))

    return make
