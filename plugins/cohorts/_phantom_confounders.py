"""What is visible on a head CT but is no abnormality by the labels' definitions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from crossdl.plugins.cohorts._phantom_brush import Brush
from crossdl.plugins.cohorts._phantom_voxels import Box, bounds, soft
from crossdl.types import BoolArray, Float64Array

_BONE_HU = 200.0


def white_matter_ischaemia(brush: Brush) -> None:
    """Caps at the horns of the ventricles and patches of paler white matter, on both sides."""
    terrain = brush.terrain
    box = bounds(terrain.space.parenchyma)
    reach = brush.between(3.0, 13.0)
    noise = terrain.noise(box, 6, brush.rng)
    patchy = terrain.noise(box, 3, brush.rng)
    near = soft(reach * (1.0 + 0.3 * noise) - terrain.ventricle_distance[box], 5.0)
    patches = soft(patchy + 0.5 * noise - brush.between(1.2, 2.6), 0.6)
    patches *= soft(32.0 - terrain.ventricle_distance[box], 12.0)
    white = ((terrain.space.model.white[box] - 0.6) / 0.3).clip(0.0, 1.0)
    weight = np.maximum(near, 0.8 * patches) * white * ~terrain.space.infratentorial[box]
    brush.canvas.tint(box, (brush.between(0.5, 1.0) * weight).astype(np.float32), brush.hu("pale"))


def choroid_calcification(brush: Brush) -> None:
    """Dense choroid plexus in the trigones."""
    at = np.array([brush.between(20.0, 27.0), brush.between(-44.0, -34.0), brush.between(4.0, 14)])
    for side in (-1.0, 1.0) if brush.chance(0.85) else (1.0,):
        _speck(brush, at * [side, 1.0, 1.0], brush.between(2.0, 4.5), (1.0, 1.4, 1.0))


def pineal_calcification(brush: Brush) -> None:
    """A dense dot behind the third ventricle."""
    _speck(brush, np.array([0.0, -30.0, 3.0]), brush.between(1.6, 3.2), (1.0, 1.0, 1.0))


def falx_calcification(brush: Brush) -> None:
    """Plates in the falx."""
    for _ in range(int(brush.rng.integers(1, 4))):
        at = np.array([0.0, brush.between(-30.0, 45.0), brush.between(35.0, 60.0)])
        _speck(brush, at, brush.between(4.0, 8.0), (0.9, 1.2, 0.25))


def basal_ganglia_calcification(brush: Brush) -> None:
    """Dense globus pallidus, nearly the same on both sides."""
    at = np.array([19.0, brush.between(-6.0, 2.0), brush.between(-2.0, 4.0)])
    size = brush.between(2.0, 4.5)
    for side in (-1.0, 1.0):
        _speck(brush, at * [side, 1.0, 1.0], size * brush.between(0.8, 1.2), (1.0, 1.5, 0.7))


def vessel_calcification(brush: Brush) -> None:
    """Dense walls of the carotid siphons or the vertebral arteries."""
    low = brush.chance(0.3)
    at = np.array([9.0, -38.0, -58.0] if low else [12.0, 2.0, -22.0])
    for side in (-1.0, 1.0):
        if brush.chance(0.8):
            shift = brush.rng.normal(0.0, 1.5, 3)
            _speck(brush, at * [side, 1.0, 1.0] + shift, brush.between(1.2, 2.4), (1.3, 1, 0.7))


def fracture(brush: Brush) -> None:
    """A thin line through the vault."""
    terrain, rng = brush.terrain, brush.rng
    place = str(rng.choice(["frontal_lobe", "temporal_lobe", "parietal_lobe", "occipital_lobe"]))
    centre = terrain.place(place, 0, "plate", rng)
    box = terrain.box(centre, brush.between(22.0, 45.0))
    normal = rng.standard_normal(3)
    offset = [
        ((np.arange(b.start, b.stop) - c) * step * n).astype(np.float32)
        for b, c, step, n in zip(box, centre, terrain.spacing, normal, strict=True)
    ]
    plane = offset[0][:, None, None] + offset[1][None, :, None] + offset[2][None, None, :]
    plane = plane / np.float32(np.linalg.norm(normal)) + 1.5 * terrain.noise(box, 6, rng)
    line = soft(brush.between(0.7, 1.5) - np.abs(plane), 1.2) * _vault(brush, box)
    brush.canvas.tint(box, line, brush.between(20.0, 80.0))


def scalp_swelling(brush: Brush) -> None:
    """Blood or fluid under the scalp, outside the skull."""
    terrain, rng = brush.terrain, brush.rng
    place = str(rng.choice(["frontal_lobe", "parietal_lobe", "occipital_lobe", "temporal_lobe"]))
    centre = terrain.place(place, 0, "plate", rng)
    extent, thick = brush.between(20.0, 45.0), brush.between(4.0, 13.0)
    box = terrain.box(centre, extent + 20.0)
    noise = terrain.noise(box, 12, rng).clip(-2.0, 2.0)
    across = terrain.distance(box, centre) / (extent + 10.0) * (1.0 + 0.1 * noise)
    bulge = thick * (1.0 - across**2)
    over = (terrain.above_skin[box] > 0.0) & (terrain.outside[box] > 0.0)
    brush.canvas.tint(box, soft(bulge - terrain.above_skin[box], 2.0) * over, brush.hu("skin"))
    scalp = (brush.canvas.hu[box] < _BONE_HU) & (terrain.outside[box] > 5.0)
    inner = soft(bulge - 2.5 - terrain.above_skin[box], 2.0) * scalp
    brush.canvas.tint(box, inner, brush.hu("scalp_blood"))


def post_operative(brush: Brush) -> None:
    """A burr hole or a flap of bone with cuts, gas under it, a drain or a clip."""
    terrain, rng = brush.terrain, brush.rng
    place = str(rng.choice(["frontal_lobe", "temporal_lobe", "parietal_lobe"]))
    centre = terrain.place(place, 0, "plate", rng)
    burr = brush.chance(0.35)
    size = brush.between(5.0, 7.0) if burr else brush.between(22.0, 38.0)
    box = terrain.box(centre, size + 18.0)
    away = terrain.distance(box, centre) * (1.0 + 0.05 * terrain.noise(box, 12, rng))
    hole = soft(size - away, 2.0) if burr else soft(1.8 - np.abs(size - away), 1.5)
    brush.canvas.tint(box, hole * _vault(brush, box), brush.hu("scar"))
    scalp = (terrain.outside[box] > 6.0) & (brush.canvas.hu[box] > -300.0)
    scalp &= brush.canvas.hu[box] < _BONE_HU
    puffy = soft(size + 8.0 - away, 8.0) * scalp
    brush.canvas.tint(box, puffy * 0.8, brush.hu("scalp_blood"))
    inside = terrain.space.model.inside[box]
    if brush.chance(0.5):  # gas rises to the front
        p = (np.arange(box[1].start, box[1].stop) - centre[1]) * terrain.spacing[1]
        front = soft(-(p[None, :, None] + 4.0), 4.0)
        thick = brush.between(1.0, 4.0)
        gas = soft(thick - terrain.space.depth[box], 2.0) * soft(0.8 * size - away, 4.0)
        brush.canvas.tint(box, gas * inside * front, -800.0)
    if brush.chance(0.25):
        _drain(brush, centre)
    if not burr and brush.chance(0.3):
        deep = terrain.place(place, 0, "deep", rng)
        spot = terrain.box(deep, 6.0)
        clip = terrain.distance(spot, deep, (1.0, 2.2, 1.0)) < brush.between(1.2, 2.0)
        brush.canvas.tint(spot, clip.astype(np.float32), 2800.0)
        brush.canvas.metal[spot] |= clip


def _drain(brush: Brush, start: Float64Array) -> None:
    """A thin tube from the plate into the frontal horn."""
    terrain = brush.terrain
    side = 1 if terrain.mm(start)[2] > 0 else -1
    end = np.array([14.0, -10.0, 9.0 * side])  # LPS along D, H, W: before the foramen
    begin = terrain.mm(start)
    index = [axis.ravel()[0] for axis in terrain.space.world]
    length = float(np.linalg.norm(end - begin))
    steps = begin + np.linspace(0.0, 1.0, int(length) + 1)[:, None] * (end - begin)
    at = np.rint((steps - index) / terrain.spacing).astype(int)
    where = tuple(at[:, k].clip(0, n - 1) for k, n in enumerate(terrain.shape))
    brush.canvas.hu[where] = brush.between(90.0, 220.0)


def _speck(
    brush: Brush, mni: Float64Array, radius: float, axes: tuple[float, float, float]
) -> None:
    """Calcium around an MNI position; ``axes`` stretch along z, y, x."""
    terrain = brush.terrain
    mm = np.array([mni[2], -mni[1], -mni[0]]) + brush.rng.normal(0.0, 1.0, 3)
    first = np.array([axis.ravel()[0] for axis in terrain.space.world])
    centre = (mm - first) / terrain.spacing
    box, distance = brush.lump(centre, radius, axes, 0.2)
    weight = soft(radius - distance, 2.0)
    brush.canvas.tint(box, weight * terrain.space.model.inside[box], brush.hu("calcium"))


def _vault(brush: Brush, box: Box) -> BoolArray:
    """Bone of the vault."""
    outside = brush.terrain.outside[box]
    return np.asarray((brush.canvas.hu[box] > _BONE_HU) & (outside > 0.0) & (outside < 16.0))


DRAWN: dict[str, Callable[[Brush], None]] = {
    "white_matter_ischaemia": white_matter_ischaemia,
    "choroid_calcification": choroid_calcification,
    "pineal_calcification": pineal_calcification,
    "falx_calcification": falx_calcification,
    "basal_ganglia_calcification": basal_ganglia_calcification,
    "vessel_calcification": vessel_calcification,
    "fracture": fracture,
    "scalp_swelling": scalp_swelling,
    "post_operative": post_operative,
}
"""How each confounder is drawn; the others come with the patient or the scanner."""
