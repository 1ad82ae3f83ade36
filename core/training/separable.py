"""Linear filters that act along one axis at a time, each as one small matrix.

A product with an ``n × n`` matrix is faster than a convolution with one channel, and steps along
the same axis become one matrix.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_KNOTS = 6  # control points per axis of a smooth field


def apply(volume: Tensor, along: dict[int, Tensor]) -> Tensor:
    """Multiplies a volume by a matrix along some of its axes.

    Args:
        volume: ``(D, H, W)`` float32.
        along: Matrix ``(m, n)`` by axis 0, 1 or 2; ``n`` is the volume's size there.

    Returns:
        The volume with size ``m`` along those axes.
    """
    for axis, matrix in along.items():
        if axis == 0:
            volume = (matrix @ volume.flatten(1)).view(-1, *volume.shape[1:])
        else:
            volume = matrix @ volume if axis == 1 else volume @ matrix.T
    return volume


def gaussian(size: int, sigma: float) -> Tensor:
    """Blur by a Gaussian, ``(size, size)``; at the ends the weights inside are normalised."""
    place = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((place[:, None] - place) / max(sigma, 1e-3)) ** 2)
    return weights / weights.sum(dim=1, keepdim=True)


def thick_slices(size: int, thickness: float, phase: float) -> Tensor:
    """Averages over slices, then interpolates linearly between them, ``(size, size)``.

    Args:
        size: Voxels along the axis.
        thickness: Of a slice, 1 or more voxels.
        phase: Where the first slice begins, 0 to 1 thickness before the first voxel.
    """
    start = -phase * thickness
    count = math.ceil((size - start) / thickness)
    lower = start + thickness * torch.arange(count, dtype=torch.float32)[:, None]
    place = torch.arange(size, dtype=torch.float32)
    overlap = torch.minimum(lower + thickness, place + 1) - torch.maximum(lower, place)
    averages = overlap.clamp_(min=0)
    averages /= averages.sum(dim=1, keepdim=True).clamp_min(1e-6)
    # voxel and slice centres; beyond the outermost slices their values go on
    position = ((place + 0.5 - start) / thickness - 0.5).clamp(0, count - 1)
    below = position.floor().clamp(max=max(0, count - 2))
    share = position - below
    index = torch.arange(count, dtype=torch.float32)
    hats = (1 - share[:, None]) * (index == below[:, None])
    hats += share[:, None] * (index == below[:, None] + 1)
    return hats @ averages


def smooth_basis(size: int) -> Tensor:
    """Cubic B-splines over ``size`` voxels, ``(size, 6)``; rows have norm 1.

    A field made of independent standard normal control points has standard deviation 1.
    """
    place = (torch.arange(size, dtype=torch.float32) + 0.5) / size
    distance = (place[:, None] * (_KNOTS - 3) + 1 - torch.arange(_KNOTS)).abs()
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = (2 - distance).clamp_(min=0) ** 3 / 6
    weights = torch.where(distance < 1, near, far)
    return normalised(weights)


def normalised(matrix: Tensor) -> Tensor:
    """Rows of norm 1: independent numbers that it mixes keep their standard deviation."""
    norms: Tensor = torch.linalg.vector_norm(matrix, dim=1, keepdim=True)
    return matrix / norms


def smooth_field(shape: tuple[int, ...], points: Tensor) -> Tensor:
    """A smooth random field.

    Args:
        shape: ``(D, H, W)``.
        points: ``(6, 6, 6)`` standard normal numbers.

    Returns:
        ``shape``, float32.
    """
    return apply(points, {axis: smooth_basis(size) for axis, size in enumerate(shape)})


def control_shape() -> tuple[int, int, int]:
    """Shape of the control points of :func:`smooth_field`."""
    return (_KNOTS, _KNOTS, _KNOTS)
