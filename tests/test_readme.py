"""README's pooling example, extracted and run as a reader would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).resolve().parent.parent / "README.md"


def _blocks() -> dict[str, str]:
    found = re.findall(r"<!-- tested: (\S+) -->\n```\w+\n(.*?)```", README.read_text("utf-8"), re.S)
    return dict(found)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    blocks = _blocks()
    target = tmp_path / "plugins" / "analyzers" / "pooling" / "power_mean.py"
    target.parent.mkdir(parents=True)
    target.write_text(blocks["power_mean.py"], encoding="utf-8")
    (tmp_path / "registry.toml").write_text(blocks["registry.toml"], encoding="utf-8")
    (tmp_path / "test_power_mean.py").write_text(blocks["test_power_mean.py"], encoding="utf-8")
    return tmp_path


def test_the_example_is_about_20_lines() -> None:
    lines = [line for line in _blocks()["power_mean.py"].splitlines() if line.strip()]
    assert len(lines) <= 20


def test_one_file_makes_a_kind(project: Path) -> None:
    def run(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-m", "crossdl", *arguments, "--registry", "registry.toml"],
            cwd=project, capture_output=True, encoding="utf-8", check=True, timeout=60,
        ).stdout  # fmt: skip

    assert "power_mean" in run("list", "pooling")
    assert "8.0" in run("show", "mine")
    checked = subprocess.run(
        [sys.executable, "-m", "crossdl", "check", "registry.toml"],
        cwd=project, capture_output=True, encoding="utf-8", check=True, timeout=60,
    )  # fmt: skip
    assert "ok" in checked.stdout


def test_it_keeps_the_contract(project: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_power_mean.py"],
        cwd=project, capture_output=True, encoding="utf-8", timeout=120, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stdout
    assert re.search(r"\d+ passed", result.stdout)
