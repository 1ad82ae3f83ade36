"""A chain in one process: which step is taken, and what is said of the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from crossdl.anatomy import load_anatomy
from crossdl.catalog import Catalog, default_catalog
from crossdl.errors import RegistrationError
from crossdl.interfaces import RegionSegmenter
from crossdl.plugins.segmenters.chain import ChainConfig
from crossdl.registry import load_registry
from crossdl.testing.heads import synthetic_head
from crossdl.types import Volume

ANATOMY = load_anatomy("head_ct")
PLUGINS = Path(__file__).parents[2] / "core" / "worker_fakes" / "plugins"


def scan(name: str) -> Volume:
    head = synthetic_head()
    return Volume(head.array, head.grid, name)


def chain(folder: Path, *steps: dict[str, Any], **fields: Any) -> RegionSegmenter[Any]:
    catalog = Catalog([PLUGINS])
    named = [
        {"kind": "moody", "log": str(folder / f"step{i}"), **step} for i, step in enumerate(steps)
    ]
    config = catalog.parse("segmenter", {"kind": "chain", "steps": named, **fields})
    made: RegionSegmenter[Any] = catalog.create("segmenter", config, ANATOMY)
    return made


def test_the_first_result_without_flags_is_taken(tmp_path: Path) -> None:
    made = chain(
        tmp_path, {"score": 0.4}, {"flags": [], "score": 0.6, "least": 30.0}, {"score": 0.9}
    )
    volume = scan("a")
    found = made.segment(volume)
    assert (found.labels == (volume.array > 30.0)).all()
    assert found.quality.flags == ()
    assert [a["score"] for a in found.quality.values["attempts"]] == [0.4, 0.6]
    assert found.quality.values["step"] == found.quality.values["attempts"][1]["step"]
    assert "least=30.0" in found.quality.values["step"]
    assert found.quality.values["final_metric"] == {"all": -1.0}
    assert not (tmp_path / "step2").exists()


def test_otherwise_the_best_score(tmp_path: Path) -> None:
    made = chain(
        tmp_path, {"score": 0.31}, {"score": 0.42, "flags": ["odd"], "least": 30.0}, {"score": 0.2}
    )
    volume = scan("a")
    found = made.segment(volume)
    assert (found.labels == (volume.array > 30.0)).all()
    assert found.quality.flags == ("odd",)
    assert [a["flags"] for a in found.quality.values["attempts"]] == [["look"], ["odd"], ["look"]]


def test_below_the_limit_the_scan_is_excluded_with_every_reason(tmp_path: Path) -> None:
    made = chain(tmp_path, {}, {"score": 0.42, "calm": True}, exclude_below=0.43)
    with pytest.raises(RegistrationError, match=r"fails: excluded.*no transform.*0\.42, look"):
        made.segment(scan("fails"))
    assert chain(tmp_path, {}, {"score": 0.42}, exclude_below=0.42).segment(scan("a"))


def test_a_bug_in_a_step_is_its_error(tmp_path: Path) -> None:
    found = chain(tmp_path, {}, {"calm": True, "score": 0.4}).segment(scan("buggy"))
    assert "ZeroDivisionError" in found.quality.values["attempts"][0]["error"]


def test_fingerprint_follows_the_steps(tmp_path: Path) -> None:
    made = [
        chain(tmp_path, {}),
        chain(tmp_path, {"least": 5.0}),
        chain(tmp_path, {}, {}),
        chain(tmp_path, {}, exclude_below=0.1),
    ]
    assert len({one.fingerprint() for one in made}) == len(made)
    assert chain(tmp_path, {}).fingerprint() == made[0].fingerprint()


def test_a_mistake_in_a_step_has_its_path() -> None:
    with pytest.raises(ValidationError, match="at least 1 item"):
        ChainConfig(steps=())
    with pytest.raises(ValidationError):
        default_catalog().parse(
            "segmenter", {"kind": "chain", "steps": [{"kind": "elastix", "preset": "best"}]}
        )


def test_the_shipped_fallback() -> None:
    segmenter = load_registry().composition("fallback").segmenter
    assert isinstance(segmenter, ChainConfig)
    assert [s.model_dump(exclude_defaults=True).get("preset", s.kind) for s in segmenter.steps] == [
        "elastix",
        "affine",
        "ants",
    ]
