"""From a displacement field to labels on the patient's grid, and measures of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.registration.images import grid_of, resample
from crossdl.registration.input_checks import SOFT_TISSUE_HU
from crossdl.registration.prepare import Prepared
from crossdl.types import BoolArray, Float64Array, Grid, LabelArray, Volume

if TYPE_CHECKING:
    import numpy.typing as npt


_SMOOTH_MM = 4.0
"""Standard deviation of the Gaussian before brains are compared: noise and sulci go."""


def carry_labels(prepared: Prepared, displacement: npt.NDArray[Any], volume: Volume) -> LabelArray:
    """The atlas's regions on the grid of ``volume``.

    Args:
        prepared: What the tool registered.
        displacement: ``(D, H, W, 3)`` on the working grid: LPS mm from a point of the patient to
            its point in the moved template.
        volume: The patient.

    Returns:
        ``(D, H, W)`` uint8; 0 outside the working grid.
    """
    working = prepared.working_grid
    d, h, w = working.shape
    corners = np.array(np.meshgrid((-0.5, d - 0.5), (-0.5, h - 0.5), (-0.5, w - 0.5)))
    world = working.index_to_world(corners.reshape(3, -1).T)
    index = volume.grid.world_to_index(world)
    start = np.clip(np.floor(index.min(axis=0)).astype(int), 0, volume.grid.shape)
    stop = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, start, volume.grid.shape)
    labels = np.zeros(volume.grid.shape, dtype=np.uint8)
    if (stop > start).all():
        affine = volume.grid.affine.copy()
        affine[:3, 3] = volume.grid.index_to_world(start)
        size = stop - start
        crop = Grid((int(size[0]), int(size[1]), int(size[2])), affine)
        box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
        labels[box] = _array(_warp(prepared, displacement, prepared.labels, crop, 0, True))
    return labels


def measure(
    prepared: Prepared, displacement: npt.NDArray[Any], brain_window: tuple[float, float]
) -> dict[str, float]:
    """Deterministic measures of a registration on the working grid.

    Args:
        prepared: What the tool registered.
        displacement: ``(D, H, W, 3)``, see :func:`carry_labels`.
        brain_window: Lowest and highest HU of brain, fluid and blood.

    Returns:
        ``similarity``: correlation of warped template and patient (windowed HU) inside the fixed
        mask, -1 to 1. ``brain_similarity``: the same inside the carried regions, in the narrower
        window and smoothed, so that skull and air do not decide it. ``alignment_similarity``: the
        same after the first alignment alone, which cannot bend one structure into another: a
        head that is upside down is told by it. ``head_dice``: overlap of the heads inside the
        mask, 0 to 1. ``folded_fraction``: part of the head where the Jacobian determinant of the
        transform is not positive. ``displacement_mm``: 95th percentile of its length there.
    """
    grid = prepared.working_grid
    mask = _array(prepared.fixed_mask) > 0
    fixed = _array(prepared.fixed)
    warped, brain = _template_at(prepared, displacement)
    head = (_array(_warp(prepared, displacement, prepared.moving_head, grid, 0, True)) > 0) & mask
    own = (_array(prepared.fixed_head) > 0) & mask
    determinant = _jacobian(displacement, grid)
    length = np.linalg.norm(displacement, axis=-1)
    still, at_first = _template_at(prepared, np.zeros_like(displacement))
    return {
        "similarity": _correlation(warped[mask], fixed[mask]),
        "brain_similarity": _brain_similarity(prepared, warped, brain & mask, brain_window),
        "alignment_similarity": _brain_similarity(prepared, still, at_first & mask, brain_window),
        "head_dice": float(2 * (head & own).sum() / max(1, head.sum() + own.sum())),
        "folded_fraction": float((determinant[own] <= 0).mean()) if own.any() else 1.0,
        "displacement_mm": float(np.percentile(length[own], 95)) if own.any() else 0.0,
    }


def _template_at(
    prepared: Prepared, displacement: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], BoolArray]:
    """The template on the working grid after a displacement, and where it has regions."""
    grid, outside = prepared.working_grid, float(_array(prepared.fixed).min())
    warped = _array(_warp(prepared, displacement, prepared.moving, grid, outside, False))
    labels = _array(_warp(prepared, displacement, prepared.labels, grid, 0, True))
    return warped, labels > 0


def _brain_similarity(
    prepared: Prepared,
    warped: npt.NDArray[Any],
    brain: BoolArray,
    window: tuple[float, float],
) -> float:
    pair = (warped, _array(prepared.fixed))
    smooth = [_smooth(np.clip(a, *window), prepared.working_grid)[brain] for a in pair]
    return _correlation(*smooth)


def displacement_image(prepared: Prepared, displacement: npt.NDArray[Any]) -> Any:
    """A displacement field ``(D, H, W, 3)`` on the working grid as a SimpleITK image."""
    import SimpleITK as sitk

    field = sitk.GetImageFromArray(np.asarray(displacement, dtype=np.float64), isVector=True)
    field.CopyInformation(prepared.fixed)
    return field


def region_volumes(labels: LabelArray, grid: Grid, anatomy: Anatomy) -> dict[str, float]:
    """Millilitres of every region of the anatomy."""
    voxel_ml = abs(float(np.linalg.det(grid.affine[:3, :3]))) * 1e-3
    counts = np.bincount(labels.ravel(), minlength=anatomy.n_regions + 1)
    return {
        name: float(count * voxel_ml)
        for name, count in zip(anatomy.region_names, counts[1:], strict=False)
    }


def side_ratios(volumes: Mapping[str, float], anatomy: Anatomy) -> dict[str, float | None]:
    """Per paired part: volume of the first-named side over its mirror's; None if that is empty."""
    ratios: dict[str, float | None] = {}
    for region in anatomy.regions:
        if region.mirror != region.name and region.part not in ratios:
            other = volumes[region.mirror]
            ratios[region.part] = volumes[region.name] / other if other > 0 else None
    return ratios


def region_shares(labels: LabelArray, anatomy: Anatomy) -> dict[str, float]:
    """Every region's part of the volume of all regions; 0 to 1."""
    counts = np.bincount(labels.ravel(), minlength=anatomy.n_regions + 1)[1:]
    total = max(1, int(counts.sum()))
    return {n: float(c) / total for n, c in zip(anatomy.region_names, counts, strict=False)}


def soft_tissue_fraction(labels: LabelArray, volume: Volume) -> float:
    """Part of the regions' voxels whose HU are those of brain, fluid or blood; 0 to 1."""
    inside = volume.array[labels > 0]
    low, high = SOFT_TISSUE_HU
    return float(((inside >= low) & (inside <= high)).mean()) if inside.size else 0.0


def coverage(prepared: Prepared, grid: Grid) -> float:
    """Part of the atlas's regions, placed by the first alignment, inside a scan's grid; 0 to 1."""
    index = np.argwhere(_array(prepared.labels) > 0)[::7]
    world = grid_of(prepared.labels).index_to_world(index)
    there = grid.world_to_index(world)
    seen = (there >= -0.5).all(axis=1) & (there <= np.array(grid.shape) - 0.5).all(axis=1)
    return float(seen.mean()) if len(index) else 0.0


def reaches_border(labels: LabelArray) -> bool:
    """Whether any region touches a face of the scan."""
    faces = (labels[[0, -1]], labels[:, [0, -1]], labels[:, :, [0, -1]])
    return any(bool(face.any()) for face in faces)


def _warp(
    prepared: Prepared,
    displacement: npt.NDArray[Any],
    image: Any,
    grid: Grid,
    outside: float,
    nearest: bool,
) -> Any:
    import SimpleITK as sitk

    transform = sitk.DisplacementFieldTransform(displacement_image(prepared, displacement))
    warped = resample(image, grid, outside, transform=transform, nearest=nearest)
    if not grid.same_as(prepared.working_grid):
        # Beyond the field the displacement counts as zero, which means nothing there.
        known = sitk.GetImageFromArray(np.ones(prepared.working_grid.shape, dtype=np.uint8))
        known.CopyInformation(prepared.fixed)
        warped = sitk.Mask(warped, resample(known, grid, 0, nearest=True), outside)
    return warped


def _jacobian(displacement: npt.NDArray[Any], grid: Grid) -> Float64Array:
    steps = grid.spacing
    rows = []
    for component, axis in ((0, 2), (1, 1), (2, 0)):
        gradient = np.gradient(displacement[..., component], *steps)
        row = [gradient[2], gradient[1], gradient[0]]  # by L, P, S
        row[2 - axis] = row[2 - axis] + 1.0
        rows.append(np.stack(row, axis=-1))
    return np.asarray(np.linalg.det(np.stack(rows, axis=-2)), dtype=np.float64)


def _smooth(array: npt.NDArray[Any], grid: Grid) -> npt.NDArray[Any]:
    from scipy.ndimage import gaussian_filter

    smoothed: npt.NDArray[Any] = gaussian_filter(array, [_SMOOTH_MM / s for s in grid.spacing])
    return smoothed


def _correlation(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _array(image: Any) -> npt.NDArray[Any]:
    import SimpleITK as sitk

    array: npt.NDArray[Any] = sitk.GetArrayFromImage(image)
    return array
