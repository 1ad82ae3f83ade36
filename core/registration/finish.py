"""From a displacement field to labels on the patient's grid, and measures of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.registration.images import resample
from crossdl.registration.prepare import Prepared
from crossdl.types import Float64Array, Grid, LabelArray, Volume

if TYPE_CHECKING:
    import numpy.typing as npt


@dataclass(frozen=True)
class Limits:
    """When a result is doubted.

    Attributes:
        similarity: Lowest correlation of warped template and patient.
        head_dice: Lowest overlap of the two heads.
        folded: Largest fraction of the head where the transform turns inside out.
        region_ml: Smallest believable volume of a region, ml.
        side_ratio: Largest believable ratio of the volumes of a region and its mirror partner.
    """

    similarity: float
    head_dice: float
    folded: float
    region_ml: float
    side_ratio: float


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


def measure(prepared: Prepared, displacement: npt.NDArray[Any]) -> dict[str, Any]:
    """Deterministic measures of a registration on the working grid.

    Returns:
        ``similarity``: correlation of warped template and patient (windowed HU) inside the fixed
        mask, -1 to 1. ``head_dice``: overlap of the heads inside the mask, 0 to 1.
        ``folded_fraction``: part of the head where the Jacobian determinant of the transform is
        not positive. ``displacement_mm``: 95th percentile of its length there.
    """
    grid = prepared.working_grid
    mask = _array(prepared.fixed_mask) > 0
    low = float(_array(prepared.fixed).min())
    warped = _array(_warp(prepared, displacement, prepared.moving, grid, low, False))
    head = (_array(_warp(prepared, displacement, prepared.moving_head, grid, 0, True)) > 0) & mask
    own = (_array(prepared.fixed_head) > 0) & mask
    determinant = _jacobian(displacement, grid)
    length = np.linalg.norm(displacement, axis=-1)
    return {
        "similarity": _correlation(warped[mask], _array(prepared.fixed)[mask]),
        "head_dice": float(2 * (head & own).sum() / max(1, head.sum() + own.sum())),
        "folded_fraction": float((determinant[own] <= 0).mean()) if own.any() else 1.0,
        "displacement_mm": float(np.percentile(length[own], 95)) if own.any() else 0.0,
    }


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


def doubts(values: Mapping[str, Any], anatomy: Anatomy, limits: Limits) -> tuple[str, ...]:
    """Sentences about everything in the measurements that a person should look at."""
    found = []
    if values["similarity"] < limits.similarity:
        found.append(
            f"template and patient correlate by only {values['similarity']:.2f} "
            f"(at least {limits.similarity:g} expected): look at the regions before using them"
        )
    if values["head_dice"] < limits.head_dice:
        found.append(
            f"the heads of template and patient overlap by only {values['head_dice']:.2f} (Dice; "
            f"at least {limits.head_dice:g} expected)"
        )
    if values["folded_fraction"] > limits.folded:
        found.append(f"the deformation folds in {values['folded_fraction']:.1%} of the head")
    titles = {r.name: r.title for r in anatomy.regions}
    volumes: Mapping[str, float] = values["region_volumes_ml"]
    small = [titles[name] for name, ml in volumes.items() if ml < limits.region_ml]
    if small:
        found.append(
            f"missing or below {limits.region_ml:g} ml: {', '.join(small)}; the field of view "
            "may end before, or the registration failed there"
        )
    uneven = _uneven(values["left_right_ratio"], anatomy, limits.side_ratio)
    if uneven:
        found.append(f"volumes of the two sides differ: {', '.join(uneven)}")
    return tuple(found)


def _uneven(ratios: Mapping[str, float | None], anatomy: Anatomy, limit: float) -> Sequence[str]:
    titles = {r.part: r.part_title for r in anatomy.regions}
    return [
        f"{titles[part]} by a factor of {max(ratio, 1 / ratio):.1f}"
        for part, ratio in ratios.items()
        if ratio and max(ratio, 1 / ratio) > limit
    ]


def _warp(
    prepared: Prepared,
    displacement: npt.NDArray[Any],
    image: Any,
    grid: Grid,
    outside: float,
    nearest: bool,
) -> Any:
    import SimpleITK as sitk

    field = sitk.GetImageFromArray(np.asarray(displacement, dtype=np.float64), isVector=True)
    field.CopyInformation(prepared.fixed)
    warped = resample(
        image, grid, outside, transform=sitk.DisplacementFieldTransform(field), nearest=nearest
    )
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


def _correlation(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    if a.size < 2 or a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def _array(image: Any) -> npt.NDArray[Any]:
    import SimpleITK as sitk

    array: npt.NDArray[Any] = sitk.GetArrayFromImage(image)
    return array
