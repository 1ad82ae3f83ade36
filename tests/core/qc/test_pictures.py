"""Pictures of the gallery: which way up, what is outlined, how large."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from crossdl.anatomy import load_anatomy
from crossdl.display import part_colour
from crossdl.qc.assess import Assessed
from crossdl.qc.pictures import CELL, COLUMNS, HEIGHTS, MOST_BYTES, View, draw, picture, views
from crossdl.qc.sheet import sheet_figure
from crossdl.testing.heads import synthetic_head
from crossdl.types import Grid, RegionMap, Volume

ANATOMY = load_anatomy("head_ct")


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def head() -> tuple[Volume, RegionMap]:
    """A head whose right half is region 2 (a right lobe) in the patient."""
    volume = synthetic_head()
    d, h, w = np.indices(volume.grid.shape)
    world = volume.grid.index_to_world(np.stack([d, h, w], axis=-1))
    inside = volume.array > ANATOMY.tissue_threshold
    labels = np.where(inside & (world[..., 0] < world[..., 0].mean()), 2, 0).astype(np.uint8)
    return volume, RegionMap(labels, volume.grid)


def flipped(volume: Volume, regions: RegionMap) -> tuple[Volume, RegionMap]:
    """The same patient stored with all axes turned round."""
    affine = volume.grid.affine.copy()
    affine[:3, 3] = volume.grid.index_to_world(np.array(volume.grid.shape) - 1)
    affine[:3, :3] *= -1
    grid = Grid(volume.grid.shape, affine)
    turn = (slice(None, None, -1),) * 3
    return Volume(volume.array[turn], grid), RegionMap(regions.labels[turn], grid)


def test_the_patients_right_is_on_the_left_however_the_scan_is_stored() -> None:
    volume, regions = head()
    for one in ((volume, regions), flipped(volume, regions)):
        shown = views(*one, ANATOMY)
        assert len(shown) == len(HEIGHTS) + 2
        for view in shown[:-1]:
            columns = np.flatnonzero(view.labels.any(axis=0))
            assert columns.size and columns.max() < view.labels.shape[1] * 0.6
    a, b = views(volume, regions, ANATOMY), views(*flipped(volume, regions), ANATOMY)
    for one, other in zip(a[-2:], b[-2:], strict=True):
        np.testing.assert_array_equal(one.ct, other.ct)


def test_outlines_have_the_colour_of_their_part_and_leave_tissue_alone() -> None:
    ct = np.full((40, 40), 35.0, np.float32)
    labels = np.zeros((40, 40), np.uint8)
    labels[10:30, 10:30] = 5
    drawn = draw(View(ct, labels, (1.0, 1.0), "R"), ANATOMY, (40, 40))
    colour = rgb(part_colour(ANATOMY, 4))
    marked = (drawn == colour).all(axis=-1)
    assert marked[10, 10:30].all() and marked[29, 10:30].all()
    assert marked[10:30, 10].all() and marked[10:30, 29].all()
    assert not marked[11:29, 11:29].any() and marked.sum() == 4 * 19
    assert (drawn[20, 20] == 127).all()


def test_millimetres_are_to_scale() -> None:
    ct = np.full((10, 100), 200.0, np.float32)
    drawn = draw(View(ct, np.zeros(ct.shape, np.uint8), (5.0, 1.0), ""), ANATOMY, (200, 200))
    lit = (drawn == 255).all(axis=-1)
    assert (lit.any(axis=1).sum(), lit.any(axis=0).sum()) == (100, 200)


def test_one_small_image_with_and_without_regions() -> None:
    volume, regions = head()
    with_regions, without = picture(volume, regions, ANATOMY), picture(volume, None, ANATOMY)
    for data in (with_regions, without):
        image = Image.open(io.BytesIO(data))
        assert image.format == "WEBP" and image.size == (COLUMNS * CELL[1], 2 * CELL[0])
        assert len(data) <= MOST_BYTES
    assert with_regions != without
    assert picture(volume, regions, ANATOMY) == with_regions


def test_noise_is_compressed_harder() -> None:
    noise = np.random.default_rng(0).normal(35, 60, (12, 200, 200)).astype(np.float32)
    volume = Volume(noise, Grid(noise.shape, np.diag([1.0, 1.0, 5.0, 1.0])))
    data = picture(volume, None, ANATOMY)
    assert len(data) < 2.5 * MOST_BYTES


def test_contact_sheet_names_every_scan() -> None:
    volume, regions = head()
    shown = views(volume, regions, ANATOMY)
    scans = [
        (Assessed("a", None, "the worker process died"), []),
        (Assessed("b $x", None, "", ("looks wrong",), {"score": 0.25}), shown),
        *((Assessed(f"c{k}", None, ""), shown) for k in range(5)),
    ]
    figure = sheet_figure(scans, ANATOMY, title="two rows")
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles[0] == "a\nthe worker process died" and titles[1] == "b $x  0.25\nlooks wrong"
    assert titles[2:7] == [f"c{k}" for k in range(5)]
    assert [len(ax.images) for ax in figure.axes[:3]] == [0, 1, 1]
    figure.canvas.draw()
