"""Shapes of anatomical structures: ellipsoids and tubes with soft borders, and the head's skin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.plugins.atlases._mni_sources import positions
from crossdl.types import FloatArray, Grid

Box = tuple[slice, slice, slice]

_MNI305_TO_MNI152 = np.array(
    [
        [0.9975, -0.0073, 0.0176, -0.0429],
        [0.0146, 1.0009, -0.0024, 1.5496],
        [-0.0130, -0.0093, 0.9971, 1.1840],
    ]
)
"""From the FreeSurfer wiki, page CoordinateSystems, section 8b."""


class Shapes:
    """Draws structures given in MNI mm on a grid; with x > 0 on both sides.

    Args:
        grid: Axes along S, P, L.
        spacing_mm: Its voxel edge.
    """

    def __init__(self, grid: Grid, spacing_mm: float) -> None:
        """Keeps the voxels' positions."""
        self.grid, self.spacing = grid, spacing_mm
        self.x, self.y, self.z = positions(grid)

    def fraction(self, structure: Mapping[str, Any]) -> Iterator[tuple[Box, FloatArray]]:
        """How much of each voxel a structure fills, in the boxes that hold it."""
        for sign in (1.0, -1.0) if structure.get("paired", True) else (1.0,):
            if "line" in structure:
                line = np.array(structure["line"], dtype=np.float64)
                line[:, 0] *= sign
                low = (line[:, :3] - line[:, 3:]).min(axis=0)
                high = (line[:, :3] + line[:, 3:]).max(axis=0)
            else:
                centre = np.array(structure["centre"], dtype=np.float64)
                centre[0] *= sign
                reach = max(structure["radii"]) if "turn" in structure else structure["radii"]
                low, high = centre - reach, centre + reach
            box = self._box(low, high)
            at = (self.x[:, :, box[2]], self.y[:, box[1]], self.z[box[0]])
            if "line" in structure:
                distance = _tube(line, *at)
            else:
                turn = sign * structure.get("turn", 0.0), structure.get("pitch", 0.0)
                distance = _ellipsoid(centre, structure["radii"], turn, *at)
            if "hollow" in structure:
                distance = np.maximum(distance, -(distance + structure["hollow"]))
            yield box, (0.5 - distance / self.spacing).clip(0.0, 1.0).astype(np.float32)

    def _box(self, low: Any, high: Any) -> Box:
        margin = self.spacing
        axes = (self.z.ravel(), self.y.ravel(), self.x.ravel())
        ends = []
        for axis, a, b in zip(axes, low[::-1], high[::-1], strict=True):
            inside = np.flatnonzero((axis >= a - margin) & (axis <= b + margin))
            ends.append(slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0))
        return ends[0], ends[1], ends[2]


def signed_distance(mask: Any, spacing_mm: float) -> FloatArray:
    """Distance to the border of a mask, mm: positive outside, negative inside."""
    from scipy import ndimage

    outside = ndimage.distance_transform_edt(~mask, sampling=spacing_mm)
    inside = ndimage.distance_transform_edt(mask, sampling=spacing_mm)
    distance = (outside - inside).astype(np.float32)
    return np.asarray(ndimage.gaussian_filter(distance, 0.8), dtype=np.float32)


def skin_distance(grid: Grid, spacing_mm: float) -> FloatArray:
    """Signed distance to the skin of FreeSurfer's average head, symmetric, ``(D, H, W)`` mm.

    The surface is the one that the package ``mne`` carries (its ``fsaverage-head``).
    """
    import mne

    path = Path(mne.__file__).parent / "data" / "fsaverage" / "fsaverage-head.fif"
    [surface] = mne.read_bem_surfaces(path, verbose="ERROR")
    points = surface["rr"] * 1000.0 @ _MNI305_TO_MNI152[:, :3].T + _MNI305_TO_MNI152[:, 3]
    points = points @ np.diag([-1.0, -1.0, 1.0])  # LPS
    index = grid.world_to_index(points)  # d, h, w
    inside = _filled(index, surface["tris"], grid.shape)
    distance = signed_distance(inside, spacing_mm)
    return (distance + distance[:, :, ::-1]) / 2.0


def _filled(points: Any, triangles: Any, shape: Sequence[int]) -> Any:
    """Voxels within a closed surface, by counting crossings along D."""
    crossed = np.zeros((shape[0] + 1, *shape[1:]), dtype=np.uint8)
    shifted = points + np.array([0.0, 1.7e-5, 2.3e-5])  # off the edges between triangles
    for a, b, c in shifted[triangles]:
        low = np.ceil(np.minimum(np.minimum(a, b), c)[1:]).astype(int).clip(0)
        high = (
            np.floor(np.maximum(np.maximum(a, b), c)[1:])
            .astype(int)
            .clip(max=np.array(shape[1:]) - 1)
        )
        if (high < low).any():
            continue
        h, w = np.meshgrid(
            *[np.arange(i, j + 1) for i, j in zip(low, high, strict=True)], indexing="ij"
        )
        area = (b[1] - a[1]) * (c[2] - a[2]) - (c[1] - a[1]) * (b[2] - a[2])
        if area == 0.0:
            continue
        u = ((h - a[1]) * (c[2] - a[2]) - (c[1] - a[1]) * (w - a[2])) / area
        v = ((b[1] - a[1]) * (w - a[2]) - (h - a[1]) * (b[2] - a[2])) / area
        hit = (u >= 0) & (v >= 0) & (u + v <= 1)
        d = np.ceil(a[0] + u * (b[0] - a[0]) + v * (c[0] - a[0])).clip(0, shape[0]).astype(int)
        crossed[d[hit], h[hit], w[hit]] ^= 1
    return np.bitwise_xor.accumulate(crossed, axis=0)[:-1] > 0


def _ellipsoid(
    centre: Any, radii: Sequence[float], turn: tuple[float, float], x: Any, y: Any, z: Any
) -> Any:
    """About the distance to an ellipsoid turned about the vertical axis, then pitched."""
    yaw, pitch = np.deg2rad(turn)
    dx, dy, dz = x - centre[0], y - centre[1], z - centre[2]
    along = np.cos(yaw) * dx - np.sin(yaw) * dy
    across = np.sin(yaw) * dx + np.cos(yaw) * dy
    front = np.cos(pitch) * across - np.sin(pitch) * dz
    up = np.sin(pitch) * across + np.cos(pitch) * dz
    parts = [along / radii[0], front / radii[1], up / radii[2]]
    length = np.sqrt(sum(p**2 for p in parts))
    slope = np.sqrt(sum((p / r) ** 2 for p, r in zip(parts, radii, strict=True))) + 1e-6
    return length * (length - 1.0) / slope


def _tube(line: Any, x: Any, y: Any, z: Any) -> Any:
    """Distance to a chain of segments whose radius changes along them."""
    best = None
    for a, b in pairwise(line):
        along = b[:3] - a[:3]
        length = float((along**2).sum()) + 1e-9
        t = ((x - a[0]) * along[0] + (y - a[1]) * along[1] + (z - a[2]) * along[2]) / length
        t = t.clip(0.0, 1.0)
        gap = sum((p - a[k] - t * along[k]) ** 2 for k, p in enumerate((x, y, z)))
        distance = np.sqrt(gap) - (a[3] + t * (b[3] - a[3]))
        best = distance if best is None else np.minimum(best, distance)
    return best
