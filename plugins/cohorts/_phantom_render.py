"""One phantom scan from its seed: volume, regions and lesion masks on the scan's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.plugins.atlases._mni_head import AIR_HU
from crossdl.plugins.cohorts._phantom_config import PhantomConfig, ScannerRanges
from crossdl.plugins.cohorts._phantom_findings import Story
from crossdl.plugins.cohorts._phantom_head import (
    Space,
    make_body,
    make_pose,
    model_index,
    nearest,
    sample,
)
from crossdl.plugins.cohorts._phantom_painter import Painter
from crossdl.plugins.cohorts._phantom_scanner import HOLDERS, Exposure, scanned
from crossdl.plugins.cohorts._phantom_tissue import make_person, normal_hu
from crossdl.plugins.cohorts._phantom_truth import (
    findings,
    gold_matrix,
    other_places,
    slice_parts,
    visible_parts,
)
from crossdl.types import BoolArray, FloatArray, Grid, LabelArray

BONE_HU = 110.0
"""A voxel brighter than this is bone to an observer, even if part of it is a lesion."""

_SHEAR = 0.3


@dataclass(frozen=True, eq=False)
class Rendered:
    """One finished scan.

    Attributes:
        hu: ``(D, H, W)`` int16.
        labels: ``(D, H, W)`` true regions.
        masks: ``(M, D, H, W)`` lesions by type.
        grid: Where the voxels are.
        truth: Gold matrix ``(N + 2, M)``.
        story: What a report may tell.
    """

    hu: np.ndarray[tuple[int, ...], np.dtype[np.int16]]
    labels: LabelArray
    masks: BoolArray
    grid: Grid
    truth: FloatArray
    story: Story


def render(
    space: Space,
    painter: Painter,
    anatomy: Anatomy,
    config: PhantomConfig,
    patient: np.random.Generator,
    scan: np.random.Generator,
) -> Rendered:
    """Renders one scan.

    Args:
        space: The head model.
        painter: Paints lesions on it.
        anatomy: Regions and types.
        config: Ranges of everything drawn.
        patient: Generator of what stays the same between a patient's scans.
        scan: Generator of everything else.
    """
    person = make_person(patient, config.head)
    body = make_body(patient, config.head.deformation, person.atrophy, person.size)
    canvas = painter.canvas(normal_hu(space, person, patient))
    plan = painter.paint_patient(canvas, patient, scan, config)
    ranges = config.scanner
    sheared = scan.random() < ranges.sheared_rate
    pose = make_pose(
        scan,
        config.matrix,
        float(scan.uniform(*config.field_of_view_mm)),
        float(scan.uniform(*config.thickness_mm)),
        config.slices,
        body,
        ranges.turn_degrees,
        ranges.pitch_degrees,
        float(scan.uniform(-_SHEAR, _SHEAR)) if sheared else 0.0,
    )
    thin = ranges.collimation
    index = model_index(space, body, pose, thin)
    np.maximum(index[0], 0.0, out=index[0])  # below the model the neck goes on
    count = pose.grid.shape[0]

    def averaged(array: FloatArray, outside: float) -> FloatArray:
        fine = sample(array, index, outside)
        return np.asarray(fine.reshape(count, thin, *fine.shape[1:]).mean(axis=1))

    image = averaged(canvas.hu, AIR_HU)
    metal = averaged(canvas.metal.astype(np.float32), 0.0) if canvas.metal.any() else None
    centres = index.reshape(3, count, thin, *index.shape[2:]).mean(axis=2)
    labels = nearest(canvas.labels, centres)
    voxel_ml = float(np.prod(pose.grid.spacing)) / 1000.0
    shown = slice_parts(nearest(canvas.parts, index), thin)
    parts, masks = visible_parts(shown, canvas, labels, image < BONE_HU, voxel_ml)
    truth = gold_matrix(masks, labels, anatomy, voxel_ml)
    story = Story(
        findings(parts, canvas, plan.lesions, labels, truth, pose.grid),
        plan.told,
        canvas.shift_mm,
        other_places(masks, labels, truth, anatomy, lambda m: painter.seat(centres[:, m])),
    )
    if scan.random() < ranges.motion_rate:
        _move(image, pose.grid, scan)
    exposure = _exposure(ranges, float(scan.uniform(*config.noise_hu)), scan)
    image = scanned(image, metal, pose.grid, exposure, scan)
    whole = np.rint(image.clip(AIR_HU - 24.0, 3071.0)).astype(np.int16)
    return Rendered(whole, labels, masks, pose.grid, truth, story)


def _exposure(ranges: ScannerRanges, noise_hu: float, rng: np.random.Generator) -> Exposure:
    if rng.random() < ranges.low_dose_rate:
        noise_hu *= float(rng.uniform(1.6, 2.4))
    return Exposure(
        noise_hu=noise_hu,
        blur_mm=float(rng.uniform(*ranges.blur_mm)),
        edge=float(rng.uniform(*ranges.edge)),
        grain_mm=float(rng.uniform(*ranges.grain_mm)),
        veil=float(rng.uniform(*ranges.veil)),
        hardening=float(rng.uniform(*ranges.hardening)),
        streaks=float(rng.uniform(*ranges.streaks)),
        holder=float(rng.uniform(-60.0, 180.0)) if rng.random() < ranges.holder_rate else None,
        shape=HOLDERS[int(rng.choice(len(HOLDERS), p=(0.5, 0.3, 0.2)))],
        tubes=int(rng.integers(1, 7)) if rng.random() < ranges.tube_rate else 0,
    )


def _move(image: FloatArray, grid: Grid, rng: np.random.Generator) -> None:
    """Doubles the contours of some neighbouring slices: the head moved while they were taken."""
    from scipy import ndimage

    first = int(rng.integers(0, len(image)))
    some = image[first : first + int(rng.integers(2, 8))]
    way = rng.uniform(-3.0, 3.0, 2) / np.array(grid.spacing[1:])
    moved = ndimage.shift(some, (0.0, *way), order=1, mode="nearest")
    some *= 0.5
    some += 0.5 * moved
