from __future__ import annotations

from pathlib import Path

import pytest

from crossdl import cache


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CROSSDL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _writer(calls: list[int], text: str):
    def make(folder: Path) -> None:
        calls.append(1)
        (folder / "result.txt").write_text(text, encoding="utf-8")

    return make


def test_a_stage_is_made_once_whatever_the_order_of_its_key() -> None:
    calls: list[int] = []
    first = cache.stored("stage", {"a": 1, "b": 2}, _writer(calls, "x"))
    again = cache.stored("stage", {"b": 2, "a": 1}, _writer(calls, "y"))
    assert first == again
    assert (again / "result.txt").read_text(encoding="utf-8") == "x"
    assert len(calls) == 1


def test_other_keys_and_stages_are_other_folders() -> None:
    calls: list[int] = []
    folders = {
        cache.stored("stage", {"a": 1}, _writer(calls, "x")),
        cache.stored("stage", {"a": 2}, _writer(calls, "x")),
        cache.stored("other", {"a": 1}, _writer(calls, "x")),
    }
    assert len(folders) == len(calls) == 3


def test_an_interrupted_stage_leaves_nothing(own_cache: Path) -> None:
    def broken(folder: Path) -> None:
        (folder / "half.txt").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.stored("stage", {"a": 1}, broken)
    assert not cache.location("stage", {"a": 1}).exists()
    assert not list(own_cache.rglob("*half*"))


def test_nan_in_a_key_is_refused() -> None:
    with pytest.raises(ValueError):
        cache.digest({"a": float("nan")})
