"""What a run refuses before it does anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from crossdl.errors import ConfigError
from crossdl.registry import load_registry
from crossdl.runner import execute


def test_a_mistake_in_an_evaluator_ends_a_run_before_anything_is_written(tmp_path: Path) -> None:
    book = load_registry(Path(__file__).parent / "study" / "project" / "registry.toml")
    wrong = {"kind": "voxel_dice", "thresholds": {"intra_hypr": 0.5}}
    composition = book.composition("toy", {"evaluators": [wrong]})
    with pytest.raises(ConfigError) as caught:
        execute(
            composition,
            catalog=book.catalog,
            name="toy",
            folder=tmp_path / "run",
            workers=1,
            console=Console(quiet=True),
        )
    assert "thresholds.intra_hypr: no such type; did you mean 'intra_hyper'?" in str(
        [caught.value.headline, *caught.value.problems]
    )
    assert not (tmp_path / "run").exists()
