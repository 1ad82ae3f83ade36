"""Patient and template side by side, ready for a registration tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from crossdl.atlas import Atlas
from crossdl.registration.images import (
    box_grid,
    extent,
    grid_of,
    head_mask,
    isotropic_grid,
    resample,
    thinned,
    to_image,
)
from crossdl.registration.initial import INITIAL_BLUR_MM, Pose, align
from crossdl.registration.symmetry import Method, symmetrise
from crossdl.types import Float64Array, Grid, Volume

_MARGIN_MM = 10.0


@dataclass(frozen=True, eq=False)
class Prepared:
    """Inputs of a registration tool; all images are SimpleITK images.

    Attributes:
        fixed: The patient on the working grid (axes along S, P, L), windowed HU, float32.
        fixed_mask: uint8 on the working grid: in and around the head, inside the field of view.
        fixed_head: uint8 on the working grid: the patient's head.
        moving: The windowed template, float32, its grid already moved to the patient by ``pose``.
        moving_head: uint8 mask of the template's head, moved alike.
        labels: uint8 regions of the atlas, moved alike.
        pose: The first alignment.
    """

    fixed: Any
    fixed_mask: Any
    fixed_head: Any
    moving: Any
    moving_head: Any
    labels: Any
    pose: Pose

    @property
    def working_grid(self) -> Grid:
        """Grid of ``fixed``; a displacement field must be on it."""
        return grid_of(self.fixed)


@dataclass(frozen=True, eq=False)
class Template:
    """An atlas made ready once for many patients; SimpleITK images, axes along S, P, L.

    Attributes:
        image: Windowed HU, float32.
        coarse: The same blurred and on voxels of 4 mm, for the first alignment.
        head: uint8 mask of the head.
        labels: uint8 regions.
        upright: ``(4, 4)``: LPS mm → those of the template with its mid-plane at L = 0.
        window: Lowest and highest HU kept.
        tissue_threshold: HU above which a voxel is body.
    """

    image: Any
    coarse: Any
    head: Any
    labels: Any
    upright: Float64Array
    window: tuple[float, float]
    tissue_threshold: float


def make_template(
    atlas: Atlas,
    *,
    window: tuple[float, float],
    tissue_threshold: float,
    blur_mm: float = 0.0,
    spacing_mm: float = 2.0,
) -> Template:
    """Brings an atlas to axes along S, P, L at one spacing, and windows it.

    Args:
        atlas: Template and regions on any grid.
        window: Lowest and highest HU kept.
        tissue_threshold: HU above which a voxel is body.
        blur_mm: Standard deviation of a Gaussian that makes a crisp template as soft as thick
            slices are.
        spacing_mm: Voxel edge of the result.
    """
    import SimpleITK as sitk

    grid = isotropic_grid(atlas.template.grid, spacing_mm)
    image = thinned(_windowed(atlas.template, window), spacing_mm)
    head = resample(head_mask(atlas.template, tissue_threshold), grid, 0, nearest=True)
    labels = to_image(atlas.regions.labels, atlas.regions.grid)
    image = resample(image, grid, window[0])
    if blur_mm > 0:
        image = sitk.SmoothingRecursiveGaussian(image, blur_mm)
    soft = sitk.SmoothingRecursiveGaussian(image, INITIAL_BLUR_MM)
    coarse = resample(soft, isotropic_grid(atlas.template.grid, INITIAL_BLUR_MM), window[0])
    on_coarse = resample(head, grid_of(coarse), 0, nearest=True)
    return Template(
        image=image,
        coarse=coarse,
        head=head,
        labels=resample(labels, grid, 0, nearest=True),
        upright=symmetrise(coarse, on_coarse, window[0], method="moments").matrix,
        window=window,
        tissue_threshold=tissue_threshold,
    )


def coarse_head(
    volume: Volume, window: tuple[float, float], tissue_threshold: float
) -> tuple[Any, Any, Any]:
    """The patient as first alignments want it; SimpleITK images.

    Args:
        volume: The patient.
        window: Lowest and highest HU kept.
        tissue_threshold: HU above which a voxel is body.

    Returns:
        The windowed patient on about its own grid, float32; the same blurred, on voxels of 4 mm
        with axes along S, P, L, below the window outside the field of view; and the mask of the
        head on that grid.

    Raises:
        InputError: No head is found.
    """
    import SimpleITK as sitk

    patient = thinned(_windowed(volume, window))
    head = head_mask(volume, tissue_threshold)
    soft = sitk.DiscreteGaussian(thinned(patient, INITIAL_BLUR_MM), INITIAL_BLUR_MM**2)
    return patient, resample(soft, grid_of(head), window[0] - 1.0), head


def prepare(
    volume: Volume,
    template: Template,
    *,
    working_shape: tuple[int, int, int],
    prealignment: Method | Literal["none"] = "moments",
    seed: int = 0,
) -> Prepared:
    """Aligns the template roughly and cuts out the part of the patient that it covers.

    Works for any orientation of the volume's axes, tilt, table, neck below the head, and fields
    of view that end inside the head.

    Args:
        volume: The patient.
        template: The atlas, see :func:`make_template`.
        working_shape: ``(D, H, W)`` of the grid to register on.
        prealignment: How the head's symmetry is found, where the alignment starts from; see
            :func:`crossdl.registration.symmetry.symmetrise`.
        seed: Of the annealing.

    Raises:
        InputError: No head is found.
    """
    import SimpleITK as sitk

    low, high = template.window
    patient, coarse, head = coarse_head(volume, template.window, template.tissue_threshold)
    if prealignment == "none":
        upright = centred(head)
    else:
        upright = symmetrise(coarse, head, low, method=prealignment, seed=seed).matrix
    pose = align(coarse, head, template.coarse, template.head, low, upright, template.upright)

    moved = pose.place(grid_of(template.image))
    moving, moving_head, labels = (
        _on(image, moved) for image in (template.image, template.head, template.labels)
    )
    covered = sitk.BinaryDilate(resample(moving_head, grid_of(head), 0, nearest=True), [4, 4, 4])
    lowest, highest = extent(head & covered)
    grid = box_grid(lowest - _MARGIN_MM, highest + _MARGIN_MM, working_shape)
    fixed = resample(patient, grid, low - 1.0)
    inside = sitk.BinaryThreshold(fixed, low - 0.5, high + 1.0, 1, 0)
    fixed_head = resample(head, grid, 0, nearest=True)
    steps = [max(1, round(_MARGIN_MM / s)) for s in fixed.GetSpacing()]
    near = sitk.BinaryDilate(fixed_head, steps)
    seen = resample(_ones(moving), grid, 0, nearest=True)
    return Prepared(
        fixed=sitk.Maximum(fixed, low),
        fixed_mask=near & inside & seen,
        fixed_head=fixed_head,
        moving=moving,
        moving_head=moving_head,
        labels=labels,
        pose=pose,
    )


def centred(head: Any) -> Float64Array:
    """``(4, 4)``: moves the middle of a mask's extent to 0, without a turn."""
    import SimpleITK as sitk

    index = np.argwhere(sitk.GetArrayViewFromImage(head) > 0)
    matrix = np.eye(4)
    matrix[:3, 3] = -grid_of(head).index_to_world((index.min(axis=0) + index.max(axis=0)) / 2)
    return matrix


def _windowed(volume: Volume, window: tuple[float, float]) -> Any:
    return to_image(np.clip(volume.array, *window).astype(np.float32, copy=False), volume.grid)


def _on(image: Any, grid: Grid) -> Any:
    import SimpleITK as sitk

    return to_image(sitk.GetArrayFromImage(image), grid)


def _ones(image: Any) -> Any:
    import SimpleITK as sitk

    array = sitk.GetArrayViewFromImage(image)
    return to_image(np.ones(array.shape, dtype=np.uint8), grid_of(image))
