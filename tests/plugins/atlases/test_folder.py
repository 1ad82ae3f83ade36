from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.errors import InputError
from crossdl.io.volumes import write_volume
from crossdl.plugins.atlases.folder import Folder, FolderConfig
from crossdl.types import Grid

GRID = Grid((20, 8, 6), np.diag([2.0, 2.0, 3.0, 1.0]))


@pytest.fixture
def anatomy() -> Anatomy:
    return load_anatomy("head_ct")


@pytest.fixture
def make(tmp_path: Path, anatomy: Anatomy) -> Callable[..., Folder]:
    """Writes an atlas whose region i has the number 100 + i and fills slice i."""

    def writer(regions: dict[str, int] | None = None, labels_grid: Grid = GRID) -> Folder:
        numbers = np.zeros(GRID.shape, dtype=np.uint8)
        for i in range(anatomy.n_regions):
            numbers[i] = 100 + i
        template = np.full(GRID.shape, -1000.0, dtype=np.float32)
        template[:, 2:6, 1:5] = 35.0
        write_volume(tmp_path / "template.nii.gz", template, GRID)
        write_volume(tmp_path / "labels.nii.gz", numbers, labels_grid)
        if regions is None:
            regions = {name: 100 + i for i, name in enumerate(anatomy.region_names)}
        lines = "\n".join(f"{name} = {number}" for name, number in regions.items())
        (tmp_path / "atlas.toml").write_text(
            f'name = "mine"\nsource = "me"\nlicence = "CC0"\n[regions]\n{lines}\n', encoding="utf-8"
        )
        return Folder(FolderConfig(path=tmp_path), anatomy)

    return writer


def test_numbers_become_the_anatomys_order(make: Callable[..., Folder], anatomy: Anatomy) -> None:
    atlas = make().load()
    assert atlas.template.grid.same_as(GRID)
    for i in range(anatomy.n_regions):
        assert (atlas.regions.labels[i] == i + 1).all()
    assert (atlas.regions.labels[anatomy.n_regions :] == 0).all()
    assert atlas.provenance["licence"] == "CC0"


def test_numbers_may_be_permuted(make: Callable[..., Folder], anatomy: Anatomy) -> None:
    names = anatomy.region_names
    plain = make().load()
    swapped = {name: 100 + i for i, name in enumerate(reversed(names))}
    other = make(swapped).load()
    assert (other.regions.labels[0] == len(names)).all()
    assert other.fingerprint != plain.fingerprint


@pytest.mark.parametrize("name", ["template.nii.gz", "labels.nii.gz", "atlas.toml"])
def test_a_missing_file_is_named(make: Callable[..., Folder], tmp_path: Path, name: str) -> None:
    atlas = make()
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=name):
        atlas.load()


def test_misspelt_region_gets_a_suggestion(make: Callable[..., Folder], anatomy: Anatomy) -> None:
    regions = {name: 100 + i for i, name in enumerate(anatomy.region_names)}
    regions["brain_stam"] = regions.pop("brain_stem")
    with pytest.raises(InputError, match=r"brain_stam.*brain_stem"):
        make(regions).load()


def test_missing_region_is_named(make: Callable[..., Folder], anatomy: Anatomy) -> None:
    regions = {name: 100 + i for i, name in enumerate(anatomy.region_names)}
    del regions["brain_stem"]
    with pytest.raises(InputError, match="brain_stem"):
        make(regions).load()


def test_region_without_voxels_is_named(make: Callable[..., Folder], anatomy: Anatomy) -> None:
    regions = {name: 100 + i for i, name in enumerate(anatomy.region_names)}
    regions["brain_stem"] = 77
    with pytest.raises(InputError, match=r"no voxel with 77.*brain_stem"):
        make(regions).load()


def test_labels_on_another_grid_are_refused(make: Callable[..., Folder]) -> None:
    moved = GRID.affine.copy()
    moved[0, 3] = 5.0
    with pytest.raises(InputError, match="is not on the grid"):
        make(labels_grid=Grid(GRID.shape, moved)).load()


def test_description_must_be_whole(make: Callable[..., Folder], tmp_path: Path) -> None:
    atlas = make()
    path = tmp_path / "atlas.toml"
    path.write_text(
        path.read_text(encoding="utf-8").replace('licence = "CC0"\n', ""), encoding="utf-8"
    )
    with pytest.raises(InputError, match="licence: is missing"):
        atlas.load()
    path.write_text("name = ", encoding="utf-8")
    with pytest.raises(InputError, match="not valid TOML"):
        atlas.load()
