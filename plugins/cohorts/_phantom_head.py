"""A normal head for one patient: tissue of the head model varied, then warped onto a scan grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.plugins.atlases._mni_model import HeadModel, head_data
from crossdl.types import BoolArray, Float64Array, FloatArray, Grid, LabelArray

_MODES = 5
_BUMP_MM = 30.0
_BONE_HU = 200.0


@dataclass(frozen=True, eq=False)
class Space:
    """The head model with what lesions need to know of it, all ``(D, H, W)`` on its grid.

    Attributes:
        model: The normal head.
        below: Label numbers of the parts below the tentorium.
    """

    model: HeadModel
    below: frozenset[int]

    @cached_property
    def fluid(self) -> FloatArray:
        """Fraction of cerebrospinal fluid inside the skull."""
        free = (1.0 - self.model.grey - self.model.white).clip(0.0, 1.0)
        return np.where(self.model.inside, free, 0.0).astype(np.float32)

    @cached_property
    def parenchyma(self) -> BoolArray:
        """Brain tissue."""
        return np.asarray(self.model.inside & (self.model.grey + self.model.white > 0.5))

    @cached_property
    def depth(self) -> FloatArray:
        """Distance to the inner plate, mm, 0 outside."""
        from scipy import ndimage

        spacing = self.model.grid.spacing
        depth = ndimage.distance_transform_edt(self.model.inside, sampling=spacing)
        return np.asarray(depth, dtype=np.float32)

    @cached_property
    def infratentorial(self) -> BoolArray:
        """Voxels whose nearest region lies below the tentorium."""
        from scipy import ndimage

        index = ndimage.distance_transform_edt(
            self.model.labels == 0, return_distances=False, return_indices=True
        )
        return np.isin(self.model.labels[tuple(index)], sorted(self.below))

    @cached_property
    def world(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """LPS mm along D, H and W, broadcastable."""
        affine = self.model.grid.affine
        s, p, l = (  # noqa: E741
            (affine[2 - axis, 2 - axis] * np.arange(n) + affine[2 - axis, 3]).astype(np.float32)
            for axis, n in enumerate(self.model.grid.shape)
        )
        return s[:, None, None], p[None, :, None], l[None, None, :]

    def normal_hu(self, rng: np.random.Generator) -> FloatArray:
        """HU of one patient's head before lesions: tissue densities, wider sulci, denser bone."""
        model, usual = self.model, head_data()["hu"]
        grey, white, fluid = rng.normal(0.0, [1.5, 1.5, 1.5])
        wider = rng.uniform(0.0, 0.6) ** 2 * 2.0
        extra = np.minimum(self.fluid * wider, 1.0 - self.fluid) * (self.depth > 0)
        hu = model.hu + np.float32(grey) * model.grey + np.float32(white) * model.white
        hu += np.float32(fluid) * self.fluid
        hu -= extra * np.float32((usual["grey"] + usual["white"]) / 2 - usual["fluid"])
        bone = hu > _BONE_HU
        hu[bone] *= np.float32(rng.uniform(0.85, 1.2))
        return np.asarray(hu, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Body:
    """Shape of one patient: how scan space maps into the head model.

    Attributes:
        scale: Size of the head model relative to the patient along L, P, S.
        modes: ``(3, K, K, K)`` mm, coefficients of a smooth displacement.
        swell: How much the middle of the brain, with its ventricles, is widened; below 1.
    """

    scale: Float64Array
    modes: FloatArray
    swell: float


@dataclass(frozen=True, eq=False)
class Pose:
    """Position of the head in the scanner.

    Attributes:
        grid: Voxels of the scan.
        centre: LPS mm where the middle of the head model comes to lie.
        rotation: ``(3, 3)`` from scan to model axes.
    """

    grid: Grid
    centre: Float64Array
    rotation: Float64Array


MIDDLE_MM = np.array([0.0, 18.0, 10.0])
"""LPS point of the head model that poses turn about: between the ventricles."""


def make_body(rng: np.random.Generator, strength: float) -> Body:
    """Draws the shape of a patient.

    Args:
        rng: Of this patient.
        strength: 1 gives displacements of about 3 mm; above 3 the warp may fold.
    """
    order = np.stack(np.meshgrid(*[np.arange(_MODES)] * 3, indexing="ij")).sum(axis=0)
    spread = np.where(order == 0, 0.0, 3.0 / (1.0 + order))
    modes = rng.standard_normal((3, _MODES, _MODES, _MODES)) * spread * strength
    size = rng.normal(1.0, 0.03 * strength) * rng.normal(1.0, 0.025 * strength, 3)
    return Body(1.0 / size.clip(0.8, 1.2), modes.astype(np.float32), rng.uniform(-0.1, 0.4))


def make_pose(
    rng: np.random.Generator,
    matrix: int,
    spacing_mm: float,
    thickness_mm: float,
    slices: tuple[int, int],
    body: Body,
) -> Pose:
    """Draws field of view, tilt and position: from below the skull base to above the vertex."""
    from scipy.spatial.transform import Rotation

    angles = np.deg2rad(rng.normal(0.0, [6.0, 2.5, 3.0]))
    bottom = rng.uniform(-115.0, -68.0)  # mm below the middle
    top = 88.0 / body.scale[2] + rng.uniform(-8.0, 8.0)
    count = int(np.clip(round((top - bottom) / thickness_mm), *slices))
    centre = rng.normal([0.0, 0.0, 0.0], [40.0, 60.0, 200.0])
    edge = (matrix - 1) / 2 * spacing_mm
    affine = np.eye(4)
    affine[:3, :3] = np.diag([spacing_mm, spacing_mm, thickness_mm])
    aside = rng.normal(0.0, [3.0, 4.0])
    lowest = top - (count - 0.5) * thickness_mm
    affine[:3, 3] = centre + np.array([aside[0] - edge, aside[1] - edge, lowest])
    rotation = Rotation.from_euler("xyz", angles).as_matrix()
    return Pose(Grid((count, matrix, matrix), affine), centre, rotation)


def model_index(space: Space, body: Body, pose: Pose, parts: int) -> FloatArray:
    """Where the voxels of a scan lie in the head model.

    Args:
        space: The head model.
        body: Shape of the patient.
        pose: Position of the head.
        parts: Each slice is cut into so many thinner ones.

    Returns:
        ``(3, D * parts, H, W)`` float32 fractional indices ``(d, h, w)`` of the model's grid.
    """
    fine = pose.grid.strided((1.0 / parts, 1.0, 1.0))
    axes = [
        (fine.affine[2 - k, 2 - k] * np.arange(n) + fine.affine[2 - k, 3] - pose.centre[2 - k])
        for k, n in enumerate(fine.shape)
    ]
    warp = _displacement(body.modes, axes)
    s, p, l = (  # noqa: E741
        axis.astype(np.float32).reshape([-1 if i == k else 1 for i in range(3)])
        for k, axis in enumerate(axes)
    )
    # Row r of `turn`: LPS component r of the position in the model, relative to its middle.
    turn = (body.scale[:, None] * pose.rotation).astype(np.float32)
    there = [(turn[r, 0] * l + turn[r, 1] * p) + turn[r, 2] * s + warp[r] for r in range(3)]
    if body.swell:
        squared = there[0] ** 2 + there[1] ** 2 + there[2] ** 2
        squared *= np.float32(-0.5 / _BUMP_MM**2)
        shrink = 1.0 - np.float32(body.swell) * np.exp(squared, out=squared)
        there = [t * shrink for t in there]
    grid = space.model.grid
    index = np.empty((3, *fine.shape), dtype=np.float32)
    for out, r in zip(index, (2, 1, 0), strict=True):
        np.add(there[r], np.float32(MIDDLE_MM[r] - grid.affine[r, 3]), out=out)
        out *= np.float32(1.0 / grid.affine[r, r])
    return index


def sample(array: FloatArray, index: FloatArray, outside: float) -> FloatArray:
    """Trilinear interpolation of ``array`` at ``index`` ``(3, D, H, W)``."""
    from scipy import ndimage

    out = np.empty(index.shape[1:], dtype=np.float32)
    ndimage.map_coordinates(array, index, output=out, order=1, cval=outside)
    return out


def nearest(array: npt.NDArray[np.uint8], index: FloatArray) -> LabelArray:
    """Nearest values of ``array`` at ``index`` ``(3, D, H, W)``; 0 outside."""
    flat = np.zeros(index.shape[1:], dtype=np.int32)
    ok = np.ones(index.shape[1:], dtype=np.bool_)
    for axis, size in zip(index, array.shape, strict=True):
        whole = np.rint(axis).astype(np.int32)
        ok &= (whole >= 0) & (whole < size)
        flat *= size
        flat += whole
    flat[~ok] = 0
    return np.asarray(array.ravel()[flat] * ok, dtype=np.uint8)


def _displacement(modes: FloatArray, axes: list[Float64Array]) -> FloatArray:
    """Sum of products of cosines along D, H, W: ``(3, D, H, W)`` mm."""
    period_mm = 260.0
    bases: list[npt.NDArray[Any]] = [
        np.cos(np.pi * np.outer(np.arange(_MODES), axis / period_mm + 0.5)).astype(np.float32)
        for axis in axes
    ]
    field = np.tensordot(modes, bases[2], axes=([3], [0]))  # (3, K, K, W)
    field = np.einsum("ckjw,jh->ckhw", field, bases[1], optimize=True)
    return np.asarray(np.einsum("ckhw,kd->cdhw", field, bases[0], optimize=True), dtype=np.float32)
