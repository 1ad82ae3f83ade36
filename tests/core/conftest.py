"""A folder of small fake plugins beside a registry file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

FAKES = Path(__file__).parent / "fakes" / "plugins"

BASE = """
[compositions.base]
description = "fakes only"
cohort = { kind = "few" }
discretizer = "silent"
segmenter = "blank"
analyzer = { kind = "net", pooling = { kind = "best", k = 7 } }
evaluators = [{ kind = "count" }]
"""


@pytest.fixture
def fakes() -> Path:
    """The folder of fake plugins."""
    return FAKES


@pytest.fixture
def registry_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a registry file that sees the fakes; ``base`` is a complete composition."""

    def write(text: str, base: bool = True) -> Path:
        path = tmp_path / "registry.toml"
        head = f"plugin_paths = ['{FAKES}']\n"
        path.write_text(head + (BASE if base else "") + text, encoding="utf-8")
        return path

    return write
