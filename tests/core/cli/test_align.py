"""``crossdl align``: files, their contents, and what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from crossdl.cli import main
from crossdl.cli.align import DOUBTFUL_SCORE, align
from crossdl.errors import InputError
from crossdl.io.volumes import read_volume, write_volume
from crossdl.testing.heads import synthetic_head
from crossdl.types import Grid


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A head turned by 15 degrees to the left, its top leant by 9 degrees to the right."""
    head = synthetic_head()
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("yz", [-9, 15], degrees=True).as_matrix()
    matrix[:3, 3] = [40.0, -20.0, 900.0]
    path = tmp_path / "scan.nii.gz"
    grid = Grid(head.grid.shape, matrix @ head.grid.affine)
    write_volume(path, np.rint(head.array).astype(np.int16), grid)
    return path


@pytest.mark.parametrize("method", ["annealing", "moments"])
def test_head_comes_out_upright_with_its_transform(
    tmp_path: Path, scan: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    out = tmp_path / "new" / "upright.nii.gz"
    align(scan, out, method=method)  # type: ignore[arg-type]
    assert sorted(p.name for p in out.parent.iterdir()) == ["upright.json", "upright.nii.gz"]
    report = json.loads((out.parent / "upright.json").read_text(encoding="utf-8"))
    assert report["yaw_degrees"] == pytest.approx(15, abs=2.5)
    assert report["roll_degrees"] == pytest.approx(-9, abs=2.5)
    assert report["method"] == method
    assert report["score"] > 0.9
    assert report["evaluations"] > 10
    assert report["versions"]["crossdl"]
    matrix = np.array(report["matrix"])
    np.testing.assert_allclose(matrix[:3, :3] @ matrix[:3, :3].T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose((matrix @ [*report["centre_mm"], 1.0])[:3], 0.0, atol=1e-6)
    result = read_volume(out)
    directions = result.grid.affine[:3, :3] / np.array(result.grid.spacing[::-1])
    np.testing.assert_allclose(directions, np.eye(3), atol=1e-4)
    tissue = result.grid.index_to_world(np.argwhere(result.array > -300).mean(axis=0))
    assert abs(tissue[0]) < 1.5
    printed = capsys.readouterr()
    assert f"Yaw {report['yaw_degrees']:+.1f}" in printed.out
    assert str(out) in printed.out.replace("\n", "")
    assert "note:" not in printed.err


def test_same_input_gives_the_same_bytes(tmp_path: Path, scan: Path) -> None:
    files = [tmp_path / f"{name}.nii" for name in ("a", "b")]
    for path in files:
        align(scan, path)
    assert files[0].read_bytes() == files[1].read_bytes()
    reports = [json.loads(p.with_suffix(".json").read_text(encoding="utf-8")) for p in files]
    for report in reports:
        del report["seconds"]
    assert reports[0] == reports[1]


def test_a_lopsided_head_is_pointed_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    head = synthetic_head()
    array = head.array.copy()
    array[:16, :, :40] = -1000.0
    array[:, :24, 24:] = -1000.0
    path = tmp_path / "scan.nii.gz"
    write_volume(path, np.rint(array).astype(np.int16), head.grid)
    align(path, tmp_path / "out.nii.gz")
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert report["score"] < DOUBTFUL_SCORE
    assert "note: the two sides of the head" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["upright", "upright.png", "upright.nii.gz.txt"])
def test_other_endings_are_refused_before_any_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"must end in \.nii or \.nii\.gz"):
        align(tmp_path / "absent.nii.gz", tmp_path / name)


def test_the_scan_itself_is_not_overwritten(scan: Path) -> None:
    before = scan.read_bytes()
    with pytest.raises(InputError, match="is the scan itself"):
        align(scan, scan.parent / "." / scan.name)
    assert scan.read_bytes() == before


def test_no_head_is_one_sentence_and_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    head = synthetic_head()
    array = np.full(head.grid.shape, -1000, dtype=np.int16)
    array[10:20, 20:30, 20:30] = 40
    write_volume(tmp_path / "air.nii.gz", array, head.grid)
    out = tmp_path / "out.nii.gz"
    monkeypatch.setattr(
        sys, "argv", ["crossdl", "align", str(tmp_path / "air.nii.gz"), "--out", str(out)]
    )
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "no head found" in said
    assert "Traceback" not in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["air.nii.gz"]


def test_the_gantry_tilted_scan_of_a_real_patient(data_dir: Path, tmp_path: Path) -> None:
    align(data_dir / "head_dicom/ge_tilted", tmp_path / "out.nii.gz")
    report = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert report["score"] > 0.95
    assert report["yaw_degrees"] == pytest.approx(-11.5, abs=1.0)
    again = tmp_path / "again.nii.gz"
    align(tmp_path / "out.nii.gz", again)
    second = json.loads((tmp_path / "again.json").read_text(encoding="utf-8"))
    assert abs(second["yaw_degrees"]) < 1.0
    assert abs(second["roll_degrees"]) < 1.5
