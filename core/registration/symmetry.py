"""The plane that makes a head most like its own mirror image: yaw, roll and lateral place.

The paper centres every head and makes it as left-right symmetric as possible before it registers
the atlas. A head mirrored in a plane does not change when it nods, so pitch stays as scanned.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from crossdl.registration.images import grid_of
from crossdl.types import BoolArray, Float64Array, Grid

Method = Literal["annealing", "moments"]

_LIMITS = np.array([np.deg2rad(60.0), np.deg2rad(45.0), 50.0])
"""Furthest yaw and roll (radians), and distance of the plane from the centre (mm)."""

_SCALE = np.array([0.2, 0.2, 20.0])
"""Yaw, roll (radians) and distance (mm) that change the symmetry about equally."""

_HEAD_MM = 160.0
"""What lies further below the top of the head is neck and does not count."""

_LEAST_PAIRED = 0.5
"""Part of the head whose mirror partner must be in the scan, else the score is marked down."""

_EVALUATIONS = 1500
"""Of the annealing."""

_AROUND_VOXELS = 2
_ROUGH, _FINE = 3, 2
"""The search looks at every third voxel along each axis, its end at every second."""

_STARTS = [(yaw, roll, 0.0) for yaw in (-4.0, -2.0, 0.0, 2.0, 4.0) for roll in (-1.5, 0.0, 1.5)]
"""Yaw, roll and distance by ``_SCALE``."""

_CORNERS = np.vstack([np.zeros(3), np.eye(3)])


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Pose of a head, found from its symmetry alone.

    Attributes:
        yaw: Radians about superior; positive: the face is turned to the patient's left.
        roll: Radians about posterior; positive: the top leans to the patient's left.
        centre: Of the head, on the plane of symmetry, LPS mm.
        score: Correlation of the head with its mirror image, -1 to 1.
        evaluations: How often the head was compared with its mirror image.
        seconds: The search took.
        method: That found it.
    """

    yaw: float
    roll: float
    centre: Float64Array
    score: float
    evaluations: int
    seconds: float
    method: Method

    @property
    def matrix(self) -> Float64Array:
        """``(4, 4)`` rigid: LPS mm of the scan → LPS mm of the upright head centred at 0."""
        result = np.eye(4)
        result[:3, :3] = turned(self.yaw, self.roll).T
        result[:3, 3] = -result[:3, :3] @ self.centre
        return result


def symmetrise(
    image: Any, head: Any, pad: float, *, method: Method = "annealing", seed: int = 0
) -> Symmetry:
    """Finds the plane of symmetry of a head.

    Voxels of the head are compared with the image at its mirror point, a reflection of three
    unknowns. Voxels whose partner lies outside the scan do not count, so fields of view may end
    inside the head.

    Args:
        image: Windowed and blurred patient, SimpleITK float image, axes along S, P, L, voxels
            of about 4 mm; below ``pad`` outside the scan's field of view.
        head: Mask of the head on the same grid; anything outside, such as a table, counts as air.
        pad: Lower end of the window, HU.
        method: ``annealing``: simulated annealing over all poses within 60 degrees of yaw, 45
            of roll and 50 mm, from straight.
            ``moments``: downhill from the best two of the head's axis of inertia and a grid of
            yaws and rolls.
        seed: Of the annealing; the same seed gives the same result, bit for bit.
    """
    from scipy.optimize import Bounds, dual_annealing, minimize

    started = time.perf_counter()
    asymmetry = _Asymmetry(image, head, pad)
    bounds = Bounds(-_LIMITS / _SCALE, _LIMITS / _SCALE)
    downhill: dict[str, Any] = {
        "method": "L-BFGS-B", "bounds": bounds, "options": {"eps": 0.02, "ftol": 1e-6},
    }  # fmt: skip
    if method == "annealing":
        rough = dual_annealing(
            asymmetry, bounds, maxfun=_EVALUATIONS, seed=seed, x0=np.zeros(3),
            minimizer_kwargs=downhill,
        )  # fmt: skip
    else:
        starts = [asymmetry.inertia().clip(bounds.lb, bounds.ub)]
        starts += [np.array(start) for start in _STARTS]
        starts.sort(key=asymmetry)
        fits = [minimize(asymmetry, start, **downhill) for start in starts[:2]]
        rough = min(fits, key=lambda fit: float(fit.fun))
    found = minimize(
        asymmetry, rough.x, args=(_FINE,), method="Nelder-Mead", bounds=bounds,
        options={"initial_simplex": rough.x + 0.1 * _CORNERS, "xatol": 0.01, "fatol": 1e-5},
    )  # fmt: skip
    yaw, roll, distance = found.x * _SCALE
    return Symmetry(
        yaw=float(yaw),
        roll=float(roll),
        centre=asymmetry.pivot + distance * turned(yaw, roll)[:, 0],
        score=1.0 - float(found.fun),
        evaluations=asymmetry.evaluations,
        seconds=time.perf_counter() - started,
        method=method,
    )


def turned(yaw: float, roll: float) -> Float64Array:
    """``(3, 3)``: axes of a turned head in the scan; columns are its left, posterior, superior."""
    from scipy.spatial.transform import Rotation

    return np.asarray(Rotation.from_euler("yz", [roll, yaw]).as_matrix(), dtype=np.float64)


class _Asymmetry:
    """1 - correlation of a head with its mirror image, by yaw, roll and distance of the plane."""

    def __init__(self, image: Any, head: Any, pad: float) -> None:
        import SimpleITK as sitk
        from scipy.ndimage import binary_dilation

        inside = sitk.GetArrayFromImage(head) > 0
        values = sitk.GetArrayFromImage(image).astype(np.float64)
        near = binary_dilation(inside, iterations=_AROUND_VOXELS)
        seen = values >= pad
        self._values = np.where(near, values, pad)
        self._values[~seen] = np.nan
        grid = grid_of(head)
        heights = grid.affine[2, 3] + grid.affine[2, 2] * np.arange(len(inside))[:, None, None]
        world = grid.index_to_world(np.argwhere(inside))
        lowest = world[:, 2].max() - _HEAD_MM
        self._head = world[world[:, 2] > lowest]
        self.pivot: Float64Array = self._head.mean(axis=0)
        self._samples = {
            stride: self._every(near & seen & (heights > lowest), grid, stride)
            for stride in (_ROUGH, _FINE)
        }
        self._spacing = np.array(grid.spacing)
        self.evaluations = 0

    def __call__(self, values: Float64Array, stride: int = _ROUGH) -> float:
        from scipy.ndimage import map_coordinates

        self.evaluations += 1
        yaw, roll, distance = values * _SCALE
        normal = turned(yaw, roll)[:, 0]
        index, offsets, own = self._samples[stride]
        steps = 2 * (offsets @ normal - distance)
        index = index - (normal[::-1] / self._spacing)[:, None] * steps
        partners = map_coordinates(self._values, index, order=1, cval=np.nan)
        paired = np.isfinite(partners)
        share = float(paired.mean())
        a, b = own[paired], partners[paired]
        if share == 0 or a.std() == 0 or b.std() == 0:
            return 1.0
        return 1.0 - float(np.corrcoef(a, b)[0, 1]) * min(1.0, share / _LEAST_PAIRED)

    def _every(self, mask: BoolArray, grid: Grid, stride: int) -> tuple[Float64Array, ...]:
        """Indices ``(3, n)``, offsets from the pivot ``(n, 3)`` in mm and values ``(n,)``."""
        index = np.argwhere(mask[::stride, ::stride, ::stride]) * stride
        offsets = grid.index_to_world(index) - self.pivot
        return index.T.astype(np.float64), offsets, self._values[tuple(index.T)]

    def inertia(self) -> Float64Array:
        """The head's axis of inertia that is nearest to left, as unknowns of the search."""
        offsets = self._head - self.pivot
        axes = np.linalg.eigh(offsets.T @ offsets)[1]
        left = axes[:, np.abs(axes[0]).argmax()]
        left = left * np.sign(left[0])
        yaw, roll = np.arctan2(left[1], left[0]), np.arcsin(-left[2].clip(-1, 1))
        return np.asarray(np.array([yaw, roll, 0.0]) / _SCALE, dtype=np.float64)
