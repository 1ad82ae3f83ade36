"""First alignment, label carrying and quality measures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from crossdl.anatomy import load_anatomy
from crossdl.atlas import Atlas
from crossdl.registration.finish import (
    carry_labels,
    coverage,
    measure,
    reaches_border,
    region_shares,
    region_volumes,
    side_ratios,
    soft_tissue_fraction,
)
from crossdl.registration.prepare import Prepared, make_template, prepare
from crossdl.testing.heads import synthetic_head
from crossdl.types import Grid, LabelArray, RegionMap, Volume

ANATOMY = load_anatomy("head_ct")
WINDOW = (-50.0, 150.0)
BRAIN = (ANATOMY.window.low, ANATOMY.window.high)


def atlas() -> Atlas:
    """The synthetic head with one label per octant of its brain."""
    head = synthetic_head((64, 96, 96))
    index = np.stack(np.meshgrid(*map(np.arange, head.grid.shape), indexing="ij"), axis=-1)
    world = head.grid.index_to_world(index)
    octants = ((world > 0) * [1, 2, 4]).sum(axis=-1) + 1
    brain = (np.abs(head.array - 30) < 60) & (np.abs(world / [64, 82, 62]) < 1).all(axis=-1)
    labels = np.where(brain, octants, 0).astype(np.uint8)
    return Atlas(head, RegionMap(labels, head.grid), "octants")


def moved(source: Atlas, angles: tuple[float, float, float], scale: float) -> tuple[Volume, Grid]:
    """The atlas's head as a turned, scaled patient: same voxels, another grid."""
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine[:3, :3] = turn * scale
    affine[:3, 3] = [60.0, -30.0, 900.0]
    grid = Grid(source.template.grid.shape, affine @ source.template.grid.affine)
    return Volume(source.template.array, grid, "patient"), grid


def prepared(volume: Volume, source: Atlas) -> Prepared:
    template = make_template(source, window=WINDOW, tissue_threshold=ANATOMY.tissue_threshold)
    return prepare(volume, template, working_shape=(48, 64, 64))


def still(ready: Prepared) -> np.ndarray:
    return np.zeros((*ready.working_grid.shape, 3), dtype=np.float32)


def overlap(a: LabelArray, b: LabelArray) -> float:
    return float(2 * ((a == b) & (a > 0)).sum() / ((a > 0).sum() + (b > 0).sum()))


@pytest.mark.parametrize(
    ("angles", "scale"), [((0, 0, 0), 1.0), ((18, 0, 6), 0.9), ((-20, 8, -8), 1.12)]
)
def test_first_alignment_finds_tilt_place_and_size(
    angles: tuple[float, float, float], scale: float
) -> None:
    source = atlas()
    volume, _ = moved(source, angles, scale)
    ready = prepared(volume, source)
    labels = carry_labels(ready, still(ready), volume)
    assert overlap(labels, source.regions.labels) > 0.9
    values = measure(ready, still(ready), BRAIN)
    assert values["similarity"] > 0.9
    assert values["alignment_similarity"] == values["brain_similarity"]
    assert values["brain_similarity"] > 0.9
    assert values["head_dice"] > 0.95
    assert values["folded_fraction"] == 0.0
    assert values["displacement_mm"] == 0.0


def test_field_of_view_that_ends_inside_the_head() -> None:
    source = atlas()
    volume, grid = moved(source, (10, 0, 0), 1.0)
    part = slice(20, 58)
    affine = grid.affine.copy()
    affine[:3, 3] = grid.index_to_world([part.start, 0, 0])
    cut_grid = Grid((38, 96, 96), affine)
    cut = Volume(volume.array[part], cut_grid, "cut")
    ready = prepared(cut, source)
    labels = carry_labels(ready, still(ready), cut)
    assert overlap(labels, source.regions.labels[part]) > 0.8
    whole = prepared(volume, source)
    assert coverage(whole, volume.grid) == 1.0
    assert coverage(whole, cut_grid) == pytest.approx(
        (source.regions.labels[part] > 0).sum() / (source.regions.labels > 0).sum(), abs=0.05
    )
    assert reaches_border(labels) and not reaches_border(source.regions.labels)


def test_displacement_moves_the_labels() -> None:
    source = atlas()
    ready = prepared(source.template, source)
    shift = still(ready)
    shift[..., 2] = 10.0  # a point of the patient shows what lies 10 mm above it in the template
    before = carry_labels(ready, still(ready), source.template)
    after = carry_labels(ready, shift, source.template)
    d = [np.argwhere(labels == 5)[:, 0].mean() for labels in (before, after)]
    spacing = source.template.grid.spacing[0]
    assert (d[0] - d[1]) * spacing == pytest.approx(10.0, abs=0.5)
    assert measure(ready, shift, BRAIN)["displacement_mm"] == pytest.approx(10.0)


def test_folding_is_measured() -> None:
    source = atlas()
    ready = prepared(source.template, source)
    field = still(ready)
    x = ready.working_grid.index_to_world(np.argwhere(field[..., 0] == 0)).reshape(field.shape)
    field[..., 0] = -2.0 * x[..., 0]  # a mirror: determinant -1 everywhere
    assert measure(ready, field, BRAIN)["folded_fraction"] == 1.0


def test_volumes_and_ratios() -> None:
    grid = Grid((10, 10, 10), np.diag([1.0, 2.0, 5.0, 1.0]))
    labels = np.zeros(grid.shape, np.uint8)
    labels[:4] = 1
    labels[4:5] = 2
    volumes = region_volumes(labels, grid, ANATOMY)
    first, second = ANATOMY.region_names[:2]
    assert list(volumes) == list(ANATOMY.region_names)
    assert (volumes[first], volumes[second]) == pytest.approx((4.0, 1.0))
    ratios = side_ratios(volumes, ANATOMY)
    paired = {r.part for r in ANATOMY.regions if r.mirror != r.name}
    assert set(ratios) == paired
    assert ratios[ANATOMY.regions[0].part] == pytest.approx(4.0)
    assert ratios[ANATOMY.regions[2].part] is None


def test_shares_are_of_all_regions() -> None:
    labels = np.array([[[0, 1, 1, 2]]], np.uint8)
    shares = region_shares(labels, ANATOMY)
    assert list(shares) == list(ANATOMY.region_names)
    assert list(shares.values())[:3] == pytest.approx([2 / 3, 1 / 3, 0.0])


def test_soft_tissue_is_counted_inside_the_regions() -> None:
    grid = Grid((1, 1, 4), np.eye(4))
    volume = Volume(np.array([[[30.0, 900.0, 60.0, 40.0]]], np.float32), grid)
    labels = np.array([[[0, 1, 1, 2]]], np.uint8)
    assert soft_tissue_fraction(labels, volume) == pytest.approx(2 / 3)
    assert soft_tissue_fraction(labels * 0, volume) == 0.0
