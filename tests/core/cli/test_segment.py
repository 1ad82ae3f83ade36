"""``crossdl segment``: files, their contents and their order."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.cli.segment import segment, volumes_table, write_segmentation
from crossdl.errors import InputError
from crossdl.io.volumes import read_labels, read_volume, write_volume
from crossdl.testing.heads import synthetic_head
from crossdl.types import Quality, RegionMap

ANATOMY = load_anatomy("head_ct")
PLUGINS = Path(__file__).parent.parent / "worker_fakes" / "plugins"


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    """A registry whose segmenter is the fake one."""
    path = tmp_path / "registry.toml"
    path.write_text(
        f"""
plugin_paths = ['{PLUGINS}']
[compositions.fake]
cohort = {{ kind = "moods", names = ["a"] }}
discretizer = "lexicon"
segmenter = {{ kind = "moody", log = '{tmp_path / "log"}' }}
analyzer = "unet"
evaluators = [{{ kind = "scan_auroc" }}]
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    head = synthetic_head()
    path = tmp_path / "scan.nii.gz"
    write_volume(path, np.rint(head.array).astype(np.int16), head.grid)
    return path


def test_labels_come_back_on_the_scan(
    tmp_path: Path, registry: Path, scan: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, ct = tmp_path / "result" / "regions.nii.gz", tmp_path / "result" / "ct.nii.gz"
    segment(scan, out, "fake", registry, ct)
    source = read_volume(scan)
    labels, grid = read_labels(out)
    assert grid.same_as(source.grid)
    np.testing.assert_array_equal(labels, source.array > 11)
    again = read_volume(ct)
    np.testing.assert_array_equal(again.array, source.array)
    assert again.grid.same_as(source.grid)
    report = json.loads((out.parent / "quality.json").read_text(encoding="utf-8"))
    assert report["final_metric"] == {"all": -1.0}
    assert (report["ok"], report["flags"]) == (False, ["look"])
    assert report["region_label_values"] == {n: i + 1 for i, n in enumerate(ANATOMY.region_names)}
    assert report["settings"]["segmenter"]["kind"] == "moody"
    assert report["versions"]["crossdl"]
    printed = capsys.readouterr()
    assert "note: look" in printed.err
    assert ANATOMY.regions[0].title in printed.out
    assert sorted(p.name for p in out.parent.iterdir()) == [
        "ct.nii.gz", "quality.json", "regions.nii.gz"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["regions", "regions.png", "regions.nii.gz.txt"])
def test_other_endings_are_refused_before_any_work(
    tmp_path: Path, registry: Path, name: str
) -> None:
    with pytest.raises(InputError, match=r"must end in \.nii or \.nii\.gz"):
        segment(tmp_path / "absent.nii.gz", tmp_path / name, "fake", registry)


def test_an_interrupted_rewrite_leaves_no_old_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = synthetic_head()
    regions = RegionMap(np.zeros(head.grid.shape, np.uint8), head.grid, Quality({"a": 1}))
    out = tmp_path / "regions.nii.gz"
    report = write_segmentation(out, head, regions, ANATOMY, {})
    assert report == tmp_path / "quality.json"
    assert report.is_file()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("crossdl.io.volumes.write_volume", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_segmentation(out, head, regions, ANATOMY, {})
    assert not report.exists()


def test_table_has_a_row_per_region() -> None:
    head = synthetic_head()
    regions = RegionMap(np.ones(head.grid.shape, np.uint8), head.grid)
    table = volumes_table(regions, ANATOMY)
    assert table.row_count == ANATOMY.n_regions
    assert next(iter(table.columns[2].cells)) == f"{160 * 216 * 192 / 1000:.1f}"
