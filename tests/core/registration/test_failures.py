"""Scans that cannot be registered: each ends with a reason, and the batch finishes."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.catalog import Catalog
from crossdl.errors import InputError
from crossdl.geometry import canonical
from crossdl.io.volumes import write_volume
from crossdl.registration.input_checks import check_scan
from crossdl.segmentation import segment_cohort
from crossdl.testing.heads import synthetic_head
from crossdl.types import Grid, ScanRecord, Volume

ANATOMY = load_anatomy("head_ct")
PLUGINS = Path(__file__).parents[1] / "worker_fakes" / "plugins"

REFUSED = {
    "constant": "is constant",
    "air": "nothing but air",
    "mr": "not Hounsfield units",
    "mr_shifted": "not Hounsfield units",
    "offset_lost": "not Hounsfield units",
    "one_slice": "at least 40 mm",
}
FLAGGED = (
    "quarter_turn",
    "lying_on_the_side",
    "face_down",
    "huge_tilt",
    "upside_down",
    "upper_half",
    "lower_half",
    "left_half",
    "half_blank",
    "shuffled_slices",
)
LOST = {"killed": "worker process died", "hung": "longer than 90 s"}


def spoilt(source: Path, names: tuple[str, ...]) -> Any:
    catalog = Catalog([PLUGINS])
    config = catalog.parse("cohort", {"kind": "spoilt", "source": str(source), "names": names})
    return catalog.create("cohort", config, ANATOMY)


@pytest.fixture
def head(tmp_path: Path) -> Path:
    """A drawn head as a file."""
    volume = synthetic_head()
    path = tmp_path / "head.nii.gz"
    write_volume(path, np.rint(volume.array).astype(np.int16), volume.grid)
    return path


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_head_ct_is_refused_at_once(head: Path, name: str) -> None:
    source = spoilt(head, (name,))
    volume = source.volume(source.records()[0])
    with pytest.raises(InputError, match=REFUSED[name]) as caught:
        check_scan(volume, ANATOMY)
    assert str(caught.value).startswith(f"{name}: ")


@pytest.mark.parametrize("name", ["sound", *FLAGGED])
def test_what_may_be_one_is_not(head: Path, name: str) -> None:
    source = spoilt(head, (name,))
    check_scan(source.volume(source.records()[0]), ANATOMY)


def test_values_that_are_not_finite_are_refused() -> None:
    volume = synthetic_head()
    array = volume.array.copy()
    array[0, 0, 0] = np.nan
    with pytest.raises(InputError, match="not finite"):
        check_scan(Volume(array, volume.grid), ANATOMY)


def test_another_modality_has_no_hounsfield_units() -> None:
    volume = synthetic_head()
    shifted = Volume(volume.array + 1024, volume.grid)
    check_scan(shifted, ANATOMY.model_copy(update={"modality": "MR"}))


def test_the_thinnest_axis_is_named() -> None:
    volume = synthetic_head()
    thin = Grid(volume.grid.shape, volume.grid.affine @ np.diag([0.1, 1.0, 1.0, 1.0]))
    with pytest.raises(InputError, match=r"only 19\.2 mm along one axis \(64 slices\)"):
        check_scan(Volume(volume.array, thin), ANATOMY)


@pytest.mark.slow
def test_a_batch_of_spoilt_scans_ends_with_a_reason_for_each(data_dir: Path) -> None:
    path = data_dir / "ct_ich" / "ct_scans" / "055.nii.gz"
    names = ("sound", *REFUSED, *FLAGGED, *LOST)
    catalog = Catalog([PLUGINS])
    outcome = segment_cohort(
        [ScanRecord(name, name, "train") for name in names],
        cohort=catalog.parse("cohort", {"kind": "spoilt", "source": str(path), "names": names}),
        segmenter=catalog.parse("segmenter", {"kind": "elastix", "preset": "fast"}),
        anatomy="head_ct",
        catalog=catalog,
        workers=1,
        timeout_s=90.0,
    )
    for name, reason in {**REFUSED, **LOST}.items():
        assert reason in outcome.failures[name]
    found = {name: read() for name, read in outcome.regions.items()}
    sound = found.pop("sound")
    assert sound.quality.flags == () and sound.quality.values["score"] > 0.5
    silent = {name for name, regions in found.items() if not regions.quality.flags}
    assert set(found) | set(outcome.failures) == set(names) - {"sound"}
    assert all(found[name].quality.values["score"] < 0.5 for name in set(found) - silent)
    # A head that is turned may be found out instead, and then has its own regions.
    source = spoilt(path, names)
    turns = import_module(type(source).__module__)
    scan = source.volume(source.records()[0])
    labels, grid = canonical(sound.labels, sound.grid)
    for name in silent:
        assert name in turns.TURNS, f"{name}: nothing was noticed"
        body = np.argwhere(scan.array > -200)
        true, _ = turns.turned(labels, grid, body, name, order=0, fill=0.0)
        same = (true == found[name].labels) & (true > 0)
        overlap = 2 * same.sum() / ((true > 0).sum() + (found[name].labels > 0).sum())
        assert overlap > 0.8, f"{name}: nothing was noticed"
