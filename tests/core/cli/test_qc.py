"""``crossdl qc``: what it writes, and mistakes that end in one sentence."""

from __future__ import annotations

import base64
import csv
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossdl.cli import app
from crossdl.cli.qc import qc
from crossdl.errors import ConfigError, InputError
from crossdl.qc.pictures import MOST_BYTES

PLUGINS = Path(__file__).parent.parent / "worker_fakes" / "plugins"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry whose cohort has a sound, a crashing and an unreadable scan."""
    monkeypatch.setenv("CROSSDL_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "registry.toml"
    path.write_text(
        f"""
plugin_paths = ['{PLUGINS}']
[compositions.fake]
extends = "crossdl"
cohort = {{ kind = "moods", names = ["a", "dies", "lost"] }}
segmenter = {{ kind = "moody", log = '{tmp_path / "log"}' }}
""",
        encoding="utf-8",
    )
    return path


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["qc", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_gallery_table_and_sheet(tmp_path: Path, registry: Path) -> None:
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    command = ("--out", out, "--composition", "fake", "--registry", registry, "--workers", 1)
    assert "3 scans, 1 flagged, 2 failed." in run(*command, "--sheet", sheet)
    with (out / "quality.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert list(table[0]) == ["scan", "final_metric.all", "flags", "failure", "verdict"]
    assert [row["final_metric.all"] for row in table] == ["-1.0", "", ""]
    page = (out / "gallery.html").read_text(encoding="utf-8")
    order = [page.index(f'data-scan="{name}"') for name in ("dies", "lost", "a")]
    assert order == sorted(order)
    assert page.count("data:image/webp") == 2 and page.count("the scan cannot be read") == 1
    assert sheet.read_bytes().startswith(b"\x89PNG")
    before = sorted((tmp_path / "cache").rglob("picture.webp"))
    run(*command)
    assert sorted((tmp_path / "cache").rglob("picture.webp")) == before and len(before) == 2
    assert (out / "gallery.html").read_text(encoding="utf-8") == page
    log = (tmp_path / "log").read_text(encoding="utf-8").split()[::2]
    assert log.count("a") == 1


def test_mistakes_are_one_sentence(tmp_path: Path, registry: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to do: give --out"):
        qc(None, registry=registry)
    with pytest.raises(ConfigError, match=r"must end in \.png"):
        qc(None, sheet=tmp_path / "sheet.jpg", registry=registry)
    verdicts = tmp_path / "verdicts.csv"
    verdicts.write_text("scan,verdict\na,drop\n", encoding="utf-8")
    with pytest.raises(InputError, match="is no cohort of `crossdl cohort build`"):
        qc(tmp_path, verdicts=verdicts, registry=registry)


@pytest.mark.slow
def test_real_scans(tmp_path: Path, data_dir: Path, shared_cache: Path) -> None:
    """An adult, a child with hands beside the head, and the series of a tilted scanner."""
    folder, out = tmp_path / "scans", tmp_path / "out"
    folder.mkdir()
    for name in ("049.nii.gz", "067.nii.gz"):
        (folder / name).symlink_to(data_dir / "ct_ich" / "ct_scans" / name)
    fast = ("--set", "segmenter.preset=fast", "--workers", 1)
    assert "2 scans, 0 flagged, 0 failed." in run(folder, "--out", out, *fast)
    page = (out / "gallery.html").read_text(encoding="utf-8")
    pictures = re.findall(r'src="data:image/webp;base64,([^"]+)"', page)
    assert len(pictures) == 2
    assert all(len(base64.b64decode(data)) <= MOST_BYTES for data in pictures)
    series = data_dir / "head_dicom" / "ge_tilted"
    assert "1 scans, 0 flagged, 0 failed." in run(series, "--out", tmp_path / "ge", *fast)
