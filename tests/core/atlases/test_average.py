"""The average of scans on one grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from crossdl.atlases.average import average
from crossdl.atlases.carry import UNSEEN
from crossdl.io.dicom_pixels import AIR


def saved(folder: Path, scans: list[list[int]]) -> list[Path]:
    """One slice of one row per scan."""
    files = []
    for number, row in enumerate(scans):
        files.append(folder / f"{number}.npy")
        np.save(files[-1], np.array(row, dtype=np.int16)[None, None])
    return files


def row(result: npt.NDArray[np.int16]) -> list[int]:
    return [int(value) for value in result.ravel()]


def test_one_scan_with_a_lesion_does_not_show(tmp_path: Path) -> None:
    files = saved(tmp_path, [[30, 40], [80, 40], [32, 41]])
    assert row(average(files)) == [32, 40]


def test_an_even_number_gives_the_mean_of_the_middle_two(tmp_path: Path) -> None:
    files = saved(tmp_path, [[30], [90], [34], [10]])
    assert row(average(files)) == [32]


def test_voxels_that_few_scans_show_are_air(tmp_path: Path) -> None:
    files = saved(tmp_path, [[30, 30, UNSEEN], [40, UNSEEN, UNSEEN], [50, UNSEEN, UNSEEN]])
    assert row(average(files)) == [40, int(AIR), int(AIR)]


def test_what_half_of_the_scans_show_is_their_median(tmp_path: Path) -> None:
    files = saved(tmp_path, [[30], [40], [UNSEEN], [UNSEEN]])
    assert row(average(files)) == [35]


def test_mirror_images_count_too(tmp_path: Path) -> None:
    files = saved(tmp_path, [[0, 10, 20, 30], [2, 12, 22, 32]])
    result = row(average(files, symmetric=True))
    assert result == result[::-1] == [16, 16, 16, 16]
