"""A lesion to be painted, and what every painting routine needs at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from crossdl.plugins.cohorts._phantom_canvas import NO_TYPE, Canvas
from crossdl.plugins.cohorts._phantom_findings import Acuity, Kind
from crossdl.plugins.cohorts._phantom_terrain import Terrain
from crossdl.plugins.cohorts._phantom_voxels import Box, soft
from crossdl.types import Float64Array, FloatArray


@dataclass(frozen=True)
class Lesion:
    """One lesion to be.

    Attributes:
        kind: What it is.
        place: Where: a key of the table ``places`` or a part of the anatomy.
        side: 1 left, -1 right, 0 either or both.
        size_mm: Radius, or thickness of what lies under the plate.
        style: Variety of the kind; what it may be is said by the kind's painting routine.
        acuity: Age of blood or of an infarct.
    """

    kind: Kind
    place: str
    side: int
    size_mm: float
    style: str = ""
    acuity: Acuity | None = None


@dataclass(eq=False)
class Brush:
    """Paints one lesion.

    Attributes:
        terrain: The head model.
        canvas: Painted on.
        number: Of the lesion, from 0.
        widen: Widening of every range of densities about its middle; 1 leaves them.
        rng: Draws everything.
    """

    terrain: Terrain
    canvas: Canvas
    number: int
    widen: float
    rng: np.random.Generator

    def hu(self, name: str) -> float:
        """A density from the table ``densities``, HU."""
        low, high = self.terrain.data["densities"][name]
        middle, half = (low + high) / 2, (high - low) / 2 * self.widen
        least, most = self.terrain.data["limits"]
        return float(np.clip(self.rng.uniform(middle - half, middle + half), least, most))

    def between(self, low: float, high: float) -> float:
        """A number drawn evenly."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """Whether something that happens in a share of cases does."""
        return bool(self.rng.random() < share)

    def part(self, name: str | None) -> int:
        """Number of this lesion's part that shows a type, e.g. "dense_brain"; None for no type."""
        if name is None:
            return self.canvas.part(self.number, NO_TYPE)
        role = self.terrain.data["types"][name]
        return self.canvas.part(self.number, self.canvas.anatomy.type_names.index(role))

    @cached_property
    def turn(self) -> FloatArray:
        """Turns axes by some degrees."""
        from scipy.spatial.transform import Rotation

        angles = self.rng.normal(0.0, 0.3, 3)
        return np.asarray(Rotation.from_rotvec(angles).as_matrix(), dtype=np.float32)

    def lump(
        self, centre: Float64Array, radius: float, axes: Any, rough: float, margin: float = 0.0
    ) -> tuple[Box, FloatArray]:
        """An irregular ellipsoid: its box and the distance from its middle, in mm of ``radius``.

        Args:
            centre: Index ``(d, h, w)``.
            radius: Mean, mm.
            axes: Stretching along D, H, W.
            rough: Irregularity, 0 to about 0.4.
            margin: Room around it, mm.
        """
        terrain, widest = self.terrain, float(np.max(axes))
        box = terrain.box(centre, (radius * (1.0 + 2.0 * rough) + margin) * max(widest, 1.0) + 3.0)
        distance = terrain.distance(box, centre, axes, self.turn)
        scale = 3 if radius < 5.0 else 6 if radius < 13.0 else 12
        noise = terrain.noise(box, scale, self.rng).clip(-2.0, 2.0)
        return box, np.asarray(distance * (1.0 + rough * noise), dtype=np.float32)

    def room(self, box: Box, centre: Float64Array, blur: float = 0.6) -> FloatArray:
        """Brain tissue on the centre's side of falx and tentorium, soft at its borders."""
        from scipy import ndimage

        free = self.terrain.space.parenchyma[box] & self.terrain.same_room(box, centre)
        free &= ~self.terrain.ventricle[box]
        return np.asarray(ndimage.gaussian_filter(free.astype(np.float32), blur))

    def fingers(
        self, box: Box, distance: FloatArray, reach: float, centre: Float64Array
    ) -> FloatArray:
        """Vasogenic oedema: it follows white matter and spares the cortex."""
        noise = self.terrain.noise(box, 6, self.rng).clip(-2.0, 2.0)
        white = self.terrain.space.model.white[box]
        stays = self.terrain.same_room(box, centre)
        edge = soft(reach * (1.0 + 0.25 * noise) - distance, 4.0)
        return np.asarray(edge * ((white - 0.45) / 0.35).clip(0.0, 1.0) * stays, dtype=np.float32)


Paint = Callable[[Brush, Lesion], None]
Kinds = Mapping[Kind, Paint]
