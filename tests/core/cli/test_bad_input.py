"""What ``predict`` and ``segment`` say to scans they cannot use: one sentence, nothing written."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from crossdl.cli import main

Writer = Callable[..., list[Path]]


def even(count: int) -> np.ndarray:
    return np.array([[0.0, 0.0, 5.0 * k] for k in range(count)])


def empty(folder: Path, write: Writer) -> Path:
    folder.mkdir()
    return folder


def two_series(folder: Path, write: Writer) -> Path:
    write(folder, even(5))
    write(folder, even(6), prefix="b", SeriesDescription="HEAD 5mm")
    return folder


def magnetic_resonance(folder: Path, write: Writer) -> Path:
    write(folder, even(5), Modality="MR")
    return folder


def truncated(folder: Path, write: Writer) -> Path:
    last = write(folder, even(5))[-1]
    last.write_bytes(last.read_bytes()[:-500])
    return folder


def text_named_dcm(folder: Path, write: Writer) -> Path:
    write(folder, even(5))
    (folder / "notes.dcm").write_text("follow up in two weeks\n" * 20, encoding="utf-8")
    return folder


def missing_slices(folder: Path, write: Writer) -> Path:
    write(folder, even(12))[6].unlink()
    return folder


def not_finite(folder: Path, write: Writer) -> Path:
    folder.mkdir()
    array = np.zeros((10, 20, 20), np.float32)
    array[3, 4, 5] = np.nan
    path = folder / "scan.nii.gz"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array), str(path))
    return path


def text_named_nifti(folder: Path, write: Writer) -> Path:
    folder.mkdir()
    path = folder / "scan.nii.gz"
    path.write_text("not an image", encoding="utf-8")
    return path


def missing(folder: Path, write: Writer) -> Path:
    return folder / "nowhere.nii.gz"


CASES = {
    empty: ["scan"],
    two_series: ["2 series", "one"],
    magnetic_resonance: ["MR", "CT"],
    truncated: ["04.dcm"],
    text_named_dcm: ["notes.dcm"],
    missing_slices: ["7", "--allow-missing-slices"],
    not_finite: ["scan.nii.gz", "finite"],
    text_named_nifti: ["scan.nii.gz"],
    missing: ["nowhere.nii.gz"],
}


@pytest.mark.parametrize("verb", ["predict", "segment"])
@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_one_sentence_and_nothing_written(
    make: Callable[[Path, Writer], Path],
    verb: str,
    tmp_path: Path,
    write_series: Writer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scan = make(tmp_path / "scan", write_series)
    out = tmp_path / "out"
    target = out if verb == "predict" else out / "regions.nii.gz"
    monkeypatch.setattr(sys, "argv", ["crossdl", verb, str(scan), "--out", str(target)])
    with pytest.raises(SystemExit) as end:
        main()
    message = capsys.readouterr().err
    assert end.value.code == 2, message
    lines = [line for line in message.splitlines() if line.strip()]
    assert len(lines) == 1, message
    assert lines[0].startswith("error: ")
    for word in CASES[make]:
        assert word in lines[0]
    assert not out.exists()
