"""Lesions of brain tissue: haematoma, contusion, tumour, oedema."""

from __future__ import annotations

import numpy as np

from crossdl.plugins.cohorts._phantom_brush import Brush, Lesion
from crossdl.plugins.cohorts._phantom_mass import Growth
from crossdl.plugins.cohorts._phantom_voxels import soft
from crossdl.types import Float64Array, FloatArray

_PAINTED = 0.74
"""Radius as painted; the rest is gained by displacing brain."""


def haematoma(brush: Brush, lesion: Lesion) -> None:
    """Bleeding into brain tissue; the older, the wider its rim of oedema and the paler its edge."""
    terrain, rng = brush.terrain, brush.rng
    old = lesion.acuity in ("subacute", "chronic")
    final = lesion.size_mm
    radius = final * _PAINTED
    centre = terrain.place(lesion.place, lesion.side, "deep", rng)
    axes = np.exp(rng.normal([0.05, 0.22, -0.2], 0.12))  # longest from front to back
    edge = brush.between(0.5, 1.5) + final * (brush.between(0.25, 0.5) if old else 0.14)
    box, distance = brush.lump(centre, radius, axes, 0.13, 2.0 * edge)
    for _ in range(int(rng.integers(0, 3)) if final > 8.0 else 0):
        aside = centre + rng.normal(0.0, 0.6 * radius, 3) / terrain.spacing
        lobe = terrain.distance(box, aside) + radius * brush.between(0.3, 0.55)
        distance = np.minimum(distance, lobe)
    room = brush.room(box, centre)
    if lesion.acuity != "acute" or final > 7.0:
        around = soft(radius + edge - distance, 3.0)
        reach = brush.fingers(box, distance, radius + 2.2 * edge, centre)
        rim = np.maximum(around, 0.85 * reach) * room
        brush.canvas.paint(box, rim, brush.hu("oedema"), brush.part("pale_brain"))
    speckle = terrain.noise(box, 3, rng) * np.float32(brush.between(1.0, 3.5))
    hu = brush.hu("fresh_blood" if not old else "fading_blood") + speckle
    width = 2.0
    if old:  # fades from the rim
        width = final * brush.between(0.3, 0.6)
        distance = distance + width * 0.25
    room = np.maximum(room, 0.8 * terrain.same_room(box, centre) * ~terrain.ventricle[box])
    room = room * (terrain.space.depth[box] > 2.5)
    core = soft(radius - distance, width) * room
    if lesion.style == "level":  # cells settle behind plasma
        height = (np.arange(box[1].start, box[1].stop) - centre[1]) * terrain.spacing[1]
        front = soft(-(height + brush.between(-0.3, 0.2) * radius), 2.5)[None, :, None]
        brush.canvas.paint(box, core, hu, brush.part("dense_brain"))
        serum = core * front
        brush.canvas.paint(box, serum, brush.hu("plasma"), brush.part("pale_brain"))
    else:
        brush.canvas.paint(box, core, hu, brush.part("dense_brain"))
    brush.canvas.pushes.append(Growth(terrain.mm(centre), radius, final))


def contusion(brush: Brush, lesion: Lesion) -> None:
    """Bruised cortex: small bleedings of different size mixed with oedema."""
    terrain, rng = brush.terrain, brush.rng
    radius = lesion.size_mm * 0.85
    centre = terrain.place(lesion.place, lesion.side, "deep", rng)
    box, distance = brush.lump(centre, radius, np.exp(rng.normal(0.0, 0.15, 3)), 0.2, 4.0)
    room = brush.room(box, centre, 0.8)
    late = lesion.acuity != "acute"
    halo = soft(radius * (1.25 if late else 1.0) - distance, 5.0) * room
    pale = brush.hu("oedema")
    brush.canvas.paint(box, halo, pale, brush.part("pale_brain"))
    grain = terrain.noise(box, 3, rng) + 0.6 * terrain.noise(box, 6, rng)
    inner = 1.0 - (distance / radius).clip(0.0, 1.5)
    cortex = 0.4 * terrain.space.model.grey[box]
    spots = soft(grain + 1.5 * inner + cortex - brush.between(0.5, 1.1), 0.5) * room
    spots *= soft(radius - distance, 3.0)
    brush.canvas.paint(box, spots, brush.hu("bruise") + 3.0 * grain, brush.part("dense_brain"))
    brush.canvas.pushes.append(Growth(terrain.mm(centre), radius, lesion.size_mm))


def tumour(brush: Brush, lesion: Lesion) -> None:
    """A mass: style "solid", "dense", "pale" or "ring" (necrotic middle), with oedema around."""
    terrain, rng = brush.terrain, brush.rng
    final, radius = lesion.size_mm, lesion.size_mm * 0.8
    centre = terrain.place(lesion.place, lesion.side, "deep", rng)
    reach = radius + brush.between(5.0, 17.0) * (0.4 if lesion.style == "pale" else 1.0)
    box, distance = brush.lump(centre, radius, np.exp(rng.normal(0.0, 0.1, 3)), 0.1, reach)
    oedema = brush.fingers(box, distance, reach, centre)
    brush.canvas.paint(box, oedema, brush.hu("oedema"), brush.part("pale_brain"))
    core = soft(radius - distance, 3.0) * brush.room(box, centre)
    texture = 1.5 * terrain.noise(box, 3, rng)
    density = {"dense": "dense_tumour", "pale": "pale_tumour"}.get(lesion.style, "solid_tumour")
    shows = {"dense": "dense_brain", "pale": "pale_brain"}.get(lesion.style)
    brush.canvas.paint(box, core, brush.hu(density) + texture, brush.part(shows))
    if lesion.style == "ring":
        dead = soft(radius * brush.between(0.5, 0.75) - distance, 3.0) * core
        brush.canvas.paint(box, dead, brush.hu("necrosis"), brush.part("pale_brain"))
    brush.canvas.pushes.append(Growth(terrain.mm(centre), radius, final))


def oedema(brush: Brush, lesion: Lesion) -> None:
    """Finger-like oedema of white matter around something too small or too like brain to see."""
    centre = brush.terrain.place(lesion.place, lesion.side, "deep", brush.rng)
    radius = lesion.size_mm
    box, distance = brush.lump(centre, radius, np.exp(brush.rng.normal(0.0, 0.2, 3)), 0.15, 4.0)
    weight = brush.fingers(box, distance, radius, centre)
    brush.canvas.paint(box, weight, brush.hu("oedema"), brush.part("pale_brain"))
    mm = brush.terrain.mm(centre)
    brush.canvas.pushes.append(Growth(mm, 0.6 * radius, 0.66 * radius))


def encephalomalacia(brush: Brush, lesion: Lesion) -> None:
    """Lost tissue: fluid in the middle, a paler rim, and the ventricle drawn towards it."""
    terrain, rng = brush.terrain, brush.rng
    radius = lesion.size_mm
    centre = terrain.place(lesion.place, lesion.side, "deep", rng)
    box, distance = brush.lump(centre, radius, np.exp(rng.normal(0.0, 0.25, 3)), 0.22, 6.0)
    free = np.maximum(brush.room(box, centre), terrain.sulcal[box])
    free = free * terrain.same_room(box, centre)
    part = brush.part("pale_brain")
    rim = soft(radius * brush.between(1.1, 1.3) - distance, 4.0) * free
    brush.canvas.paint(box, rim, brush.hu("gliosis"), part)
    core = soft(radius - distance, 3.0) * free
    brush.canvas.paint(box, core, brush.hu("cavity"), part)
    if radius > 8.0:
        shrunk = radius - min(6.0, brush.between(0.15, 0.35) * radius)
        brush.canvas.pushes.append(Growth(terrain.mm(centre), radius, shrunk))


def infarct(brush: Brush, lesion: Lesion) -> None:
    """Dead tissue; style is a territory, "wedge" for a branch of one, or "lacune"."""
    terrain, rng = brush.terrain, brush.rng
    if lesion.style == "lacune":
        centre = terrain.place(lesion.place, lesion.side, "deep", rng)
        axes = np.exp(rng.normal(0.0, 0.25, 3))
        box, distance = brush.lump(centre, lesion.size_mm, axes, 0.15)
        weight = soft(lesion.size_mm - distance, 2.5) * brush.room(box, centre)
        brush.canvas.paint(box, weight, brush.hu("lacune"), brush.part("pale_brain"))
        return
    where = "plate" if lesion.style == "wedge" else "deep"
    centre = terrain.place(lesion.place, lesion.side, where, rng)
    weight_of = _wedge if lesion.style == "wedge" else _territory
    box, weight = weight_of(brush, lesion, centre)
    space = terrain.space
    swollen = lesion.acuity == "subacute"
    density = {"acute": "fresh_infarct", "chronic": "old_infarct"}.get(
        str(lesion.acuity), "infarct"
    )
    hu = brush.hu(density) + 1.2 * terrain.noise(box, 6, rng)
    if lesion.acuity != "chronic":  # grey matter stays a little denser than white
        hu = hu + (2.0 if swollen else 3.0) * space.model.grey[box]
    fluid = (space.fluid[box] - 0.25).clip(0.0, 0.6) / 0.6
    weight = weight * (1.0 - (0.45 if swollen else 1.0) * fluid)
    brush.canvas.paint(box, weight.astype(np.float32), hu, brush.part("pale_brain"))
    radius = float(np.cbrt(float(weight.sum()) * float(np.prod(terrain.spacing)) / 4.19))
    if radius > 10.0 and lesion.acuity != "acute":
        grown = radius * (1.12 if swollen else 0.93)
        middle = np.array([np.mean(i) for i in np.nonzero(weight > 0.5)]) + [b.start for b in box]
        brush.canvas.pushes.append(Growth(terrain.mm(middle), radius, grown))


def _wedge(
    brush: Brush, lesion: Lesion, centre: Float64Array
) -> tuple[tuple[slice, ...], FloatArray]:
    """A cone from the depth of the brain to the cortex around ``centre``."""
    terrain, rng = brush.terrain, brush.rng
    half = lesion.size_mm
    box = terrain.box(centre, 1.5 * half + 30.0)
    inward = terrain.inward_at(terrain.mm(centre))
    length = brush.between(1.6, 2.4) * half
    offset = [
        (np.arange(b.start, b.stop) - c) * step
        for b, c, step in zip(box, centre, terrain.spacing, strict=True)
    ]
    d, h, w = offset[0][:, None, None], offset[1][None, :, None], offset[2][None, None, :]
    along = inward[0] * d + inward[1] * h + inward[2] * w
    across = np.sqrt((d**2 + h**2 + w**2 - along**2).clip(0.0))
    noise = terrain.noise(box, 6, rng).clip(-2.0, 2.0)
    radius = half * (1.0 - (along / length)).clip(0.0, 1.15) * (1.0 + 0.14 * noise)
    weight = soft(radius - across, 4.0) * soft(length - along, 4.0)
    tissue = terrain.space.model.inside[box] & terrain.same_room(box, centre)
    tissue &= terrain.space.parenchyma[box] | (terrain.sulcal[box] > 0.0)
    return box, np.asarray(weight * tissue, dtype=np.float32)


def _territory(
    brush: Brush, lesion: Lesion, centre: Float64Array
) -> tuple[tuple[slice, ...], FloatArray]:
    """What an artery supplies, within ``size_mm`` of ``centre``, with an uneven border."""
    from scipy import ndimage

    terrain, rng = brush.terrain, brush.rng
    box = terrain.box(centre, 1.3 * lesion.size_mm + 6.0)
    aside = [  # borders of territories differ between people
        (at + np.rint(3.0 * terrain.noise(box, 12, rng)).astype(np.intp)).clip(0, n - 1)
        for at, n in zip(np.ogrid[box], terrain.shape, strict=True)
    ]
    inside = terrain.territory[tuple(aside)] == terrain.territory_names.index(lesion.style) + 1
    inside &= terrain.same_room(box, centre) & terrain.space.model.inside[box]
    noise = terrain.noise(box, 12, rng).clip(-2.0, 2.0)
    near = soft(lesion.size_mm * (1.0 + 0.12 * noise) - terrain.distance(box, centre), 6.0)
    smooth = ndimage.gaussian_filter(inside.astype(np.float32), 1.5) + 0.08 * noise
    return box, np.asarray(soft(smooth - 0.5, 0.35) * near * inside, dtype=np.float32)
