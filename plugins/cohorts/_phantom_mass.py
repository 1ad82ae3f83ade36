"""Mass effect: lesions displace brain, squeeze ventricles and sulci, and shift the mid-plane.

Lesions are painted smaller than they are and everything is then displaced at once, densities,
regions and lesions alike, so that truth stays exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from crossdl.plugins.cohorts._phantom_terrain import COARSE, Terrain
from crossdl.types import Float64Array, FloatArray

_LARGEST_MM = 16.0
_REACH_MM = 55.0


class Push(Protocol):
    """A displacement that one lesion causes."""

    def field(self, terrain: Terrain) -> FloatArray:
        """Where tissue is now minus where it came from, mm ``(3, d, h, w)``, axes D, H, W."""
        ...


@dataclass(frozen=True, eq=False)
class Growth:
    """A lesion that grew, or a scar that shrank, within the brain.

    Attributes:
        centre: World position along D, H, W, mm.
        before: Radius as painted, mm.
        after: Radius as it is to be, mm; a smaller one draws tissue, and with it the ventricle,
            towards the lesion.
    """

    centre: Float64Array
    before: float
    after: float

    def field(self, terrain: Terrain) -> FloatArray:
        """Displacement away from the centre; tissue yields little at the plate."""
        offset = [axis - np.float32(c) for axis, c in zip(terrain.coarse, self.centre, strict=True)]
        r = np.sqrt(offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2).clip(1e-3)
        gain = self.after**2 - self.before**2
        if gain >= 0:
            far = r - np.sqrt((r**2 - gain).clip(0.0))
            near = r * (1.0 - self.before / self.after)
            amount = np.where(r < self.after, near, far)
        else:
            amount = (self.after - self.before) * np.minimum(r / self.before, 1.0)
        amount = amount * np.exp(-(((r - self.after) / _REACH_MM).clip(0.0) ** 2))
        depth = terrain.coarse_depth - np.float32(terrain.spacing[0])
        amount *= (depth / 12.0).clip(0.0, 1.0)
        amount /= r
        amount *= _across_tentorium(terrain, self.centre)
        return np.stack([amount * part for part in offset]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Inward:
    """A collection under the plate that became thicker.

    Attributes:
        centre: World position along D, H, W of its thickest place at the plate, mm.
        thickness: As it is to be, mm.
        extent: Half its width along the plate, mm.
        painted: Painted thickness as a share of the final one.
    """

    centre: Float64Array
    thickness: float
    extent: float
    painted: float

    def field(self, terrain: Terrain) -> FloatArray:
        """Displacement away from the plate, in the depth of the brain towards the other side."""
        offset = [axis - np.float32(c) for axis, c in zip(terrain.coarse, self.centre, strict=True)]
        straight = terrain.inward_at(self.centre)
        along = sum(part * way for part, way in zip(offset, straight, strict=True))
        squared = offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2 - along**2
        squared /= np.float32(self.extent**2)
        thickness = np.float32(self.thickness) * np.exp(np.float32(-0.7) * squared)
        depth = (terrain.coarse_depth - np.float32(terrain.spacing[0])).clip(0.0)
        rise = np.minimum(depth / thickness.clip(0.1), 1.0)
        fall = np.exp(-((depth - thickness).clip(0.0) / 45.0))
        amount = (1.0 - self.painted) * thickness * rise * fall
        amount *= _across_tentorium(terrain, self.centre)
        bend = np.exp(-depth / 25.0)
        direction = terrain.inward * bend + straight[:, None, None, None] * (1.0 - bend)
        length = np.sqrt((direction**2).sum(axis=0)).clip(0.3)
        return np.asarray(direction * (amount / length), dtype=np.float32)


def _across_tentorium(terrain: Terrain, centre: Float64Array) -> FloatArray:
    """Less displacement on the other side of the tentorium."""
    other = np.abs(terrain.coarse_below - terrain.coarse_below[terrain.coarse_index(centre)])
    return np.asarray(1.0 - 0.75 * other, dtype=np.float32)


def displacement(terrain: Terrain, pushes: Sequence[Push]) -> FloatArray:
    """Sum of all pushes, mm ``(3, d, h, w)`` on the coarse grid; the skull does not move."""
    total = np.sum([push.field(terrain) for push in pushes], axis=0)
    length = np.sqrt((total**2).sum(axis=0))
    total *= _LARGEST_MM / np.maximum(length, _LARGEST_MM)
    total *= terrain.coarse_depth > 0
    return np.asarray(total, dtype=np.float32)


def midline_shift(terrain: Terrain, moved: FloatArray) -> float:
    """Displacement of the mid-plane between the ventricles, mm, positive to the left."""
    s, p, l = (axis.ravel() for axis in terrain.coarse)  # noqa: E741
    (_, y0, z0), (_, y1, z1) = (terrain.data["midline"][key] for key in ("low", "high"))
    middle = moved[2][np.ix_((s >= z0) & (s <= z1), (-p >= y0) & (-p <= y1), np.abs(l) < 3.0)]
    return float(middle.mean())


def displaced(terrain: Terrain, moved: FloatArray, arrays: Sequence[npt.NDArray[Any]]) -> None:
    """Moves arrays in place: floating point ones linearly, whole ones by the nearest voxel.

    Args:
        terrain: The head model.
        moved: From :func:`displacement`.
        arrays: ``(D, H, W)`` each.
    """
    from scipy import ndimage

    active = (np.abs(moved) > 0.2).any(axis=0)
    if not active.any():
        return
    box = tuple(
        slice(max(0, int(i.min()) * COARSE - COARSE), min(n, int(i.max()) * COARSE + COARSE + 1))
        for i, n in zip(np.nonzero(active), terrain.shape, strict=True)
    )
    spread = ndimage.binary_dilation(active)
    for axis in range(3):
        spread = spread.repeat(COARSE, axis=axis)
    spread = spread[tuple(slice(0, n) for n in terrain.shape)]
    inside = np.nonzero(terrain.space.model.inside[box] & spread[box])
    at = [i + b.start for i, b in zip(inside, box, strict=True)]
    coarse = np.stack([(a / COARSE).astype(np.float32) for a in at])
    source = np.empty((3, len(at[0])), dtype=np.float32)
    for axis, field in enumerate(moved):
        step = ndimage.map_coordinates(field, coarse, order=1, mode="nearest", output=np.float32)
        source[axis] = at[axis] - step / np.float32(terrain.spacing[axis])
    whole = tuple(
        np.rint(c).astype(np.intp).clip(0, n - 1)
        for c, n in zip(source, terrain.shape, strict=True)
    )
    cavity = terrain.cavity
    share = ndimage.map_coordinates(cavity, source, order=1, output=np.float32)
    here = tuple(at)
    for array in arrays:
        if np.issubdtype(array.dtype, np.floating):  # bone must not leak into the cavity
            new = ndimage.map_coordinates(array * cavity, source, order=1, output=np.float32)
            array[here] = np.where(share > 0.1, new / share.clip(0.1), array[here])
        else:
            array[here] = np.where(cavity[whole] > 0.0, array[whole], array[here])
