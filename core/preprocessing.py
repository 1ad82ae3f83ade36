"""From a scan in any geometry to the network's input, and maps and labels back again.

Every step keeps the grid: a voxel of the result lies where its affine says, so that maps carried
back overlay the scan. World space is LPS.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.geometry import canonical, largest_piece
from crossdl.types import BoolArray, Float64Array, FloatArray, Grid, LabelArray, RegionMap, Volume

if TYPE_CHECKING:
    from torch import Tensor

_SEARCH_MM = 2.0  # voxel size at which the head is searched
_OPENING_MM = 5.0  # radius of the opening; thinner things (head holder, table) vanish
_CHUNK = 2_000_000  # voxels per step of oblique resampling


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """A scan ready for the network.

    Attributes:
        image: ``(D, H, W)`` uint8, windowed by E3; W runs toward the patient's left, H toward
            posterior, D toward superior.
        grid: Where its voxels are in the patient.
    """

    image: LabelArray
    grid: Grid


def preprocess(volume: Volume, anatomy: Anatomy, shape: tuple[int, int, int]) -> Preprocessed:
    """Orients, windows (E3), crops to the head and resizes a scan.

    The volume's own axes are permuted and flipped toward the canonical orientation; nothing is
    rotated, so a tilted scan keeps its slice planes. The crop is resized with one trilinear
    interpolation, which averages over the source voxels where it shrinks (anti-aliasing).

    Args:
        volume: ``(D, H, W)`` HU, axes in any order and direction.
        anatomy: Gives window and tissue threshold.
        shape: Voxels ``(D, H, W)`` of the result.

    Raises:
        InputError: Voxels are not finite, or no head is found.
    """
    import torch

    array, grid = canonical(volume.array, volume.grid)
    low, high = head_box(array, grid, anatomy, volume.name)
    crop = array[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    window = anatomy.window
    clipped = np.empty(crop.shape, dtype=np.float32)
    for given, out in zip(crop, clipped, strict=True):
        if not np.isfinite(given.sum()):  # a sum is NaN or infinite if a voxel is
            raise InputError(f"{volume.name}: has voxels that are not finite; repair the scan")
        np.clip(given, np.float32(window.low), np.float32(window.high), out=out)
    image = _resize(torch.from_numpy(clipped), shape)
    image = image.sub_(window.low).mul_(255.0 / window.width).round_()
    factor = [(b - a) / n for a, b, n in zip(low, high, shape, strict=True)]
    place = np.eye(4)
    for axis in range(3):  # voxel centres: -0.5 of the result is -0.5 of the crop
        scale = factor[2 - axis]
        place[axis, axis] = scale
        place[axis, 3] = low[2 - axis] + (scale - 1) / 2
    return Preprocessed(image.to(torch.uint8).numpy(), Grid(shape, grid.affine @ place))


def resized(scan: Preprocessed, shape: tuple[int, int, int]) -> Preprocessed:
    """A prepared scan at another shape, by the interpolation of :func:`preprocess`.

    Returns:
        The same box of the patient in ``shape`` voxels ``(D, H, W)``.
    """
    import torch

    image = _resize(torch.from_numpy(scan.image.astype(np.float32)), shape)
    factor = [a / b for a, b in zip(scan.image.shape, shape, strict=True)]
    whole = image.round_().clamp_(0, 255).to(torch.uint8).numpy()
    return Preprocessed(whole, Grid(shape, scan.grid.strided(factor).affine))


def head_box(
    array: npt.NDArray[Any], grid: Grid, anatomy: Anatomy, name: str = "scan"
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """First and one-past-last voxel of the head along ``(D, H, W)``.

    The head is the largest connected part above the tissue threshold after an opening within
    the slices, which removes thin things such as the head holder. It is searched on every few
    voxels, so the box may be larger by about 2 mm.

    Raises:
        InputError: Nothing is above the threshold.
    """
    from scipy import ndimage

    stride = [max(1, round(_SEARCH_MM / s)) for s in grid.spacing]
    coarse = array[tuple(slice(None, None, s) for s in stride)] > anatomy.tissue_threshold
    radius = [round(_OPENING_MM / (grid.spacing[i] * stride[i])) for i in (1, 2)]
    opened = _opened(np.ascontiguousarray(coarse), radius)
    if not opened.any():
        raise InputError(
            f"{name}: no head found, nothing solid is above {anatomy.tissue_threshold:g} HU; give "
            f"a {anatomy.modality} scan in Hounsfield units that shows the head"
        )
    box = ndimage.find_objects(largest_piece(opened).view(np.uint8))[0]
    low = [max(0, (b.start - 1) * s + 1) for b, s in zip(box, stride, strict=True)]
    high = [min(n, b.stop * s) for b, s, n in zip(box, stride, array.shape, strict=True)]
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _opened(mask: BoolArray, radius: Sequence[int]) -> BoolArray:
    """Opening of each slice of ``(D, H, W)`` by a rectangle of ``2 radius + 1`` voxels."""
    for combine in (np.logical_and, np.logical_or):
        for axis, r in enumerate(radius, 1):
            result = mask.copy()
            for shift in range(1, r + 1):
                for there, here in (
                    (slice(shift, None), slice(None, -shift)),
                    (slice(None, -shift), slice(shift, None)),
                ):
                    to = tuple(here if k == axis else slice(None) for k in range(3))
                    by = tuple(there if k == axis else slice(None) for k in range(3))
                    combine(result[to], mask[by], out=result[to])
            mask = result
    return mask


def labels_on(regions: RegionMap, grid: Grid) -> LabelArray:
    """Carries a label map to another grid by nearest neighbour.

    Returns:
        ``(D, H, W)`` uint8 on ``grid``; 0 outside the map.
    """
    sampled = _sample(regions.labels[None], regions.grid, grid, nearest=True)[0]
    return np.asarray(sampled, dtype=np.uint8)


def maps_on(maps: FloatArray, source: Grid, target: Grid) -> FloatArray:
    """Carries maps to another grid by trilinear interpolation.

    Args:
        maps: ``(C, D', H', W')`` float32 on ``source``.
        source: Where the maps' voxels are.
        target: Where values are wanted.

    Returns:
        ``(C, D, H, W)`` float32 on ``target``; 0 outside the outer borders of ``source``, and
        the border voxel's value in its outer half.
    """
    return np.asarray(_sample(maps, source, target, nearest=False), dtype=np.float32)


def _resize(image: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Separable trilinear resize ``(D, H, W)``; a triangle as wide as the step where it shrinks."""
    from torch.nn.functional import interpolate

    d, h, w = shape
    planes = interpolate(image[None], (h, w), mode="bilinear", antialias=True)[0]
    if image.shape[0] == d:
        return planes
    columns = planes.reshape(1, 1, image.shape[0], h * w)
    return interpolate(columns, (d, h * w), mode="bilinear", antialias=True).reshape(d, h, w)


def _sample(
    maps: npt.NDArray[Any], source: Grid, target: Grid, *, nearest: bool
) -> npt.NDArray[Any]:
    """Values of ``(C, D', H', W')`` at the voxels of ``target``."""
    forward = np.linalg.inv(source.affine) @ target.affine  # (w, h, d) → (w, h, d) of source
    flip = np.eye(4)[[2, 1, 0, 3]]
    forward = flip @ forward @ flip
    linear = forward[:3, :3]
    main = np.abs(linear).argmax(axis=0)  # axis of source along which each target axis runs
    along = linear[main, range(3)]
    rest = np.abs(linear)
    rest[main, range(3)] = 0
    drift = (rest * np.array(target.shape)).sum(axis=1).max()
    if len(set(main)) < 3 or drift > 1e-3:
        return _oblique(maps, forward, target.shape, nearest)
    positions = [
        along[axis] * np.arange(target.shape[axis]) + forward[main[axis], 3] for axis in range(3)
    ]
    maps = maps.transpose(0, *(main + 1))
    if nearest:
        return _take(maps, positions)
    return _interpolate(maps, positions)


def _take(maps: npt.NDArray[Any], positions: list[Float64Array]) -> npt.NDArray[Any]:
    """Nearest voxels at the crossings of three lists of positions; 0 outside."""
    for axis, position in enumerate(positions):
        n = maps.shape[axis + 1]
        inside = (position >= -0.5) & (position <= n - 0.5)
        shape = [1] * 4
        shape[axis + 1] = -1
        nearest = np.rint(position).clip(0, n - 1).astype(np.intp)
        maps = maps.take(nearest, axis + 1) * inside.reshape(shape)
    return maps


def _interpolate(maps: npt.NDArray[Any], positions: list[Float64Array]) -> FloatArray:
    """Trilinear values at the crossings of three lists of positions, one axis at a time."""
    import torch

    weights = []
    for position, n in zip(positions, maps.shape[1:], strict=True):
        inside = (position >= -0.5) & (position <= n - 0.5)
        position = position.clip(0, n - 1)
        lower = np.minimum(np.floor(position).astype(np.intp), max(n - 2, 0))
        weight = np.zeros((len(position), n), dtype=np.float32)
        rows = np.arange(len(position))
        weight[rows, lower] = (1 - (position - lower)) * inside
        weight[rows, np.minimum(lower + 1, n - 1)] += (position - lower) * inside
        weights.append(torch.from_numpy(weight))
    depth, height, width = weights
    result = np.empty((len(maps), len(depth), len(height), len(width)), dtype=np.float32)
    for one, out in zip(maps, result, strict=True):
        given = torch.from_numpy(np.ascontiguousarray(one, dtype=np.float32))
        wide = torch.tensordot(depth, given @ width.T, 1)  # (D, H', W)
        torch.bmm(height.expand(len(depth), -1, -1), wide, out=torch.from_numpy(out))
    return result


def _oblique(
    maps: npt.NDArray[Any], forward: Float64Array, shape: tuple[int, int, int], nearest: bool
) -> npt.NDArray[Any]:
    """Interpolates at any positions, some slices at a time."""
    import torch

    sides = np.array(maps.shape[1:], dtype=np.float64)
    given = torch.from_numpy(np.ascontiguousarray(maps, dtype=np.float32))[None]
    result = np.zeros((maps.shape[0], *shape), dtype=np.float32)
    plane = np.stack(np.meshgrid(*map(np.arange, shape[1:]), indexing="ij"), axis=-1)
    fixed = plane @ forward[:3, 1:3].T + forward[:3, 3]
    step = max(1, _CHUNK // (shape[1] * shape[2]))
    for start in range(0, shape[0], step):
        stop = min(start + step, shape[0])
        slices = np.arange(start, stop)[:, None, None, None] * forward[:3, 0]
        position = fixed[None] + slices
        inside = ((position >= -0.5) & (position <= sides - 0.5)).all(axis=-1)
        where = torch.from_numpy(((2 * position + 1) / sides - 1)[..., ::-1].astype(np.float32))
        sampled = torch.nn.functional.grid_sample(
            given,
            where[None],
            mode="nearest" if nearest else "bilinear",
            padding_mode="border",
            align_corners=False,
        )[0]
        result[:, start:stop] = sampled.numpy() * inside
    return result
