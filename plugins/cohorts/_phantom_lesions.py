"""Lesions of the phantom: where they lie, their shape and density, painted in model space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.plugins.cohorts._phantom_head import Space
from crossdl.types import BoolArray, Float64Array, FloatArray, LabelArray

OTHER = 0


@dataclass(frozen=True)
class Plan:
    """One lesion to be.

    Attributes:
        type_index: Which abnormality type.
        label: Label of the region it starts in; 0 is outside all regions.
        shape: "blob", "crescent", "sulci" or "ventricle".
    """

    type_index: int
    label: int
    shape: str


@dataclass(frozen=True)
class Seat:
    """Where a lesion outside all regions is.

    Attributes:
        place: Index in the table ``elsewhere``, or -1.
        side: Side key, or None for both.
    """

    place: int
    side: str | None


@dataclass(eq=False)
class Canvas:
    """What lesions are painted on, all ``(D, H, W)`` on the head model's grid.

    Attributes:
        hu: Densities.
        types: Bit j is set where there is a lesion of type j.
    """

    hu: FloatArray
    types: LabelArray

    def paint(
        self, box: tuple[slice, ...], weight: FloatArray, hu: FloatArray | float, type_index: int
    ) -> None:
        """Blends a density in and makes the type the only one where it prevails."""
        here = self.hu[box]
        here += weight * (np.asarray(hu, dtype=np.float32) - here)
        mostly = weight > 0.5
        self.types[box][mostly] = 1 << type_index

    def calcify(self, box: tuple[slice, ...], weight: FloatArray, hu: float) -> None:
        """Blends in a calcification, which is no lesion."""
        here = self.hu[box]
        here += weight * (np.float32(hu) - here)


class Painter:
    """Plans and paints lesions for one head model.

    Args:
        space: The head model.
        anatomy: Regions and types of the labels.
        data: Tables of ``phantom.toml``.
    """

    def __init__(self, space: Space, anatomy: Anatomy, data: Mapping[str, Any]) -> None:
        """Finds out which cells a lesion can be planted in."""
        self.space, self.anatomy, self.data = space, anatomy, data
        self.compartment = [data["types"][t]["compartment"] for t in anatomy.type_names]
        self.rims = {
            anatomy.type_names.index(table["rim_of"]): anatomy.type_names.index(name)
            for name, table in data["types"].items()
            if "rim_of" in table
        }
        self._places: dict[tuple[int, str], np.ndarray[Any, np.dtype[np.int64]]] = {}

    def plan(self, rng: np.random.Generator) -> Plan:
        """Draws a lesion: its type, then a region in which that type can occur."""
        j = int(rng.integers(self.anatomy.n_types))
        if self.compartment[j] == "parenchyma":
            rows = [
                i + 1
                for i, region in enumerate(self.anatomy.regions)
                if self.anatomy.possible[i, j] and region.part not in self.data["ventricle"]
            ]
            label = OTHER if rng.random() < 0.08 else int(rng.choice(rows))
            return Plan(j, label, "blob")
        dense = min(self.data["types"][self.anatomy.type_names[j]]["hu"]) > 30.0
        if dense and rng.random() < 0.2:
            return Plan(j, self._one_of(rng, "ventricle", j), "ventricle")
        label = self._one_of(rng, "plate", j)
        return Plan(j, label, "sulci" if dense and rng.random() < 0.2 else "crescent")

    def paint(self, canvas: Canvas, plan: Plan, rng: np.random.Generator) -> None:
        """Paints one lesion, with a rim of oedema around some haematomas."""
        low, high = self.data["types"][self.anatomy.type_names[plan.type_index]]["hu"]
        hu = float(rng.uniform(low, high))
        if plan.shape == "blob":
            self._blob(canvas, plan, hu, rng)
        elif plan.shape == "crescent":
            self._crescent(canvas, plan, hu, rng)
        elif plan.shape == "sulci":
            self._sulci(canvas, plan, hu, rng)
        else:
            self._ventricle(canvas, plan, hu, rng)

    def calcify(self, canvas: Canvas, rng: np.random.Generator) -> None:
        """Calcified choroid plexus on both sides, or falx: bright, but no lesion."""
        s, p, l = (axis.ravel() for axis in self.space.world)  # noqa: E741
        if rng.random() < 0.6:
            behind = rng.uniform(30.0, 42.0)
            spots = [(side * rng.uniform(20.0, 26.0), behind, 8.0) for side in (-1.0, 1.0)]
        else:
            spots = [(0.0, rng.uniform(-45.0, 0.0), rng.uniform(40.0, 60.0))]
        for x, y, z in spots:
            centre = np.array(
                [np.abs(s - z).argmin(), np.abs(p - y).argmin(), np.abs(l - x).argmin()]
            )
            box = self._box(centre, 8.0)
            distance = self._field(box, centre, np.array([1.0, 1.0, 1.0]), rng, 0.15)
            canvas.calcify(
                box, _soft(rng.uniform(2.0, 4.5) - distance, 2.0), rng.uniform(90.0, 250.0)
            )

    def seat(self, index: FloatArray) -> Seat:
        """The place that holds most of some points ``(3, n)``, indices ``(d, h, w)``."""
        s, p, l = (  # noqa: E741
            index[k] * np.diff(axis.ravel()[:2]) + axis.ravel()[0]
            for k, axis in enumerate(self.space.world)
        )
        shares = [float(in_box(place, np.abs(l), -p, s).mean()) for place in self.data["elsewhere"]]
        best = int(np.argmax(shares))
        left = float((l > 0).mean())
        sides = self.data["sides"]
        side = sides["positive"] if left > 0.8 else sides["negative"] if left < 0.2 else None
        return Seat(best if shares[best] > 0.3 else -1, side)

    def _one_of(self, rng: np.random.Generator, where: str, j: int) -> int:
        rows = [
            i + 1
            for i, region in enumerate(self.anatomy.regions)
            if region.part in self.data[where] and self.anatomy.possible[i, j]
        ]
        return int(rng.choice(rows))

    def _blob(self, canvas: Canvas, plan: Plan, hu: float, rng: np.random.Generator) -> None:
        rim = self.rims.get(plan.type_index)
        dense = rim is not None
        small = self._is_small(plan.label)
        largest = 13.0 if small else 20.0 if dense else 26.0
        radius = float(rng.uniform(6.0, largest))
        axes = radius * np.exp(rng.normal(0.0, 0.18, 3))
        centre = self._place(plan.label, "parenchyma", rng)
        box = self._box(centre, 1.7 * float(axes.max()) + 4.0)
        distance = self._field(box, centre, axes / radius, rng, 0.22)
        near = self._same_side(box, centre)
        allowed = self._tissue(box, plan.type_index) & near
        spacing = self.space.model.grid.spacing[0]
        free = _smooth(allowed, 0.5)
        if rim is not None and rng.random() < 0.4:
            edge = radius + float(rng.uniform(4.0, 9.0))
            low, high = self.data["types"][self.anatomy.type_names[rim]]["hu"]
            oedema = _soft(edge - distance, 2 * spacing) * free
            canvas.paint(box, oedema, float(rng.uniform(low, high)), rim)
        texture = hu + rng.normal(0.0, 2.5) * np.cos(distance / 3.0)
        width = spacing if dense else float(rng.uniform(1.0, 3.0)) * spacing
        if dense:  # a haematoma pushes fluid aside, but stays away from the plate
            within = self._fluid_space(box, plan.type_index) & near
            free = _smooth(within & (self.space.depth[box] > 2.5), 0.5)
        canvas.paint(box, _soft(radius - distance, width) * free, texture, plan.type_index)

    def _crescent(self, canvas: Canvas, plan: Plan, hu: float, rng: np.random.Generator) -> None:
        lens = self.data["types"][self.anatomy.type_names[plan.type_index]]["hu"][0] > 30.0
        lens = lens and rng.random() < 0.4
        thick = float(rng.uniform(9.0, 20.0) if lens else rng.uniform(6.0, 14.0))
        extent = float(rng.uniform(22.0, 38.0) if lens else rng.uniform(35.0, 70.0))
        if self._is_small(plan.label):
            extent = min(extent, 30.0)
        centre = self._place(plan.label, "plate", rng)
        box = self._box(centre, extent + 2.0)
        distance = self._field(box, centre, np.ones(3), rng, 0.1)
        depth = self.space.depth[box]
        reach = thick * (1.0 - (distance / extent) ** 2)
        spacing = self.space.model.grid.spacing[0]
        allowed = self._fluid_space(box, plan.type_index) & self._same_side(box, centre)
        weight = _soft(reach - depth, 1.5 * spacing) * allowed
        canvas.paint(box, weight.astype(np.float32), hu, plan.type_index)

    def _sulci(self, canvas: Canvas, plan: Plan, hu: float, rng: np.random.Generator) -> None:
        """Blood in the sulci and cisterns near a place at the surface."""
        centre = self._place(plan.label, "plate", rng)
        extent = float(rng.uniform(25.0, 45.0))
        box = self._box(centre, extent)
        distance = self._field(box, centre, np.ones(3), rng, 0.2)
        allowed = self._fluid_space(box, plan.type_index) & (self.space.depth[box] < 26.0)
        weight = (2.0 * self.space.fluid[box]).clip(0.0, 1.0) * _soft(extent * 0.8 - distance, 8.0)
        canvas.paint(box, (weight * allowed).astype(np.float32), hu, plan.type_index)

    def _ventricle(self, canvas: Canvas, plan: Plan, hu: float, rng: np.random.Generator) -> None:
        """Blood that fills one or both ventricles, or settles in their dependent part."""
        labels = [plan.label]
        if rng.random() < 0.4:
            labels.append(int(self.anatomy.mirror_index[plan.label - 1]) + 1)
        behind = float(rng.uniform(-40.0, 30.0))
        box = tuple(slice(0, n) for n in self.space.model.labels.shape)
        inside = np.isin(self.space.model.labels, labels)
        weight = _smooth(inside, 0.6) * (_soft(self.space.world[1] - behind, 4.0))
        weight = np.where(inside, np.maximum(weight, 0.0), 0.0) * (2.0 * self.space.fluid).clip(
            0.0, 1.0
        )
        canvas.paint(box, weight.astype(np.float32), hu, plan.type_index)

    def _is_small(self, label: int) -> bool:
        return label == OTHER or self.anatomy.regions[label - 1].part not in self.data["plate"]

    def _place(self, label: int, where: str, rng: np.random.Generator) -> Float64Array:
        """Index ``(d, h, w)`` of a voxel where a lesion of a region may start."""
        key = (label, where)
        if key not in self._places:
            space = self.space
            if label == OTHER:
                mask = self._elsewhere() & space.parenchyma
            else:
                mask = space.model.labels == label
            if where == "plate":
                s = space.world[0]
                mask = (
                    mask
                    & (space.depth < 5.0)
                    & (space.depth > 0.0)
                    & ((s > -12.0) | space.infratentorial)
                )
            else:
                mask = mask & space.parenchyma & (space.depth > 3.0)
            self._places[key] = np.flatnonzero(mask)
        chosen = int(rng.choice(self._places[key]))
        return np.array(np.unravel_index(chosen, self.space.depth.shape), dtype=np.float64)

    def _elsewhere(self) -> BoolArray:
        s, p, l = self.space.world  # noqa: E741
        mask = np.zeros(self.space.depth.shape, dtype=np.bool_)
        for place in self.data["elsewhere"]:
            mask |= in_box(place, np.abs(l), -p, s)
        mask &= self.space.model.labels == OTHER
        return mask

    def _box(self, centre: Float64Array, radius_mm: float) -> tuple[slice, ...]:
        reach = np.ceil(radius_mm / np.array(self.space.model.grid.spacing)).astype(int)
        return tuple(
            slice(max(0, int(c) - r), min(n, int(c) + r + 1))
            for c, r, n in zip(centre, reach, self.space.depth.shape, strict=True)
        )

    def _field(
        self,
        box: tuple[slice, ...],
        centre: Float64Array,
        axes: Float64Array,
        rng: np.random.Generator,
        rough: float,
    ) -> FloatArray:
        """Distance in mm from the centre, stretched along turned axes and made irregular."""
        from scipy import ndimage
        from scipy.spatial.transform import Rotation

        spacing = np.array(self.space.model.grid.spacing)
        at = np.stack(
            np.meshgrid(
                *[np.arange(b.start, b.stop, dtype=np.float32) for b in box], indexing="ij"
            ),
            axis=-1,
        )
        turn = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
        offset = ((at - centre) * spacing) @ turn / axes
        distance = np.sqrt((offset**2).sum(axis=-1))
        coarse = rng.standard_normal([max(4, n // 6) for n in distance.shape])
        zoom = [n / m for n, m in zip(distance.shape, coarse.shape, strict=True)]
        noise = ndimage.zoom(coarse, zoom, order=3, mode="nearest", grid_mode=True)
        return np.asarray(distance * (1.0 + rough * noise.clip(-2.0, 2.0)), dtype=np.float32)

    def _tissue(self, box: tuple[slice, ...], j: int) -> BoolArray:
        return self.space.parenchyma[box] & self._possible(box, j)

    def _fluid_space(self, box: tuple[slice, ...], j: int) -> BoolArray:
        return self.space.model.inside[box] & self._possible(box, j)

    def _possible(self, box: tuple[slice, ...], j: int) -> BoolArray:
        return possible_voxels(self.anatomy, self.space.model.labels[box], j)

    def _same_side(self, box: tuple[slice, ...], centre: Float64Array) -> BoolArray:
        """Voxels not separated from the centre by the falx or the tentorium."""
        d, h, w = (int(c) for c in centre)
        below = self.space.infratentorial
        same = below[box] == below[d, h, w]
        if below[d, h, w]:
            return np.asarray(same, dtype=np.bool_)
        l = self.space.world[2][..., box[2]]  # noqa: E741
        return np.asarray(same & (l * self.space.world[2].ravel()[w] > 0), dtype=np.bool_)


def possible_voxels(anatomy: Anatomy, labels: LabelArray, type_index: int) -> BoolArray:
    """Where the anatomy lets a type occur: everywhere but in regions of impossible cells."""
    table = np.concatenate([[True], anatomy.possible[:, type_index]])
    return np.asarray(table[labels], dtype=np.bool_)


def in_box(place: Mapping[str, Sequence[float]], x: Any, y: Any, z: Any) -> Any:
    """Whether MNI positions lie in the box of a place."""
    (x0, y0, z0), (x1, y1, z1) = place["low"], place["high"]
    return (x >= x0) & (x <= x1) & (y >= y0) & (y <= y1) & (z >= z0) & (z <= z1)


def _soft(margin: Any, width_mm: float) -> FloatArray:
    """0 outside to 1 inside, over ``width_mm`` around a margin of 0."""
    return np.asarray((margin / width_mm + 0.5).clip(0.0, 1.0), dtype=np.float32)


def _smooth(mask: BoolArray, sigma: float) -> FloatArray:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(mask.astype(np.float32), sigma), dtype=np.float32)
