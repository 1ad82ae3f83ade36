"""Grids, masks and resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from crossdl.errors import InputError
from crossdl.registration.images import box_grid, grid_of, head_mask, isotropic_grid, to_image
from crossdl.testing.heads import stored_backwards, synthetic_head, with_values
from crossdl.types import Grid

TISSUE = -200.0


@settings(max_examples=30)
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 8.0)] * 3),
    mirrored=st.booleans(),
)
def test_any_grid_survives_simpleitk(
    angles: tuple[float, ...], spacing: tuple[float, ...], mirrored: bool
) -> None:
    affine = np.eye(4)
    turn = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine[:3, :3] = turn @ np.diag(np.array(spacing) * [-1 if mirrored else 1, 1, 1])
    affine[:3, 3] = [3.0, -40.0, 700.0]
    grid = Grid((2, 3, 4), affine)
    again = grid_of(to_image(np.zeros(grid.shape, np.uint8), grid))
    assert again.same_as(grid)
    covering = isotropic_grid(grid, 4.0)
    np.testing.assert_allclose(covering.spacing, 4.0)
    corners = grid.index_to_world(np.array([[-0.5, -0.5, -0.5], [1.5, 2.5, 3.5]]))
    index = covering.world_to_index(corners)
    assert (index >= -0.5 - 1e-6).all() and (index <= np.array(covering.shape) - 0.5 + 1e-6).all()


def test_box_grid_fills_the_box() -> None:
    grid = box_grid([0, 10, 20], [8, 22, 25], (5, 4, 2))
    assert grid.spacing == (1.0, 3.0, 4.0)
    np.testing.assert_allclose(grid.index_to_world([-0.5, -0.5, -0.5]), [0, 10, 20])
    np.testing.assert_allclose(grid.index_to_world([4.5, 3.5, 1.5]), [8, 22, 25])


def test_head_mask_leaves_out_the_table() -> None:
    head = synthetic_head()
    array = head.array.copy()
    array[:, -3:-1, :] = 200.0  # a table behind the head, thinner than 12 mm
    alone, with_table = (head_mask(v, TISSUE) for v in (head, with_values(head, array)))
    np.testing.assert_array_equal(_values(with_table), _values(alone))
    litres = _values(alone).sum() * 4.0**3 * 1e-6
    assert litres == pytest.approx(4 / 3 * np.pi * 0.78 * 0.96 * 0.74, rel=0.1)


def test_head_mask_does_not_depend_on_storage_order() -> None:
    head = synthetic_head()
    a, b = _values(head_mask(head, TISSUE)), _values(head_mask(stored_backwards(head), TISSUE))
    assert (a != b).mean() < 0.001


def test_no_head_is_an_input_error() -> None:
    head = synthetic_head()
    array = np.full_like(head.array, -1000.0)
    array[10:14, 20:30, 20:30] = 40.0
    with pytest.raises(InputError, match="no head found"):
        head_mask(with_values(head, array), TISSUE)
    with pytest.raises(InputError, match="no head found"):
        head_mask(with_values(head, np.full_like(head.array, -1000.0)), TISSUE)


def _values(image: object) -> np.ndarray:
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(image)
