from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crossdl.types import AbnormalityMatrix, Grid, Quality, Volume

numbers = st.floats(-50, 50)
sizes = st.tuples(*[st.integers(1, 40)] * 3)


@st.composite
def grids(draw: Any) -> Grid:
    linear, _ = np.linalg.qr(
        draw(arrays(np.float64, (3, 3), elements=st.floats(-1, 1))) + np.eye(3)
    )
    spacing = [draw(st.floats(0.2, 10)) for _ in range(3)]
    affine = np.eye(4)
    affine[:3, :3] = linear * spacing
    affine[:3, 3] = draw(arrays(np.float64, 3, elements=st.floats(-500, 500)))
    return Grid(draw(sizes), affine)


@given(grid=grids(), index=arrays(np.float64, (5, 3), elements=numbers))
def test_world_and_index_are_inverse(grid: Grid, index: np.ndarray) -> None:
    there = grid.index_to_world(index)
    np.testing.assert_allclose(grid.world_to_index(there), index, atol=1e-6)


@given(grid=grids(), factor=st.tuples(*[st.sampled_from([1, 2, 4])] * 3))
def test_strided_voxels_are_blocks(grid: Grid, factor: tuple[int, int, int]) -> None:
    shape = tuple(n * f for n, f in zip(grid.shape, factor, strict=True))
    fine = Grid(shape, grid.affine)  # type: ignore[arg-type]
    coarse = fine.strided(factor)
    assert coarse.shape == grid.shape
    corners = np.array([np.zeros(3), np.array(factor) - 1])
    block = fine.index_to_world(corners).mean(axis=0)
    np.testing.assert_allclose(coarse.index_to_world([0, 0, 0]), block, atol=1e-6)
    np.testing.assert_allclose(coarse.spacing, np.array(fine.spacing) * factor, rtol=1e-9)


def test_axes_and_units() -> None:
    affine = np.diag([0.5, 0.75, 5.0, 1.0])
    affine[:3, 3] = [10, 20, 30]
    grid = Grid((4, 3, 2), affine)
    assert grid.spacing == (5.0, 0.75, 0.5)
    np.testing.assert_allclose(grid.index_to_world([1, 2, 3]), [11.5, 21.5, 35.0])


@pytest.mark.parametrize(
    "affine", [np.zeros((4, 4)), np.full((4, 4), np.nan), np.eye(3), np.diag([1, 1, 0, 1])]
)
def test_bad_affines(affine: np.ndarray) -> None:
    with pytest.raises(ValueError, match="affine"):
        Grid((1, 1, 1), affine)


def test_a_grid_keeps_its_own_affine() -> None:
    affine = np.eye(4)
    grid = Grid((1, 1, 1), affine)
    affine[0, 0] = 7
    assert grid.affine[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 2
    assert grid.same_as(Grid((1, 1, 1), np.eye(4)))
    assert not grid.same_as(Grid((1, 1, 2), np.eye(4)))
    assert not grid.same_as(Grid((1, 1, 1), np.diag([1.1, 1, 1, 1])))


def test_array_and_grid_must_agree() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        Volume(np.zeros((1, 2, 3), np.float32), Grid((3, 2, 1), np.eye(4)))


def test_matrix_rows() -> None:
    values = np.zeros((5, 2), np.float32)
    values[3, 1] = 1  # other
    matrix = AbnormalityMatrix(values)
    assert matrix.bags.shape == (3, 2) and not matrix.bags.any()
    np.testing.assert_array_equal(matrix.scan, [0, 1])
    assert matrix.scan.dtype == np.float32
    assert not matrix.unclear
    values[4, 0] = 0.5
    assert AbnormalityMatrix(values).unclear
    values[4, 0] = 0.2
    assert not AbnormalityMatrix(values).unclear


def test_quality_is_json() -> None:
    made = Quality({"metric": -0.9}, ("doubt",)).as_dict()
    assert json.loads(json.dumps(made)) == {"ok": False, "flags": ["doubt"], "metric": -0.9}
    assert Quality().as_dict()["ok"] is True
