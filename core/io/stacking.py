"""Geometry of a stack of slices: where each lies, which are missing, and regular resampling.

Every slice stays at its ImagePositionPatient. A stack whose slices are not exactly above each
other (gantry tilt) or not evenly spaced is interpolated onto an orthogonal, regular grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from crossdl.types import Float64Array, FloatArray, Grid

EVEN_MM = 0.05
"""Slices this near to even spacing (or within 1 % of it) are taken as even."""
STRAIGHT_PIXELS = 0.1
"""In-plane offsets below this part of a pixel are taken as none."""
HOLE = 1.5
"""A gap this many times the slice thickness and the gaps around it is a hole."""


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices of one size, sorted along their normal.

    Attributes:
        origin: ``(3,)`` LPS mm, centre of the first pixel of the first slice.
        axes: ``(3, 3)`` unit vectors as rows: along an image row, along a column, the normal.
        offsets: ``(K, 3)`` mm; position of each slice relative to the first along ``axes``. The
            last column increases strictly.
        shape: Pixels ``(H, W)`` of a slice.
        pixel: Millimetres between pixel centres ``(H, W)``.
    """

    origin: Float64Array
    axes: Float64Array
    offsets: Float64Array
    shape: tuple[int, int]
    pixel: tuple[float, float]

    @cached_property
    def gaps(self) -> Float64Array:
        """``(K - 1,)`` mm between neighbouring slices along the normal."""
        return np.diff(self.offsets[:, 2])

    @property
    def tilt_degrees(self) -> float:
        """Angle between the direction of stacking and the normal of the slices."""
        along = self.offsets[-1]
        return float(np.degrees(np.arctan2(np.hypot(along[0], along[1]), along[2])))

    @cached_property
    def regular(self) -> bool:
        """Whether the slices as they are form an orthogonal, regular grid."""
        column, row = self.pixel
        drift = np.abs(self.offsets[:, :2]) / (row, column)
        return self._even and bool(drift.max() <= STRAIGHT_PIXELS)

    @cached_property
    def _even(self) -> bool:
        """Whether the slices are equally far apart."""
        depth = self.offsets[:, 2]
        step = depth[-1] / (len(depth) - 1)
        uneven = np.abs(depth - step * np.arange(len(depth)))
        return bool(uneven.max() <= max(EVEN_MM, 0.01 * step))

    @cached_property
    def step(self) -> float:
        """Millimetres between slices of :attr:`grid` along the normal.

        The mean where slices are even. Otherwise half the lower quartile of the gaps (those below
        half the median left out): the finer part of a stack keeps its slices, and the coarser
        part, whose slices lie off the grid, is not blurred by being interpolated too sparsely.
        """
        depth = self.offsets[:, 2]
        if self._even:
            return float(depth[-1]) / (len(depth) - 1)
        usual = self.gaps[self.gaps >= 0.5 * np.median(self.gaps)]
        quartile = np.quantile(usual, 0.25, method="lower")
        return float(usual[np.abs(usual - quartile) <= 0.01 * quartile].mean()) / 2

    @cached_property
    def corner(self) -> tuple[int, int]:
        """Pixels ``(h, w)``, none positive, from the first slice's corner to the grid's."""
        pixels = np.floor(self._in_pixels().min(axis=0)).astype(int)
        return int(pixels[0]), int(pixels[1])

    @cached_property
    def grid(self) -> Grid:
        """The orthogonal, regular grid that covers every pixel of every slice."""
        top, left = (0, 0) if self.regular else self.corner
        height, width = self.shape
        depth = len(self.offsets)
        if not self.regular:
            bottom, right = np.ceil(self._in_pixels().max(axis=0)).astype(int)
            height, width = height + int(bottom) - top, width + int(right) - left
            depth = int(np.ceil((self.offsets[-1, 2] - EVEN_MM) / self.step)) + 1
        column, row = self.pixel
        affine = np.eye(4)
        affine[:3, :3] = self.axes.T * (row, column, self.step)
        affine[:3, 3] = self.origin + affine[:3, :3] @ (left, top, 0.0)
        return Grid((depth, height, width), affine)

    def resample(self, slices: Sequence[FloatArray] | FloatArray, fill: float) -> FloatArray:
        """Interpolates the slices onto :attr:`grid`.

        Between two slices linearly, each first shifted in plane (bilinearly) to its true place.
        The last grid slice may lie less than a step beyond the last slice, whose values it takes.

        Args:
            slices: K images ``(H, W)`` in the order of :attr:`offsets`.
            fill: Value outside the imaged field.

        Returns:
            ``(D, H', W')`` float32.
        """
        if self.regular:
            return np.asarray(slices, dtype=np.float32)
        grid = self.grid
        shifts = self._in_pixels() - self.corner
        planes = self.offsets[:, 2]
        ready: dict[int, FloatArray] = {}
        out = np.empty(grid.shape, dtype=np.float32)
        for d in range(grid.shape[0]):
            depth = d * self.step
            below = int(np.clip(np.searchsorted(planes, depth, "right") - 1, 0, len(planes) - 2))
            part = float(np.clip((depth - planes[below]) / self.gaps[below], 0.0, 1.0))
            ready = {
                k: ready[k] if k in ready else _placed(slices[k], shifts[k], grid.shape[1:], fill)
                for k in (below, below + 1)
            }
            if part in (0.0, 1.0):
                out[d] = ready[below + int(part)]
                continue
            np.subtract(ready[below + 1], ready[below], out=out[d])
            out[d] *= np.float32(part)
            out[d] += ready[below]
        return out

    def _in_pixels(self) -> Float64Array:
        """In-plane offsets ``(K, 2)`` in pixels ``(h, w)``; rounding noise is removed."""
        return np.round(self.offsets[:, 1::-1] / self.pixel, 6)


def _placed(
    image: FloatArray, shift: Float64Array, shape: tuple[int, ...], fill: float
) -> FloatArray:
    """An image shifted by non-negative, fractional pixels ``(h, w)`` into a larger one."""
    whole = np.floor(shift).astype(int)
    down, right = (shift - whole).astype(np.float32)
    moved = np.pad(image, 1, constant_values=np.float32(fill))
    for part in (down, right):  # along the first axis, then turned
        near, moved = moved[:-1], moved[1:]
        if part > 0:
            near = near - moved
            near *= part
            near += moved
            moved = near
        moved = moved.T
    out = np.full(shape, fill, dtype=np.float32)
    target = out[whole[0] :, whole[1] :][: moved.shape[0], : moved.shape[1]]
    target[:] = moved[: target.shape[0], : target.shape[1]]
    return out


def holes(
    depths: Sequence[float],
    thickness: Sequence[float | None],
    numbers: Sequence[int | None],
) -> list[int]:
    """Gaps in which slices are missing.

    A gap k is a hole when it is wide, that is more than 1.5 times the thickness of both its slices
    (where known) and more than 1.5 times the median of up to three gaps on each side; or when
    InstanceNumber, which counts along the stack, jumps there, and the slices are not contiguous
    or lie further apart than their neighbours.

    Args:
        depths: K increasing positions along the normal, mm.
        thickness: SliceThickness of each slice, mm, or None.
        numbers: InstanceNumber of each slice, or None.

    Returns:
        Indices k of gaps between slice k and k + 1.
    """
    gaps = np.diff(np.asarray(depths, dtype=np.float64))
    steps = _steps(numbers)
    found = []
    for k, gap in enumerate(gaps):
        known = [t for t in thickness[k : k + 2] if t]
        apart = bool(known) and gap > HOLE * max(known)
        sides = [
            float(np.quantile(side, 0.5, method="lower"))
            for side in (gaps[max(0, k - 3) : k], gaps[k + 1 : k + 4])
            if len(side)
        ]
        wide = bool(sides) and gap > HOLE * max(sides) and (apart or not known)
        beside = [*gaps[max(0, k - 1) : k], *gaps[k + 1 : k + 2]]
        alike = all(abs(gap - other) <= max(EVEN_MM, 0.01 * other) for other in beside)
        jump = steps[k] > 1 and (apart or (steps[k] > min(steps) and not alike))
        if wide or jump:
            found.append(k)
    return found


def in_order(numbers: Sequence[int | None]) -> bool:
    """Whether InstanceNumber is known everywhere and counts along the stack, up or down."""
    known = [n for n in numbers if n is not None]
    steps = np.diff(known)
    return len(known) == len(numbers) and bool(np.all(steps > 0) or np.all(steps < 0))


def _steps(numbers: Sequence[int | None]) -> list[int]:
    """Steps of InstanceNumber along the stack; all 1 where it does not count along it."""
    if not in_order(numbers):
        return [1] * (len(numbers) - 1)
    return [abs(b - a) for a, b in pairwise(n for n in numbers if n is not None)]
