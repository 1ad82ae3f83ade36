from __future__ import annotations

from pathlib import Path

import pytest

from crossdl.errors import ConfigError
from crossdl.rundir import RunDirectory, versions


def test_the_same_configuration_reopens_and_another_is_refused(tmp_path: Path) -> None:
    RunDirectory(tmp_path / "r", {"seed": 1})
    assert not RunDirectory(tmp_path / "r", {"seed": 1}).complete
    with pytest.raises(ConfigError, match="another configuration"):
        RunDirectory(tmp_path / "r", {"seed": 2})


def test_a_foreign_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a run"):
        RunDirectory(tmp_path, {"seed": 1})
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_the_log_says_why_a_run_stopped(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "r", {})
    with pytest.raises(RuntimeError), run.log() as log:
        log.info("hello")
        raise RuntimeError("disk gone")
    text = (run.path / "run.log").read_text(encoding="utf-8")
    assert "hello" in text
    assert "RuntimeError: disk gone" in text


def test_versions_name_the_stack() -> None:
    assert {"crossdl", "python", "torch", "itk-elastix", "pydicom"} <= versions().keys()
