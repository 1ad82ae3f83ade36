from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.atlas import Atlas
from crossdl.errors import ConfigError
from crossdl.io.volumes import read_labels
from crossdl.plugins.atlases.mni_head import MNIHead, MNIHeadConfig
from crossdl.types import BoolArray, LabelArray

GROUPS = {  # part -> numbers in the reference, by side
    "frontal_lobe": ((8, 9, 10), (22, 23, 24)),
    "temporal_lobe": ((15, 11), (29, 25)),
    "parietal_lobe": ((14,), (28,)),
    "occipital_lobe": ((13,), (27,)),
    "cerebellum": ((7,), (21,)),
}


@pytest.fixture(scope="module")
def anatomy() -> Anatomy:
    return load_anatomy("head_ct")


@pytest.fixture(scope="module")
def atlas(anatomy: Anatomy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Atlas]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROSSDL_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield MNIHead(MNIHeadConfig(), anatomy).load()


def volume_ml(mask: BoolArray, atlas: Atlas) -> float:
    return float(mask.sum() * np.prod(atlas.template.grid.spacing) / 1000)


def part_mask(atlas: Atlas, anatomy: Anatomy, part: str) -> BoolArray:
    numbers = [i for i, r in enumerate(anatomy.regions, start=1) if r.part == part]
    return np.isin(atlas.regions.labels, numbers)


@pytest.mark.parametrize(
    ("part", "least", "most"),
    [  # both sides together, ml; ranges of adult brains, fluid up to the plate included
        ("frontal_lobe", 450, 680),
        ("temporal_lobe", 280, 430),
        ("parietal_lobe", 230, 400),
        ("occipital_lobe", 150, 270),
        ("centrum_ovale", 60, 130),
        ("basal_ganglia", 30, 75),
        ("lateral_ventricle", 12, 45),
        ("cerebellum", 180, 280),
        ("brain_stem", 20, 50),
    ],
)
def test_parts_have_the_size_of_an_adults(
    atlas: Atlas, anatomy: Anatomy, part: str, least: float, most: float
) -> None:
    assert least < volume_ml(part_mask(atlas, anatomy, part), atlas) < most


def test_every_region_is_mostly_one_piece(atlas: Atlas, anatomy: Anatomy) -> None:
    from scipy import ndimage

    for number, region in enumerate(anatomy.regions, start=1):
        pieces, _ = ndimage.label(atlas.regions.labels == number, np.ones((3, 3, 3)))
        sizes = np.bincount(pieces.ravel())[1:]
        assert sizes.max() > 0.85 * sizes.sum(), region.name


def test_sides_mirror_each_other(atlas: Atlas, anatomy: Anatomy) -> None:
    labels = atlas.regions.labels
    partner = np.concatenate([[0], anatomy.mirror_index[:-2] + 1])
    assert np.array_equal(labels[:, :, ::-1], partner[labels])


def test_left_is_where_lps_is_positive(atlas: Atlas, anatomy: Anatomy) -> None:
    for number, region in enumerate(anatomy.regions, start=1):
        index = np.argwhere(atlas.regions.labels == number)
        x = atlas.template.grid.index_to_world(index)[:, 0]
        if region.side is None:
            assert abs(x.mean()) < 1e-6
        else:
            assert (x > 0).all() if region.side == "left" else (x < 0).all()


def test_places_along_the_body(atlas: Atlas, anatomy: Anatomy) -> None:
    def centre(part: str) -> np.ndarray:
        index = np.argwhere(part_mask(atlas, anatomy, part))
        return atlas.template.grid.index_to_world(index).mean(axis=0)

    _, p, s = range(3)
    assert centre("frontal_lobe")[p] < centre("parietal_lobe")[p] < centre("occipital_lobe")[p]
    assert centre("cerebellum")[s] < centre("lateral_ventricle")[s] < centre("centrum_ovale")[s]
    assert centre("brain_stem")[p] < centre("cerebellum")[p]


@pytest.mark.parametrize(
    ("place", "part"),
    [  # MNI mm (right, forward, up) on the left side
        ((-38, -20, 58), "frontal_lobe"),  # hand area of the precentral gyrus
        ((-48, -30, 55), "parietal_lobe"),  # postcentral gyrus
        ((-5, -24, 64), "frontal_lobe"),  # paracentral lobule
        ((-6, -2, 40), "frontal_lobe"),  # cingulate gyrus
        ((-6, -40, 36), "parietal_lobe"),
        ((-8, -60, 42), "parietal_lobe"),  # precuneus
        ((-8, -86, 26), "occipital_lobe"),  # cuneus
        ((-30, -76, -12), "occipital_lobe"),  # fusiform gyrus
        ((-36, -44, -20), "temporal_lobe"),
        ((-46, -62, 36), "parietal_lobe"),  # angular gyrus
        ((-56, -46, 24), "parietal_lobe"),  # supramarginal gyrus
        ((-58, -20, 2), "temporal_lobe"),
        ((-26, 4, 0), "basal_ganglia"),  # putamen
        ((-5, 4, 14), "lateral_ventricle"),
    ],
)
def test_landmarks_lie_in_their_part(
    atlas: Atlas, anatomy: Anatomy, place: tuple[float, float, float], part: str
) -> None:
    x, y, z = place
    d, h, w = np.rint(atlas.template.grid.world_to_index([-x, -y, z])).astype(int)
    assert anatomy.regions[int(atlas.regions.labels[d, h, w]) - 1].name == f"left_{part}"


def test_densities_are_those_of_a_head(atlas: Atlas, anatomy: Anatomy) -> None:
    hu = atlas.template.array
    assert hu.dtype == np.float32 and hu.min() == -1000
    assert 27 < np.median(hu[part_mask(atlas, anatomy, "frontal_lobe")]) < 39
    assert 27 < np.median(hu[part_mask(atlas, anatomy, "brain_stem")]) < 39
    assert 3 < np.median(hu[part_mask(atlas, anatomy, "lateral_ventricle")]) < 16
    # only the voxels that the inner plate cuts hold bone
    assert (hu[atlas.regions.labels > 0] > 60).mean() < 0.03
    grid = atlas.template.grid
    vault = hu[grid.world_to_index([0, 0, 40])[0].astype(int)]  # a slice above the ventricles
    assert 4 < volume_ml(vault > 300, atlas) < 12


def test_every_side_of_the_brain_is_walled_by_bone(atlas: Atlas) -> None:
    hu, labels = atlas.template.array, atlas.regions.labels
    d = int(atlas.template.grid.world_to_index([0.0, 0.0, 30.0])[0])
    for line in (hu[d, 60], hu[d, :, 40], hu[d, :, 60]):
        inside = np.flatnonzero((line > 0) & (line < 60))
        bone = np.flatnonzero(line > 300)
        brain = inside[(inside > bone.min()) & (inside < bone.max())]
        assert len(brain) > 20 and bone.min() < brain.min() and bone.max() > brain.max()
    assert (labels[d] > 0).any()


def test_lobes_reach_the_plate(atlas: Atlas, anatomy: Anatomy) -> None:
    """Above the ventricles no voxel between brain and bone is without a region."""
    hu, labels = atlas.template.array, atlas.regions.labels
    d = int(atlas.template.grid.world_to_index([0.0, 0.0, 50.0])[0])
    from scipy import ndimage

    cavity = ndimage.binary_fill_holes(hu[d] > 300) & (hu[d] < 300)
    assert cavity.sum() > 1000
    assert (labels[d][cavity] > 0).mean() > 0.97


def test_second_load_is_the_same(atlas: Atlas, anatomy: Anatomy) -> None:
    again = MNIHead(MNIHeadConfig(), anatomy).load()
    assert again.fingerprint == atlas.fingerprint
    assert np.array_equal(again.template.array, atlas.template.array)
    assert {"packages", "sources"} <= set(atlas.provenance)


def test_another_spacing_is_another_atlas(atlas: Atlas, anatomy: Anatomy) -> None:
    coarse = MNIHead(MNIHeadConfig(spacing_mm=4.0), anatomy).load()
    assert coarse.fingerprint != atlas.fingerprint
    assert coarse.template.grid.spacing == (4.0, 4.0, 4.0)
    assert set(np.unique(coarse.regions.labels)) == set(range(anatomy.n_regions + 1))


def test_anatomy_without_a_part_is_refused(anatomy: Anatomy) -> None:
    fewer = anatomy.model_copy(
        update={"regions": tuple(r for r in anatomy.regions if r.part != "cerebellum")}
    )
    with pytest.raises(ConfigError, match="has no cerebellum"):
        MNIHead(MNIHeadConfig(), fewer).load()


def test_agrees_with_independent_regions(atlas: Atlas, anatomy: Anatomy, data_dir: Path) -> None:
    """BLAST-CT's regions, drawn by others; they are pitched by some degrees against the maps."""

    def on_grid(name: str) -> LabelArray:
        numbers, grid = read_labels(data_dir / "atlas" / name)
        shape = atlas.template.grid.shape
        index = np.moveaxis(np.indices(shape), 0, -1)
        where = np.rint(grid.world_to_index(atlas.template.grid.index_to_world(index)))
        ok = ((where >= 0) & (where < grid.shape)).all(axis=-1)
        whole = np.where(ok[..., None], where, 0).astype(int)
        return np.where(ok, numbers[whole[..., 0], whole[..., 1], whole[..., 2]], 0)

    mask = on_grid("blast_ct_mask.nii.gz") > 0
    reference = on_grid("blast_ct_regions.nii.gz")
    names = anatomy.region_names
    dice = []
    for part, sides in GROUPS.items():
        for side, numbers in zip(("left", "right"), sides, strict=True):
            theirs = np.isin(reference, numbers) & mask
            ours = (atlas.regions.labels == names.index(f"{side}_{part}") + 1) & mask
            dice.append(2 * (theirs & ours).sum() / (theirs.sum() + ours.sum()))
    assert np.mean(dice) > 0.80
    assert min(dice) > 0.72
