"""A patient whose true regions are known: a warped copy of the built-in atlas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.transform import Rotation

from crossdl.anatomy import load_anatomy
from crossdl.atlas import Atlas
from crossdl.catalog import default_catalog
from crossdl.types import Grid, LabelArray, Volume

ANATOMY = load_anatomy("head_ct")


@dataclass(frozen=True)
class Patient:
    """A scan and its true regions."""

    volume: Volume
    labels: LabelArray


@pytest.fixture(scope="session")
def patient() -> Patient:
    """The atlas tilted by 12 degrees, 8 % smaller, smoothly warped, in 5 mm slices, with noise."""
    catalog = default_catalog()
    config = catalog.parse("atlas", dict(ANATOMY.atlas))
    atlas: Atlas = catalog.create("atlas", config, ANATOMY).load()
    affine = np.diag([1.6, 1.6, 5.0, 1.0])
    affine[:3, 3] = [20.0, -10.0, 400.0]
    grid = Grid((32, 128, 112), affine)
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    world = grid.index_to_world(index)
    middle = grid.index_to_world((np.array(grid.shape) - 1) / 2)
    there = (world - middle) @ Rotation.from_euler("x", 12, degrees=True).as_matrix() / 0.92
    there += [0.0, -15.0, 10.0]
    rng = np.random.default_rng(0)
    for axis in range(3):
        bump = gaussian_filter(rng.normal(size=grid.shape), [5, 14, 14])
        there[..., axis] += 5.0 * bump / np.abs(bump).max()
    source = np.moveaxis(atlas.template.grid.world_to_index(there), -1, 0)
    hu = map_coordinates(atlas.template.array, source, order=1, cval=-1000.0)
    labels = map_coordinates(atlas.regions.labels, source, order=0)
    hu = hu + rng.normal(0, 4, hu.shape)
    return Patient(Volume(hu.astype(np.float32), grid, "patient"), labels)


@pytest.fixture(scope="session")
def dice() -> Callable[[LabelArray, LabelArray], list[float]]:
    """Overlap of two label maps by region."""

    def of(found: LabelArray, true: LabelArray) -> list[float]:
        return [
            float(2 * ((found == i) & (true == i)).sum() / ((found == i).sum() + (true == i).sum()))
            for i in range(1, ANATOMY.n_regions + 1)
        ]

    return of
