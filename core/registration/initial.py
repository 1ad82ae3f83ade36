"""First alignment of the template with a head in any position, field of view and size.

Deterministic: a grid of tilts and heights, then robust least squares on nine parameters. The
windowed HU of template and patient are directly comparable, so squared differences serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossdl.registration.images import grid_of, isotropic_grid, resample
from crossdl.types import Float64Array, Grid

INITIAL_BLUR_MM = 4.0
"""Gaussian blur (standard deviation) of patient and template in the first alignment."""

_SPACING_MM = 8.0
_TILTS = np.deg2rad([-24.0, -12.0, 0.0, 12.0, 24.0])
_HEIGHTS_MM = (-40.0, -20.0, 0.0, 20.0, 40.0)


@dataclass(frozen=True, eq=False)
class Pose:
    """Where the template goes: scale along its own axes, then rotation, then translation.

    Attributes:
        values: 9 numbers: translation (mm, L P S), rotation (radians about L, P, S), logarithm of
            the scales (L, P, S).
        pivot: Point of the template, LPS mm, about which it turns and scales.
    """

    values: Float64Array
    pivot: Float64Array

    @property
    def matrix(self) -> Float64Array:
        """``(4, 4)``: template LPS mm → patient LPS mm."""
        from scipy.spatial.transform import Rotation

        result = np.eye(4)
        turn = Rotation.from_euler("xyz", self.values[3:6]).as_matrix()
        result[:3, :3] = turn * np.exp(self.values[6:9])
        result[:3, 3] = self.pivot + self.values[:3] - result[:3, :3] @ self.pivot
        return result

    def place(self, grid: Grid) -> Grid:
        """The template's grid moved to the patient; an axis-aligned grid stays orthogonal."""
        return Grid(grid.shape, self.matrix @ grid.affine)


def align(fixed: Any, fixed_head: Any, moving: Any, moving_head: Any, pad: float) -> Pose:
    """Finds the pose that makes the template most like the patient.

    Args:
        fixed: Windowed and blurred patient, SimpleITK float image, axes along S, P, L; below
            ``pad`` outside the scan's field of view.
        fixed_head: Mask of the patient's head, same axes.
        moving: Windowed template, float, axes along S, P, L.
        moving_head: Mask of the template's head, same axes.
        pad: Lower end of the window, HU.
    """
    import SimpleITK as sitk
    from scipy.ndimage import map_coordinates
    from scipy.optimize import least_squares

    smooth = sitk.SmoothingRecursiveGaussian(moving, INITIAL_BLUR_MM)
    template_grid = isotropic_grid(grid_of(moving), INITIAL_BLUR_MM)
    template = sitk.GetArrayFromImage(resample(smooth, template_grid, pad))
    span = float(template.max()) - pad
    points, target = _samples(fixed, fixed_head, pad)

    low_m, high_m = _extent(moving_head)
    low_f, high_f = _extent(fixed_head)
    pivot = np.array([(low_m[0] + high_m[0]) / 2, (low_m[1] + high_m[1]) / 2, high_m[2] - 80.0])
    across = np.log((high_f - low_f)[:2] / (high_m - low_m)[:2]).clip(-0.4, 0.3)
    scales = np.array([across[0], across[1], across.mean()])
    top = np.array([(low_f[0] + high_f[0]) / 2, (low_f[1] + high_f[1]) / 2, high_f[2]])
    shift = top - (pivot + np.array([0.0, 0.0, 80.0 * np.exp(scales[2])]))

    def residual(values: Float64Array) -> Float64Array:
        inverse = np.linalg.inv(Pose(values, pivot).matrix)
        there = points @ inverse[:3, :3].T + inverse[:3, 3]
        index = template_grid.world_to_index(there).T
        sampled = map_coordinates(template, index, order=1, mode="nearest")
        return np.asarray((sampled - target) / span, dtype=np.float64)

    def jacobian(values: Float64Array) -> Float64Array:
        here = residual(values)
        return np.stack(
            [(residual(values + step) - here) / step.sum() for step in np.diag(steps)], 1
        )

    starts = [
        np.array([shift[0], shift[1], shift[2] + height, tilt, 0.0, 0.0, *scales])
        for tilt in _TILTS
        for height in _HEIGHTS_MM
    ]
    starts.sort(key=lambda values: float(np.abs(residual(values)).mean()))
    steps = np.array([1.0] * 3 + [0.01] * 6)
    bounds = (
        np.concatenate([shift - 120.0, [-0.9] * 3, [-0.6] * 3]),
        np.concatenate([shift + 120.0, [0.9] * 3, [0.5] * 3]),
    )
    fits = [
        least_squares(
            residual, start, jac=jacobian, x_scale=10 * steps, bounds=bounds, loss="soft_l1",
            f_scale=0.2, max_nfev=25,
            tr_solver="lsmr", xtol=1e-4, ftol=1e-4,
        )
        for start in starts[:3]
    ]  # fmt: skip
    best = min(fits, key=lambda fit: float(fit.cost))
    return Pose(np.asarray(best.x, dtype=np.float64), pivot)


def _samples(fixed: Any, head: Any, pad: float) -> tuple[Float64Array, Float64Array]:
    """World positions ``(n, 3)`` and values ``(n,)`` in and around the head, inside the scan."""
    import SimpleITK as sitk
    from scipy.ndimage import binary_dilation

    grid = isotropic_grid(grid_of(head), _SPACING_MM)
    near = sitk.GetArrayFromImage(resample(head, grid, 0, nearest=True)) > 0
    near = binary_dilation(near, iterations=2)
    values = sitk.GetArrayFromImage(resample(fixed, grid, pad - 1.0))
    index = np.argwhere(near & (values >= pad))
    return grid.index_to_world(index), values[tuple(index.T)].astype(np.float64)


def _extent(mask: Any) -> tuple[Float64Array, Float64Array]:
    """Lowest and highest corner of a mask with axes along S, P, L, in LPS mm."""
    import SimpleITK as sitk

    inside = sitk.GetArrayFromImage(mask) > 0
    sides = [np.flatnonzero(inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    grid = grid_of(mask)
    return (
        grid.index_to_world([side[0] for side in sides]),
        grid.index_to_world([side[-1] for side in sides]),
    )
