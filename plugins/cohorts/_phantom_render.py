"""One phantom scan from its seed: volume, regions and lesion masks on the scan's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.plugins.atlases._mni_head import AIR_HU
from crossdl.plugins.cohorts._phantom_head import (
    Space,
    make_body,
    make_pose,
    model_index,
    nearest,
    sample,
)
from crossdl.plugins.cohorts._phantom_findings import Story
from crossdl.plugins.cohorts._phantom_painter import Painter
from crossdl.plugins.cohorts._phantom_truth import (
    findings,
    gold_matrix,
    other_places,
    slice_parts,
    visible_parts,
)
from crossdl.types import BoolArray, FloatArray, Grid, LabelArray

PARTS = 2
"""Thinner slices that are averaged into one, as a scanner's collimation does."""

BONE_HU = 110.0
"""A voxel brighter than this is bone to an observer, even if part of it is a lesion."""


@dataclass(frozen=True)
class Recipe:
    """What a scan is made of, besides its seed.

    Attributes:
        matrix: Voxels along H and W.
        spacing_mm: Range of the voxel edge in the slice.
        thickness_mm: Range of the slice thickness, equal to the slice distance.
        slices: Fewest and most slices.
        positive_rate: Share of scans with lesions; None is natural prevalence.
        lesion_contrast: Widening of every range of lesion densities; 1 leaves them.
        noise_hu: Range of the standard deviation of noise.
        deformation: Strength of the individual shape; 1 is usual.
    """

    matrix: int
    spacing_mm: tuple[float, float]
    thickness_mm: tuple[float, float]
    slices: tuple[int, int]
    positive_rate: float | None
    lesion_contrast: float
    noise_hu: tuple[float, float]
    deformation: float


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
    recipe: Recipe,
    patient: np.random.Generator,
    scan: np.random.Generator,
) -> Rendered:
    """Renders one scan.

    Args:
        space: The head model.
        painter: Paints lesions on it.
        anatomy: Regions and types.
        recipe: Ranges of everything drawn.
        patient: Generator of what stays the same between a patient's scans.
        scan: Generator of everything else.
    """
    body = make_body(patient, recipe.deformation)
    hu = space.normal_hu(patient)
    canvas = painter.canvas(hu)
    plan = painter.paint_patient(canvas, patient, scan, recipe)
    pose = make_pose(
        scan,
        recipe.matrix,
        float(scan.uniform(*recipe.spacing_mm)),
        float(scan.uniform(*recipe.thickness_mm)),
        recipe.slices,
        body,
    )
    index = model_index(space, body, pose, PARTS)
    count = pose.grid.shape[0]
    thin = sample(canvas.hu, index, AIR_HU)
    image = thin.reshape(count, PARTS, *thin.shape[1:]).mean(axis=1)
    centres = index.reshape(3, count, PARTS, *thin.shape[1:]).mean(axis=2)
    labels = nearest(canvas.labels, centres)
    voxel_ml = float(np.prod(pose.grid.spacing)) / 1000.0
    shown = slice_parts(nearest(canvas.parts, index), PARTS)
    parts, masks = visible_parts(shown, canvas, labels, image < BONE_HU, voxel_ml)
    truth = gold_matrix(masks, labels, anatomy, voxel_ml)
    story = Story(
        findings(parts, canvas, plan.lesions, labels, truth, pose.grid),
        plan.told,
        canvas.shift_mm,
        other_places(masks, labels, truth, anatomy, lambda m: painter.seat(centres[:, m])),
    )
    _add_holder(image, pose.grid, scan)
    image += _noise(image.shape, float(scan.uniform(*recipe.noise_hu)), scan)
    whole = np.rint(image.clip(AIR_HU - 24.0, 3071.0)).astype(np.int16)
    return Rendered(whole, labels, masks, pose.grid, truth, story)


def _add_holder(image: FloatArray, grid: Grid, rng: np.random.Generator) -> None:
    """The head holder: a thin shell behind the head, the same in every slice."""
    _, h, w = grid.spacing
    y = (np.arange(image.shape[1]) - (image.shape[1] - 1) / 2)[:, None] * h
    x = (np.arange(image.shape[2]) - (image.shape[2] - 1) / 2)[None, :] * w
    half = min(abs(float(y[0, 0])), abs(float(x[0, 0])))
    radius = np.sqrt(x**2 + (y + 8.0) ** 2)
    shell = (np.abs(radius - rng.uniform(0.97, 1.06) * half) < 1.8) & (y > 0.35 * half)
    air = image < -800.0
    image[shell[None] & air] = rng.uniform(-150.0, 100.0)


def _noise(shape: tuple[int, ...], sd: float, rng: np.random.Generator) -> FloatArray:
    """Noise correlated over neighbouring voxels of a slice."""
    from scipy import ndimage

    noise = rng.standard_normal(shape, dtype=np.float32)
    noise = ndimage.gaussian_filter1d(noise, 0.6, axis=1)
    noise = ndimage.gaussian_filter1d(noise, 0.6, axis=2)
    return np.asarray(noise * np.float32(sd / 0.50), dtype=np.float32)
