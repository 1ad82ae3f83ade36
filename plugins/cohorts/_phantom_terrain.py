"""What lesions need to know of the head model: distances, territories, noise, places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_head import Space
from crossdl.plugins.cohorts._phantom_voxels import Box, distance_to, in_box
from crossdl.types import BoolArray, Float64Array, FloatArray, LabelArray

Indices = npt.NDArray[np.int64]

COARSE = 2
"""Displacements are computed on every so many voxels of the head model."""

_PERIOD = 128


class Terrain:
    """Maps of the head model, computed once, and drawing of places and noise from them.

    Positions are LPS mm of the head model; tables give MNI mm (x right, y forward, z up).

    Args:
        space: The head model.
        anatomy: Regions of its labels.
        data: Tables of ``phantom_lesions.toml``.
        ventricle: Names of the parts that are ventricles.
    """

    def __init__(
        self, space: Space, anatomy: Anatomy, data: Mapping[str, Any], ventricle: Sequence[str]
    ) -> None:
        self.space, self.anatomy, self.data = space, anatomy, data
        self.shape = space.model.labels.shape
        self.spacing = np.array(space.model.grid.spacing)
        self._ventricle = ventricle
        self._seats: dict[tuple[str, int, str], Indices] = {}

    @cached_property
    def ventricle(self) -> BoolArray:
        """Fluid of the lateral ventricles."""
        numbers = [
            k for k, r in enumerate(self.anatomy.regions, start=1) if r.part in self._ventricle
        ]
        return np.isin(self.space.model.labels, numbers)

    @cached_property
    def ventricle_distance(self) -> FloatArray:
        """Distance to the lateral ventricles, mm."""
        return distance_to(~(self.ventricle & (self.space.fluid > 0.4)), self.spacing)

    @cached_property
    def cavity(self) -> FloatArray:
        """1 within the inner plate of the skull, else 0."""
        return self.space.model.inside.astype(np.float32)

    @cached_property
    def outside(self) -> FloatArray:
        """Distance to the cavity of the skull, mm; 0 inside."""
        return distance_to(~self.space.model.inside, self.spacing)

    @cached_property
    def above_skin(self) -> FloatArray:
        """Distance to the skin, mm; 0 in the head."""
        return distance_to(self.space.model.hu < -500.0, self.spacing)

    @cached_property
    def tentorium(self) -> FloatArray:
        """Distance to what lies below the tentorium, mm; 0 there."""
        return distance_to(~self.space.infratentorial, self.spacing)

    @cached_property
    def sulcal(self) -> FloatArray:
        """Fraction of fluid outside the ventricles."""
        near = self.box_mask("third_ventricle") | self.box_mask("fourth_ventricle")
        return np.where(self.ventricle | near, 0.0, self.space.fluid).astype(np.float32)

    @property
    def territory_names(self) -> list[str]:
        """Arteries; number k + 1 of :attr:`territory` is supplied by the k-th."""
        return list(dict.fromkeys(t["name"] for t in self.data["territories"]))

    @cached_property
    def territory(self) -> LabelArray:
        """Which artery supplies a voxel, uint8."""
        result = np.zeros(self.shape, dtype=np.uint8)
        for table in self.data["territories"]:
            result[self._place_mask(table)] = self.territory_names.index(table["name"]) + 1
        return result

    @cached_property
    def coarse(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """LPS mm along D, H and W of the coarse grid, broadcastable."""
        s, p, l = self.space.world  # noqa: E741
        return s[::COARSE], p[:, ::COARSE], l[:, :, ::COARSE]

    @cached_property
    def coarse_depth(self) -> FloatArray:
        """Distance to the inner plate on the coarse grid, mm."""
        return self.space.depth[::COARSE, ::COARSE, ::COARSE]

    @cached_property
    def coarse_below(self) -> FloatArray:
        """How far a place belongs below the tentorium, 0 to 1, on the coarse grid."""
        from scipy import ndimage

        below = self.space.infratentorial.astype(np.float32)
        return np.asarray(ndimage.gaussian_filter(below, 3.0))[::COARSE, ::COARSE, ::COARSE]

    @cached_property
    def inward(self) -> FloatArray:
        """Unit vectors away from the plate ``(3, d, h, w)``, axes D, H, W, coarse grid."""
        from scipy import ndimage

        smooth = ndimage.gaussian_filter(self.space.depth, 4.0)[::COARSE, ::COARSE, ::COARSE]
        slope = np.stack(np.gradient(smooth))
        length = np.sqrt((slope**2).sum(axis=0)) + 1e-3
        return np.asarray(slope / length, dtype=np.float32)

    def coarse_index(self, mm: Float64Array) -> tuple[int, int, int]:
        """The coarse voxel nearest to a world position along D, H, W."""
        d, h, w = (
            int(np.abs(axis.ravel() - c).argmin()) for axis, c in zip(self.coarse, mm, strict=True)
        )
        return d, h, w

    def inward_at(self, mm: Float64Array) -> FloatArray:
        """Unit vector away from the plate at a world position along D, H, W."""
        d, h, w = self.coarse_index(mm)
        return self.inward[:, d, h, w]

    def box_mask(self, name: str) -> BoolArray:
        """Voxels in the box of a named place, on both sides."""
        s, p, l = self.space.world  # noqa: E741
        return np.asarray(in_box(self.data["places"][name], np.abs(l), -p, s), dtype=np.bool_)

    def side(self, box: Box, side: int) -> BoolArray:
        """Voxels on a side: 1 left, -1 right; 0 is both."""
        l = self.space.world[2][..., box[2]]  # noqa: E741
        return np.asarray(l * side > 0 if side else np.ones_like(l, dtype=np.bool_))

    def same_room(self, box: Box, centre: Float64Array) -> BoolArray:
        """Voxels not separated from the centre by the falx or the tentorium."""
        d, h, w = (int(c) for c in centre)
        below = self.space.infratentorial
        same = below[box] == below[d, h, w]
        if below[d, h, w]:
            return np.asarray(same, dtype=np.bool_)
        here = self.side(box, 1 if self.space.world[2].ravel()[w] > 0 else -1)
        return np.asarray(same & here, dtype=np.bool_)

    def place(self, name: str, side: int, where: str, rng: np.random.Generator) -> Float64Array:
        """Index ``(d, h, w)`` of a voxel in a place where a lesion may start.

        Args:
            name: A key of the table ``places``, or a part of the anatomy.
            side: 1 left, -1 right, 0 either.
            where: "deep" for brain tissue, "plate" for the surface under the skull.
            rng: Chooses the voxel.
        """
        key = (name, side, where)
        if key not in self._seats:
            space = self.space
            place = self.data["places"].get(name, {"parts": [name]})
            mask = self._place_mask(place) & self.side((slice(None),) * 3, side)
            if where == "plate":
                mask &= (space.depth > 0.0) & (space.depth < 5.0)
            else:
                mask &= space.parenchyma & (space.depth > 3.0)
            self._seats[key] = np.flatnonzero(mask)
        chosen = int(rng.choice(self._seats[key]))
        return np.array(np.unravel_index(chosen, self.shape), dtype=np.float64)

    def _place_mask(self, place: Mapping[str, Any]) -> BoolArray:
        labels = self.space.model.labels
        mask = self.space.model.inside.copy()
        if "parts" in place:
            numbers = [
                k
                for k, region in enumerate(self.anatomy.regions, start=1)
                if region.part in place["parts"]
            ]
            mask &= np.isin(labels, [*numbers, 0] if "other" in place["parts"] else numbers)
        if "deepest" in place:
            mask &= self.space.depth < place["deepest"]
        if "low" in place:
            s, p, l = self.space.world  # noqa: E741
            mask &= in_box(place, np.abs(l), -p, s)
        return np.asarray(mask, dtype=np.bool_)

    def box(self, centre: Float64Array, radius_mm: Any) -> Box:
        """The box of an ellipsoid; ``radius_mm`` is one number or three along D, H, W."""
        reach = np.ceil(np.broadcast_to(radius_mm, 3) / self.spacing).astype(int)
        return tuple(
            slice(max(0, int(c) - r), min(n, int(c) + r + 1))
            for c, r, n in zip(centre, reach, self.shape, strict=True)
        )

    def mm(self, centre: Float64Array) -> Float64Array:
        """World position along D, H, W of an index."""
        return np.array(
            [
                axis.ravel()[0] + c * step
                for axis, c, step in zip(self.space.world, centre, self.spacing, strict=True)
            ]
        )

    def distance(
        self, box: Box, centre: Float64Array, axes: Any = 1.0, turn: FloatArray | None = None
    ) -> FloatArray:
        """Distance in mm from a centre, divided by ``axes`` along D, H, W after turning."""
        at = [
            (np.arange(b.start, b.stop, dtype=np.float32) - np.float32(c)) * np.float32(step)
            for b, c, step in zip(box, centre, self.spacing, strict=True)
        ]
        d, h, w = at[0][:, None, None], at[1][None, :, None], at[2][None, None, :]
        scale = np.broadcast_to(np.asarray(axes, dtype=np.float32), 3)
        if turn is None:
            squared = (d / scale[0]) ** 2 + (h / scale[1]) ** 2 + (w / scale[2]) ** 2
        else:
            squared = np.zeros((1, 1, 1), dtype=np.float32)
            for row, size in zip(turn.astype(np.float32), scale, strict=True):
                squared = squared + ((row[0] * d + row[1] * h + row[2] * w) / size) ** 2
        return np.asarray(np.sqrt(squared), dtype=np.float32)

    @cached_property
    def _noises(self) -> dict[int, FloatArray]:
        from scipy import ndimage

        raw = np.random.default_rng(7).standard_normal([_PERIOD] * 3, dtype=np.float32)
        noises = {}
        for scale_mm in (3, 6, 12):
            smooth = ndimage.gaussian_filter(raw, scale_mm / self.spacing, mode="wrap")
            noises[scale_mm] = np.asarray(smooth / smooth.std(), dtype=np.float32)
        return noises

    def noise(self, box: Box, scale_mm: int, rng: np.random.Generator) -> FloatArray:
        """Smooth noise of unit variance; the scale is 3, 6 or 12 mm."""
        start = rng.integers(_PERIOD, size=3)
        index = [
            (np.arange(b.stop - b.start) + int(at)) % _PERIOD
            for b, at in zip(box, start, strict=True)
        ]
        return np.asarray(self._noises[scale_mm][np.ix_(*index)], dtype=np.float32)
