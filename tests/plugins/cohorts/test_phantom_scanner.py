from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdl.plugins.atlases._mni_vault import vault_hu
from crossdl.plugins.cohorts._phantom_scanner import HOLDERS, Exposure, scanned
from crossdl.plugins.cohorts._phantom_tissue import smooth_field
from crossdl.types import FloatArray, Grid

QUIET = Exposure(
    noise_hu=0.0,
    blur_mm=0.0,
    edge=0.0,
    grain_mm=0.8,
    veil=0.0,
    hardening=0.0,
    streaks=0.0,
    holder=None,
    shape="cup",
    tubes=0,
)
USUAL = {"compact": 1250.0, "diploe": 650.0, "fat": -85.0, "muscle": 55.0, "skin": 25.0}


def exposure(**changes: float | str | None) -> Exposure:
    return Exposure(**{**QUIET.__dict__, **changes})


@pytest.fixture(scope="module")
def grid() -> Grid:
    affine = np.diag([2.4, 2.4, 5.0, 1.0])
    return Grid((3, 96, 96), affine)


@pytest.fixture(scope="module")
def dish() -> FloatArray:
    """A ring of bone around brain of 35 HU, in air; two dense stones in the last slice."""
    y, x = np.mgrid[:96, :96] - 47.5
    radius = np.hypot(x, y)
    image = np.full((3, 96, 96), -1000.0, dtype=np.float32)
    image[:, radius < 33] = 1000.0
    image[:, radius < 30] = 35.0
    for side in (-1, 1):
        image[2][np.hypot(x - 15 * side, y) < 6] = 1800.0
    return image


def test_a_perfect_scanner_changes_nothing(dish: FloatArray, grid: Grid) -> None:
    got = scanned(dish, None, grid, QUIET, np.random.default_rng(0))
    np.testing.assert_allclose(got, dish, atol=1e-3)


def test_noise_has_the_wanted_size_and_no_mean(dish: FloatArray, grid: Grid) -> None:
    got = scanned(dish, None, grid, exposure(noise_hu=4.0), np.random.default_rng(0)) - dish
    middle = got[1, 35:60, 35:60]
    assert 3.0 < middle.std() < 6.0
    assert abs(middle.mean()) < 0.8


def test_hardening_darkens_the_band_between_dense_stones(dish: FloatArray, grid: Grid) -> None:
    got = scanned(dish, None, grid, exposure(hardening=1.0), np.random.default_rng(0))
    between, beside = got[2, 45:51, 44:52].mean(), got[2, 22:28, 44:52].mean()
    assert between < beside - 3.0
    rim, centre = got[0, 45:51, 20:22].mean(), got[0, 45:51, 45:51].mean()
    assert rim != pytest.approx(centre, abs=0.05)


def test_a_veil_brightens_what_lies_under_the_bone(dish: FloatArray, grid: Grid) -> None:
    got = scanned(dish, None, grid, exposure(veil=0.1), np.random.default_rng(0)) - dish
    under, deeper, centre = (got[0, 47, 18 + mm].mean() for mm in (1, 3, 29))
    assert 10.0 < under < 60.0
    assert 0.5 < deeper < under / 3
    assert centre == pytest.approx(0.0, abs=0.01)


def test_metal_streaks(dish: FloatArray, grid: Grid) -> None:
    metal = np.zeros_like(dish)
    metal[1, 46:50, 46:50] = 1.0
    how = exposure(streaks=1.0, hardening=1.0)
    plain = scanned(dish, None, grid, how, np.random.default_rng(0))
    streaked = scanned(dish, metal, grid, how, np.random.default_rng(0))
    change = np.abs(streaked - plain)
    assert change[1].mean() > 10 * change[0].mean()


@pytest.mark.parametrize("shape", HOLDERS)
def test_the_holder_lies_in_air_only(dish: FloatArray, grid: Grid, shape: str) -> None:
    how = exposure(holder=100.0, shape=shape)
    got = scanned(dish, None, grid, how, np.random.default_rng(1))
    changed = got != dish
    assert changed.any() and not changed[dish > -1000.0].any()
    assert np.array_equal(changed[0], changed[1])
    assert changed[:, 60:].any() and not changed[:, :30].any()  # behind the head


def test_holders_differ(dish: FloatArray, grid: Grid) -> None:
    drawn = [
        scanned(dish, None, grid, exposure(holder=100.0, shape=s), np.random.default_rng(1))
        for s in HOLDERS
    ]
    assert not np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])


def test_tubes_lie_beside_the_head(dish: FloatArray, grid: Grid) -> None:
    got = scanned(dish, None, grid, exposure(tubes=6), np.random.default_rng(1))
    changed = got != dish
    assert changed.any() and not changed[dish > -1000.0].any()
    assert not changed[:, :, 36:60].any()


def test_the_same_seed_gives_the_same_scan(dish: FloatArray, grid: Grid) -> None:
    how = exposure(noise_hu=3.0, streaks=1.0, holder=50.0, blur_mm=1.0, edge=0.5)
    first, second = (scanned(dish, None, grid, how, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(first, second)


@settings(max_examples=20)
@given(st.floats(3.0, 14.0), st.floats(3.0, 9.0))
def test_vault_goes_from_bone_through_fat_to_air(skull: float, scalp: float) -> None:
    outer = np.arange(0.0, 40.0, 0.25, dtype=np.float32)
    same = np.ones_like(outer)
    drawn = vault_hu(outer, same * skull, same * scalp, -same, same * 0, USUAL, 0.5)
    assert (drawn[(outer > 0.5) & (outer < skull - 0.5)] > 500).all()
    assert (drawn[outer > skull + scalp + 0.5] == -1000).all()
    inside = (outer > skull + 0.5) & (outer < skull + scalp - 0.5)
    assert ((drawn[inside] > -100) & (drawn[inside] < 60)).all()
    assert drawn.max() <= USUAL["compact"] + 1


@pytest.mark.parametrize("knots", [5, 12, 30])
def test_smooth_noise_is_smooth_and_of_unit_size(knots: int) -> None:
    field = smooth_field((40, 50, 60), knots, np.random.default_rng(3))
    assert field.shape == (40, 50, 60)
    assert 0.5 < field.std() < 1.5
    assert np.abs(np.diff(field, axis=2)).mean() < 6.0 * knots / 60
