"""Blood and fluid outside brain tissue: under the plate, in sulci and cisterns, in ventricles."""

from __future__ import annotations

import numpy as np

from crossdl.plugins.cohorts._phantom_brush import Brush, Lesion
from crossdl.plugins.cohorts._phantom_mass import Growth, Inward
from crossdl.plugins.cohorts._phantom_voxels import Box, bounds, soft
from crossdl.types import BoolArray, Float64Array, FloatArray

_PAINTED = 0.5
"""Painted thickness; the rest is gained by displacing brain."""

_SLACK_MM = 4.0
"""Thickness that fits into the fluid over the brain without displacing it."""


def epidural(brush: Brush, lesion: Lesion) -> None:
    """A lens with a sharp border that ends at the sutures, but may cross falx and tentorium."""
    terrain, rng = brush.terrain, brush.rng
    thick = lesion.size_mm
    extent = brush.between(1.3, 1.9) * thick + 14.0
    centre = terrain.place(lesion.place, lesion.side, "plate", rng)
    y = -terrain.mm(centre)[1]
    for suture in terrain.data["sutures"]:  # keep the whole lens on one side of each
        extent = min(extent, max(abs(y - suture), 16.0))
    box = terrain.box(centre, extent + 2.0)
    noise = terrain.noise(box, 12, rng).clip(-2.0, 2.0)
    across = terrain.distance(box, centre) * (1.0 + 0.05 * noise) / extent
    reach = thick * _PAINTED * (1.0 - across**2)
    weight = soft(reach - terrain.space.depth[box], 2.0) * terrain.space.model.inside[box]
    clotted = brush.hu("fresh_blood") + terrain.noise(box, 3, rng)
    if brush.chance(0.25):  # unclotted blood swirls darker
        clotted = clotted - 22.0 * soft(terrain.noise(box, 6, rng) - 0.9, 0.6)
    brush.canvas.paint(box, weight, clotted, brush.part("dense_fluid"))
    brush.canvas.pushes.append(Inward(terrain.mm(centre), thick, extent, _PAINTED))


def subdural(brush: Brush, lesion: Lesion) -> None:
    """A crescent on one side of the falx; style "convexity", "falx" or "tentorium"."""
    terrain, rng = brush.terrain, brush.rng
    if lesion.style in ("falx", "tentorium"):
        _along_dura(brush, lesion)
        return
    thick = lesion.size_mm
    extent = brush.between(42.0, 62.0) + 1.2 * thick
    centre = terrain.place(lesion.place, lesion.side, "plate", rng)
    box, weight = _crescent(brush, centre, thick, extent)
    _fill(brush, lesion, box, weight, centre)


def hygroma(brush: Brush, lesion: Lesion) -> None:
    """Clear fluid under the plate."""
    terrain, rng = brush.terrain, brush.rng
    centre = terrain.place(lesion.place, lesion.side, "plate", rng)
    box, weight = _crescent(brush, centre, lesion.size_mm, brush.between(40.0, 60.0))
    brush.canvas.paint(box, weight, brush.hu("clear_fluid"), brush.part("pale_fluid"))


def arachnoid_cyst(brush: Brush, lesion: Lesion) -> None:
    """A sharply bordered pouch of clear fluid under the plate."""
    terrain, rng = brush.terrain, brush.rng
    final, radius = lesion.size_mm, 0.85 * lesion.size_mm
    centre = terrain.place(lesion.place, lesion.side, "plate", rng)
    box, distance = brush.lump(centre, radius, np.exp(rng.normal(0.0, 0.15, 3)), 0.06)
    free = terrain.space.model.inside[box] & terrain.same_room(box, centre)
    weight = soft(radius - distance, 2.0) * free
    brush.canvas.paint(box, weight, brush.hu("clear_fluid"), brush.part("pale_fluid"))
    brush.canvas.pushes.append(Growth(terrain.mm(centre), radius, final))


def subarachnoid(brush: Brush, lesion: Lesion) -> None:
    """Blood in the fluid between brain and skull; style "basal" or "sulcal"."""
    terrain, rng = brush.terrain, brush.rng
    where = "deep" if lesion.style == "basal" else "plate"
    centre = terrain.place(lesion.place, lesion.side, where, rng)
    extent = lesion.size_mm
    stretch = (0.55, 1.0, 1.1) if lesion.style == "basal" else (1.0, 1.0, 1.0)
    box = terrain.box(centre, 1.25 * extent * np.array(stretch))
    noise = terrain.noise(box, 12, rng).clip(-2.0, 2.0)
    distance = terrain.distance(box, centre, stretch) * (1.0 + 0.2 * noise)
    gate = soft(extent - distance, 0.4 * extent)
    free = terrain.space.model.inside[box]
    if lesion.style != "basal":
        free = free & terrain.same_room(box, centre)
    fluid = ((terrain.sulcal[box] - 0.05) / 0.2).clip(0.0, 1.0)
    fluid = fluid * soft(terrain.space.depth[box] - 2.5, 2.0) * free
    strength = brush.between(0.75, 1.0)
    hu = brush.hu("subarachnoid_blood") + 2.0 * terrain.noise(box, 3, rng)
    weight = (fluid * gate * strength).astype(np.float32)
    brush.canvas.paint(box, weight, hu, brush.part("dense_fluid"), 0.55)


def intraventricular(brush: Brush, lesion: Lesion) -> None:
    """Blood in ventricles; style "level" (it settles at the back), "cast" or "midline"."""
    terrain, rng = brush.terrain, brush.rng
    space = terrain.space
    if lesion.style == "midline":
        mask = terrain.box_mask(lesion.place) & space.model.inside
    else:
        mask = terrain.ventricle & terrain.side((slice(None),) * 3, lesion.side)
    box = bounds(mask)
    fluid = ((space.fluid[box] - 0.25) / 0.3).clip(0.0, 1.0) * mask[box]
    if lesion.style == "level":
        p = space.world[1][:, box[1]]
        back = float(p.max())
        level = back - lesion.size_mm
        fluid = fluid * soft(p - level + 0.1 * space.world[0][box[0]], 3.0)
    elif lesion.style == "cast":
        noise = terrain.noise(box, 12, rng)
        fluid = fluid * soft(noise + brush.between(0.3, 2.0), 0.8)
    hu = brush.hu("ventricular_blood") + 1.5 * terrain.noise(box, 3, rng)
    brush.canvas.paint(box, fluid.astype(np.float32), hu, brush.part("dense_fluid"), 0.4)
    if lesion.style == "cast":  # a filled ventricle is wider
        centre = np.array([float(i.mean()) for i in np.nonzero(mask)])
        brush.canvas.pushes.append(Growth(terrain.mm(centre), 9.0, brush.between(9.5, 12.0)))


def _crescent(
    brush: Brush, centre: Float64Array, thick: float, extent: float
) -> tuple[Box, FloatArray]:
    """Weight of a layer of even thickness that thins out at its ends, with its mass effect."""
    terrain = brush.terrain
    painted = min(1.0, max(_PAINTED, _SLACK_MM / thick))
    box = terrain.box(centre, extent + 2.0)
    noise = terrain.noise(box, 12, brush.rng).clip(-2.0, 2.0)
    across = terrain.distance(box, centre) / extent * (1.0 + 0.07 * noise)
    reach = thick * painted * (1.0 - across**3) * (1.0 + 0.1 * noise)
    free = terrain.space.model.inside[box] & terrain.same_room(box, centre)
    weight = soft(reach - terrain.space.depth[box], 2.5) * free
    if painted < 1.0:
        push = Inward(terrain.mm(centre), thick, 0.8 * extent, painted)
        brush.canvas.pushes.append(push)
    return box, np.asarray(weight, dtype=np.float32)


def _fill(brush: Brush, lesion: Lesion, box: Box, weight: FloatArray, centre: Float64Array) -> None:
    """Blood of an age; "mixed" is a level, layers or clots in old blood."""
    terrain, rng = brush.terrain, brush.rng
    texture = 1.2 * terrain.noise(box, 6, rng)
    names = {"acute": "fresh_blood", "subacute": "subacute_blood", "chronic": "old_blood"}
    if lesion.acuity != "mixed":
        shows = "pale_fluid" if lesion.acuity == "chronic" else "dense_fluid"
        hu = brush.hu(names.get(str(lesion.acuity), "fresh_blood")) + texture
        brush.canvas.paint(box, weight, hu, brush.part(shows))
        return
    brush.canvas.paint(box, weight, brush.hu("old_blood") + texture, brush.part("pale_fluid"))
    form = rng.random()
    if form < 0.5:
        p = (np.arange(box[1].start, box[1].stop) - centre[1]) * terrain.spacing[1]
        dense = soft(p - brush.between(-15.0, 15.0), 5.0)[None, :, None]
    elif form < 0.75:
        dense = soft(terrain.space.depth[box] - brush.between(2.0, 2.0 + 0.2 * lesion.size_mm), 2.0)
    else:
        dense = soft(terrain.noise(box, 6, rng) - brush.between(-0.2, 0.6), 0.6)
    part = brush.part("dense_fluid")
    brush.canvas.paint(box, weight * dense, brush.hu("subacute_blood") + texture, part)


def _along_dura(brush: Brush, lesion: Lesion) -> None:
    """A thin layer along the falx or on the tentorium."""
    terrain, rng = brush.terrain, brush.rng
    _, p, l = terrain.space.world  # noqa: E741
    half = 0.5 * lesion.size_mm
    if lesion.style == "falx":
        mask = terrain.box_mask("falx") & terrain.side((slice(None),) * 3, lesion.side)
        box = bounds(mask)
        away = np.abs(l[..., box[2]])
        y = brush.between(-50.0, 30.0)
        ends = ((-p[:, box[1]] - y) / brush.between(28.0, 60.0)) ** 2
        near = np.sqrt((1.0 - ends).clip(0.0))
    else:
        mask = terrain.space.model.inside & ~terrain.space.infratentorial
        mask &= terrain.box_mask("tentorium") & terrain.side((slice(None),) * 3, lesion.side)
        box = bounds(mask)
        away = terrain.tentorium[box]
        reach = max(3.0, float(terrain.tentorium[mask].min()) + 1e-3)  # where voxels are large
        start = int(rng.choice(np.flatnonzero(mask & (terrain.tentorium < reach))))
        centre = np.array(np.unravel_index(start, terrain.shape), dtype=np.float64)
        ends = (terrain.distance(box, centre) / brush.between(25.0, 45.0)) ** 2
        near = np.sqrt((1.0 - ends).clip(0.0))
    wavy = 1.0 + 0.15 * terrain.noise(box, 12, rng).clip(-2.0, 2.0)
    inside: BoolArray = mask[box] & terrain.space.model.inside[box]
    weight = soft(2.0 * half * wavy * near - away, 2.0) * inside
    name = "fresh_blood" if lesion.acuity == "acute" else "subacute_blood"
    brush.canvas.paint(box, weight, brush.hu(name), brush.part("dense_fluid"))
