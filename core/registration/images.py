"""Volumes as SimpleITK images, working grids, and where the head is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.errors import InputError
from crossdl.geometry import largest_piece
from crossdl.types import Float64Array, Grid, Volume

if TYPE_CHECKING:
    import numpy.typing as npt

REGISTRATION_WINDOW = (-50.0, 150.0)
"""HU below and above count as these before a registration, unless a config says otherwise."""


def to_image(array: npt.NDArray[Any], grid: Grid) -> Any:
    """A SimpleITK image of an array ``(D, H, W)`` on a grid."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(array)
    columns = np.linalg.norm(grid.affine[:3, :3], axis=0)
    image.SetSpacing(columns.tolist())
    image.SetOrigin(grid.affine[:3, 3].tolist())
    image.SetDirection((grid.affine[:3, :3] / columns).ravel().tolist())
    return image


def grid_of(image: Any) -> Grid:
    """The grid of a SimpleITK image."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
    affine[:3, 3] = image.GetOrigin()
    w, h, d = image.GetSize()
    return Grid((d, h, w), affine)


def box_grid(low: npt.ArrayLike, high: npt.ArrayLike, shape: tuple[int, int, int]) -> Grid:
    """The grid with axes along S, P, L whose voxels fill a box.

    Args:
        low: Lowest corner of the box, LPS mm.
        high: Highest corner, LPS mm.
        shape: ``(D, H, W)``.
    """
    size = np.array(shape[::-1], dtype=np.float64)
    start = np.asarray(low, dtype=np.float64)
    spacing = (np.asarray(high, dtype=np.float64) - start) / size
    affine = np.eye(4)
    affine[:3, :3] = np.diag(spacing)
    affine[:3, 3] = start + spacing / 2
    return Grid(shape, affine)


def isotropic_grid(grid: Grid, spacing_mm: float) -> Grid:
    """The grid with axes along S, P, L that covers another grid at one spacing in mm."""
    corners = np.array(np.meshgrid(*[(-0.5, n - 0.5) for n in grid.shape])).reshape(3, -1).T
    world = grid.index_to_world(corners)
    low, high = world.min(axis=0), world.max(axis=0)
    counts = np.maximum(1, np.ceil((high - low) / spacing_mm)).astype(int)
    middle, half = (low + high) / 2, counts * spacing_mm / 2
    d, h, w = (int(n) for n in counts[::-1])
    return box_grid(middle - half, middle + half, (d, h, w))


def resample(
    image: Any, grid: Grid, outside: float, *, transform: Any = None, nearest: bool = False
) -> Any:
    """Resamples a SimpleITK image onto a grid; ``outside`` fills what the image does not cover."""
    import SimpleITK as sitk

    return sitk.Resample(
        image,
        to_image(np.zeros(grid.shape, dtype=np.uint8), grid),
        sitk.Transform(3, sitk.sitkIdentity) if transform is None else transform,
        sitk.sitkNearestNeighbor if nearest else sitk.sitkLinear,
        outside,
        image.GetPixelID(),
    )


def extent(mask: Any, matrix: Float64Array | None = None) -> tuple[Float64Array, Float64Array]:
    """Lowest and highest corner of a mask, LPS mm, perhaps after a move by a ``(4, 4)`` matrix."""
    import SimpleITK as sitk

    world = grid_of(mask).index_to_world(np.argwhere(sitk.GetArrayViewFromImage(mask) > 0))
    if matrix is not None:
        world = world @ matrix[:3, :3].T + matrix[:3, 3]
    return world.min(axis=0), world.max(axis=0)


def thinned(image: Any, target_mm: float = 2.0) -> Any:
    """Averages blocks of voxels so that no axis is sampled finer than about ``target_mm``."""
    import SimpleITK as sitk

    factors = [max(1, min(int(target_mm / s), n)) for s, n in zip(
        image.GetSpacing(), image.GetSize(), strict=True)]  # fmt: skip
    return image if max(factors) == 1 else sitk.BinShrink(image, factors)


def head_mask(volume: Volume, tissue_threshold: float, spacing_mm: float = 4.0) -> Any:
    """The patient's head as a uint8 SimpleITK image with axes along S, P, L.

    Table and head holder are left out; air inside (sinuses) is filled slice by slice.

    Args:
        volume: The scan.
        tissue_threshold: HU above which a voxel is body.
        spacing_mm: Voxel edge of the result.

    Raises:
        InputError: Nothing as large as a head is brighter than the threshold.
    """
    from scipy import ndimage

    tissue = (volume.array > tissue_threshold).astype(np.float32)
    coarse = isotropic_grid(volume.grid, spacing_mm)
    image = resample(thinned(to_image(tissue, volume.grid)), coarse, 0.0)
    import SimpleITK as sitk

    raw = sitk.GetArrayFromImage(image) > 0.5
    radius = max(1, round(6.0 / spacing_mm))
    h, w = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    # Opening in the slice plane only: thick slices at the vertex must survive.
    disc = (h**2 + w**2 <= radius**2)[None]
    opened = ndimage.binary_opening(raw, disc)
    if not opened.any():
        raise InputError(f"{volume.name}: no head found: nothing but air or thin objects")
    head = np.stack([ndimage.binary_fill_holes(s) for s in largest_piece(opened)])
    litres = float(head.sum()) * spacing_mm**3 * 1e-6
    if litres < 0.3:
        raise InputError(
            f"{volume.name}: no head found: the largest object above {tissue_threshold:g} HU "
            f"has {litres:.2f} litres"
        )
    return to_image(head.astype(np.uint8), coarse)
