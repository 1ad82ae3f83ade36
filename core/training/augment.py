"""Augmentation: left-right flips with swapped labels, and axial rotation."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from crossdl.anatomy import Anatomy


def mirror(
    image: Tensor, regions: Tensor, matrix: Tensor, anatomy: Anatomy
) -> tuple[Tensor, Tensor, Tensor]:
    """Mirrors a sample: W is reversed, and every label becomes that of its mirror region.

    Args:
        image: ``(D, H, W)``, W along left-right.
        regions: ``(D, H, W)`` labels; 0 none, i + 1 region i.
        matrix: ``(N + 2, M)``.
        anatomy: Says which regions are each other's mirror image.
    """
    order = torch.from_numpy(anatomy.mirror_index)
    swap = torch.zeros(anatomy.n_regions + 1, dtype=regions.dtype)
    swap[1:] = (order[: anatomy.n_regions] + 1).to(regions.dtype)
    return image.flip(-1), swap[regions.flip(-1).long()], matrix[order]


def rotate(image: Tensor, regions: Tensor, degrees: float) -> tuple[Tensor, Tensor]:
    """Rotates every axial slice about its centre, in voxels.

    The image is interpolated bilinearly within its slices, labels are the nearest; what enters
    from outside is 0 in both.

    Args:
        image: ``(D, H, W)`` uint8.
        regions: ``(D, H, W)`` uint8.
        degrees: From the W axis toward the H axis.
    """
    depth, height, width = image.shape
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    # affine_grid works in coordinates from -1 to 1: undo the sides' ratio
    theta = torch.tensor([[[c, s * height / width, 0.0], [-s * width / height, c, 0.0]]])
    grid = torch.nn.functional.affine_grid(theta, [1, depth, height, width], align_corners=False)
    turned = torch.nn.functional.grid_sample(
        image[None].float(), grid, mode="bilinear", align_corners=False
    )[0]
    labels = torch.nn.functional.grid_sample(
        regions[None].float(), grid, mode="nearest", align_corners=False
    )[0]
    return turned.round_().to(image.dtype), labels.to(regions.dtype)


def augment(
    image: Tensor,
    regions: Tensor,
    matrix: Tensor,
    *,
    anatomy: Anatomy,
    generator: np.random.Generator,
    flip_probability: float,
    rotation_degrees: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """A random flip and a rotation uniform in ±``rotation_degrees``.

    Both random numbers are drawn whatever the settings, so that switching one off leaves the
    other as it was.
    """
    flip = generator.random() < flip_probability
    angle = float(generator.uniform(-1, 1)) * rotation_degrees
    if flip:
        image, regions, matrix = mirror(image, regions, matrix, anatomy)
    if angle:
        image, regions = rotate(image, regions, angle)
    return image, regions, matrix
