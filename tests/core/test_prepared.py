"""Training samples: memory-mapped, made once, from prepared copies where a cohort keeps them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.prepared import training_sample
from crossdl.preprocessing import Preprocessed, labels_on, preprocess
from crossdl.types import Grid, RegionMap, ScanRecord, Volume

SHAPE = (8, 16, 16)
RECORD = ScanRecord("s", "p", "train")


class OneScan:
    """A cohort of one scan that counts how often its voxels are read."""

    def __init__(self, volume: Volume, ready: Preprocessed | None = None, version: str = "1"):
        self._volume, self._ready, self.version = volume, ready, version
        self.reads = 0

    def volume(self, record: ScanRecord) -> Volume:
        self.reads += 1
        return self._volume

    def prepared(self, record: ScanRecord) -> Preprocessed | None:
        return self._ready

    def fingerprint(self, record: ScanRecord) -> str:
        return self.version


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSDL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return load_anatomy("head_ct")


@pytest.fixture(scope="module")
def volume() -> Volume:
    grid = Grid((12, 48, 48), np.diag([4.0, 4.0, 8.0, 1.0]))
    place = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in grid.shape], indexing="ij"))
    inside = (place**2).sum(axis=0) < 0.6
    hu = np.where(inside, 35 + 30 * place[2], -1000)
    return Volume(hu.astype(np.float32), grid)


@pytest.fixture(scope="module")
def regions(volume: Volume) -> RegionMap:
    labels = np.where(volume.array > -500, 1 + (np.arange(48) > 24), 0)
    return RegionMap(labels.astype(np.uint8), volume.grid)


def sample(cohort: OneScan, regions: RegionMap | None, anatomy: Anatomy, shape=SHAPE):
    matrix = np.zeros((anatomy.n_regions + 2, anatomy.n_types), dtype=np.float32)
    read = None if regions is None else lambda: regions
    return training_sample(cohort, RECORD, read, matrix, anatomy, shape)  # type: ignore[arg-type]


def test_a_sample_is_what_preprocessing_makes(
    volume: Volume, regions: RegionMap, anatomy: Anatomy
) -> None:
    found = sample(OneScan(volume), regions, anatomy)
    expected = preprocess(volume, anatomy, SHAPE)
    np.testing.assert_array_equal(found.image, expected.image)
    np.testing.assert_array_equal(found.regions, labels_on(regions, expected.grid))
    assert isinstance(found.image, np.memmap) and isinstance(found.regions, np.memmap)


def test_it_is_made_once_and_again_when_scan_or_regions_change(
    volume: Volume, regions: RegionMap, anatomy: Anatomy
) -> None:
    cohort = OneScan(volume)
    first, again = (sample(cohort, regions, anatomy) for _ in range(2))
    assert cohort.reads == 1
    np.testing.assert_array_equal(first.image, again.image)
    other = RegionMap(np.flip(regions.labels, axis=2).copy(), regions.grid)
    assert not np.array_equal(sample(cohort, other, anatomy).regions, first.regions)
    cohort.version = "2"
    sample(cohort, regions, anatomy)
    assert cohort.reads == 3


def test_without_registration_labels_are_empty(volume: Volume, anatomy: Anatomy) -> None:
    assert not sample(OneScan(volume), None, anatomy).regions.any()


def test_a_prepared_scan_needs_no_source(
    volume: Volume, regions: RegionMap, anatomy: Anatomy
) -> None:
    ready = preprocess(volume, anatomy, SHAPE)
    cohort = OneScan(volume, ready)
    same = sample(cohort, regions, anatomy)
    assert same.image is ready.image
    half = sample(cohort, regions, anatomy, (4, 8, 8))
    assert cohort.reads == 0
    direct = preprocess(volume, anatomy, (4, 8, 8))
    difference = half.image.astype(float) - direct.image
    assert np.abs(difference).mean() < 8  # shrunk in two steps: borders differ a little
    np.testing.assert_array_equal(half.regions, labels_on(regions, direct.grid))
