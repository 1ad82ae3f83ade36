"""First alignment of the template with a head in any position, field of view and size.

Deterministic: from the best place at each of some pitches, robust least squares on nine parameters,
first on few points, then from the best of these on all. The windowed
HU of template and patient are directly comparable, so squared differences serve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossdl.registration.images import extent, grid_of, isotropic_grid, resample
from crossdl.types import Float64Array, Grid

INITIAL_BLUR_MM = 4.0
"""Gaussian blur (standard deviation) of patient and template in the first alignment."""

_SPACING_MM = 8.0
_PITCHES = np.deg2rad([-24.0, -12.0, 0.0, 12.0, 24.0])
_HEIGHTS_MM = (-40.0, -20.0, 0.0, 20.0, 40.0)
_FEW = 4
"""The first fits take every fourth point."""

_BELOW_TOP_MM = 80.0
"""The point that turns and scales leave in place is so far below the top of the head."""


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


def align(
    fixed: Any,
    fixed_head: Any,
    moving: Any,
    moving_head: Any,
    pad: float,
    fixed_upright: Float64Array,
    moving_upright: Float64Array,
) -> Pose:
    """Finds the pose that makes the template most like the patient.

    Args:
        fixed: Windowed and blurred patient, SimpleITK float image, axes along S, P, L; below
            ``pad`` outside the scan's field of view.
        fixed_head: Mask of the patient's head, same axes.
        moving: Windowed template, blurred alike, float, axes along S, P, L.
        moving_head: Mask of the template's head, same axes.
        pad: Lower end of the window, HU.
        fixed_upright: ``(4, 4)``: LPS mm → those of a head with its mid-plane at L = 0, to start
            from; the patient's pitch need not be known.
        moving_upright: The same of the template.
    """
    import SimpleITK as sitk
    from scipy.ndimage import map_coordinates
    from scipy.optimize import least_squares
    from scipy.spatial.transform import Rotation

    template = sitk.GetArrayFromImage(moving)
    to_index = np.linalg.inv(grid_of(moving).affine)
    span = float(template.max()) - pad
    points, target = _samples(fixed, fixed_head, pad)
    homogeneous = np.vstack([points.T, np.ones(len(points))])

    fixed_back, moving_back = np.linalg.inv(fixed_upright), np.linalg.inv(moving_upright)
    low_f, high_f = extent(fixed_head, fixed_upright)
    low_m, high_m = extent(moving_head, moving_upright)
    across = np.log((high_f - low_f)[:2] / (high_m - low_m)[:2]).clip(-0.4, 0.3)
    scales = np.array([across[0], across[1], across.mean()])
    below = _BELOW_TOP_MM * np.array([1.0, np.exp(scales[2])])
    pivot = (moving_back @ [0.0, (low_m[1] + high_m[1]) / 2, high_m[2] - below[0], 1.0])[:3]
    place = (fixed_back @ [0.0, (low_f[1] + high_f[1]) / 2, high_f[2] - below[1], 1.0])[:3]
    shift = place - pivot

    def residual(values: Float64Array, every: int) -> Float64Array:
        back = np.linalg.inv(Pose(values, pivot).matrix)
        index = (to_index @ back @ homogeneous[:, ::every])[2::-1]
        sampled = map_coordinates(template, index, order=1, mode="nearest")
        return np.asarray((sampled - target[::every]) / span, dtype=np.float64)

    def jacobian(values: Float64Array, every: int) -> Float64Array:
        here = residual(values, every)
        return np.stack(
            [(residual(values + step, every) - here) / step.sum() for step in np.diag(steps)], 1
        )

    def fit(start: Float64Array, every: int, evaluations: int) -> Any:
        return least_squares(
            residual, start, jac=jacobian, args=(every,), x_scale=10 * steps, bounds=bounds,
            loss="soft_l1", f_scale=0.2, max_nfev=evaluations,
            tr_solver="lsmr", xtol=1e-4, ftol=1e-4,
        )  # fmt: skip

    def unlike(values: Float64Array) -> float:
        return float(np.abs(residual(values, _FEW)).mean())

    turns = [
        fixed_back[:3, :3] @ Rotation.from_euler("x", pitch).as_matrix() @ moving_upright[:3, :3]
        for pitch in _PITCHES
    ]
    steps = np.array([1.0] * 3 + [0.01] * 6)
    bounds = (
        np.concatenate([shift - 120.0, [-1.2] * 3, [-0.6] * 3]),
        np.concatenate([shift + 120.0, [1.2] * 3, [0.5] * 3]),
    )
    starts = []
    for turn in turns:
        angles = Rotation.from_matrix(turn).as_euler("xyz")
        column = [
            np.array([*(shift + height * fixed_back[:3, 2]), *angles, *scales]).clip(*bounds)
            for height in _HEIGHTS_MM
        ]
        starts.append(min(column, key=unlike))
    rough = min((fit(start, _FEW, 8) for start in starts), key=lambda found: float(found.cost))
    best = fit(rough.x, 1, 25)
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
