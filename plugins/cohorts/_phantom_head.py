"""A normal head for one patient: tissue of the head model varied, then warped onto a scan grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.plugins.atlases._mni_brain import white_share
from crossdl.plugins.atlases._mni_model import HeadModel, head_data
from crossdl.plugins.atlases._mni_vault import layer_map
from crossdl.plugins.cohorts._phantom_tissue import cubic_basis
from crossdl.types import BoolArray, Float64Array, FloatArray, Grid, LabelArray

_BONE_HU = 180.0
_MODES = 5
_FINE_MM = 17.0
_REACH_MM = 150.0
_BUMP_MM = 30.0
_Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Space:
    """The head model with what lesions need to know of it, all ``(D, H, W)`` on its grid.

    Attributes:
        model: The normal head.
        below: Label numbers of the parts below the tentorium.
    """

    model: HeadModel
    below: frozenset[int]

    @property
    def fluid(self) -> FloatArray:
        """Fraction of cerebrospinal fluid inside the skull."""
        return self.model.fluid

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

    @cached_property
    def brain_mask(self) -> BoolArray:
        """Flat mask of everything inside the inner plate, and of the voxels it cuts."""
        return np.asarray(self.model.outer.ravel() < 0.5 * self.model.grid.spacing[0])

    @cached_property
    def brain_index(self) -> _Indices:
        """Flat indices of ``brain_mask``."""
        return np.flatnonzero(self.brain_mask & self.model.inside.ravel())

    @cached_property
    def bone_index(self) -> _Indices:
        """Flat indices of bone."""
        return np.flatnonzero(self.model.hu > _BONE_HU)

    @cached_property
    def flesh_index(self) -> _Indices:
        """Flat indices of muscle and what is as dense, outside the brain."""
        dense = np.abs(self.model.hu.ravel() - np.float32(45.0)) < 25.0
        return np.flatnonzero(dense & ~self.brain_mask)

    @cached_property
    def white_share(self) -> FloatArray:
        """Share of white matter in the tissue at ``brain_index``."""
        model = self.model
        share = white_share(model.grey, model.white, model.grid.spacing[0])
        return np.asarray(share.ravel()[self.brain_index])

    @cached_property
    def deep_share(self) -> FloatArray:
        """0 at the surface of the brain, 1 from 30 mm below the plate on; at ``brain_index``."""
        depth = -self.model.outer.ravel()[self.brain_index]
        return np.asarray(((depth - 18.0) / 12.0).clip(0.0, 1.0), dtype=np.float32)

    @cached_property
    def vault_index(self) -> _Indices:
        """Flat indices of the vault of the skull and what lies on it."""
        outer, vault = self.model.outer.ravel(), self.model.vault.ravel()
        return np.flatnonzero((outer > -9.0) & (outer < 48.0) & (vault > 0.0))

    @cached_property
    def skull_mm(self) -> FloatArray:
        """Usual thickness of the skull at ``vault_index``."""
        return self._layer("skull")

    @cached_property
    def scalp_mm(self) -> FloatArray:
        """Usual thickness of the scalp at ``vault_index``."""
        return self._layer("scalp")

    @cached_property
    def temporalis_mm(self) -> FloatArray:
        """Usual thickness of muscle on the bone at ``vault_index``."""
        return self._layer("temporalis")

    @cached_property
    def frontal_share(self) -> FloatArray:
        """1 in the middle of the frontal bone, falling off around it; at ``vault_index``."""
        place = {"usual": 0.0, "places": [[24.0, 62.0, 22.0, 18.0, 1.0]]}
        return self._at_vault(place)

    def _layer(self, name: str) -> FloatArray:
        return self._at_vault(head_data()[name])

    def _at_vault(self, layer: Mapping[str, Any]) -> FloatArray:
        s, p, l = self.world  # noqa: E741
        return layer_map(layer, -l, -p, s).ravel()[self.vault_index]


@dataclass(frozen=True, eq=False)
class Body:
    """Shape of one patient: how scan space maps into the head model.

    Attributes:
        scale: Size of the head model relative to the patient along L, P, S.
        modes: ``(3, K, K, K)`` mm, coefficients of a smooth displacement.
        fine: ``(3, Kd, Kh, Kw)`` mm, coefficients of a displacement of gyri, every 17 mm.
        swell: How much the middle of the brain, with its ventricles, is widened; below 1.
        middle: LPS mm from the model's middle to where that is most.
    """

    scale: Float64Array
    modes: FloatArray
    fine: FloatArray
    swell: float
    middle: FloatArray


@dataclass(frozen=True, eq=False)
class Pose:
    """Position of the head in the scanner.

    Attributes:
        grid: Voxels of the scan.
        centre: LPS mm where the middle of the head model comes to lie.
        rotation: ``(3, 3)`` from scan to model axes, with the shear of a tilted gantry.
    """

    grid: Grid
    centre: Float64Array
    rotation: Float64Array


MIDDLE_MM = np.array([0.0, 18.0, 10.0])
"""LPS point of the head model that poses turn about: between the ventricles."""


def make_body(
    rng: np.random.Generator, strength: float, atrophy: float = 0.5, adult: float = 1.0
) -> Body:
    """Draws the shape of a patient.

    Args:
        rng: Of this patient.
        strength: 1 gives displacements of about 3 mm; above 3 the warp may fold.
        atrophy: 0 for narrow, 1 for wide ventricles on average.
        adult: Size of the head, 1 is an adult's.
    """
    order = np.stack(np.meshgrid(*[np.arange(_MODES)] * 3, indexing="ij")).sum(axis=0)
    spread = np.where(order == 0, 0.0, 4.0 / (1.0 + order) ** 1.4)
    modes = rng.standard_normal((3, _MODES, _MODES, _MODES)) * spread * strength
    counts = [int(2 * _REACH_MM / _FINE_MM) + 4] * 3
    fine = rng.standard_normal((3, *counts), dtype=np.float32) * np.float32(1.6 * strength)
    size = rng.normal(1.0, 0.03 * strength) * rng.normal(1.0, 0.02 * strength, 3)
    size *= 1.0 + rng.normal(0.0, 0.035 * strength) * np.array([1.0, -1.0, 0.2])  # wide or long
    swell = float(np.clip(0.6 * (atrophy - 0.3) + rng.normal(0.0, 0.12), -0.3, 0.55))
    middle = rng.normal(0.0, [3.0, 6.0, 4.0]).astype(np.float32)
    return Body(
        1.0 / (adult * size.clip(0.85, 1.15)), modes.astype(np.float32), fine, swell, middle
    )


def make_pose(
    rng: np.random.Generator,
    matrix: int,
    field_of_view_mm: float,
    thickness_mm: float,
    slices: tuple[int, int],
    body: Body,
    turn_degrees: tuple[float, float, float] = (6.0, 2.5, 3.0),
    pitch_degrees: float = 0.0,
    shear: float = 0.0,
) -> Pose:
    """Draws position and coverage: from below the skull base to about the vertex.

    Args:
        rng: Of this scan.
        matrix: Voxels along H and W.
        field_of_view_mm: Width of the slice.
        thickness_mm: Distance between slices.
        slices: Fewest and most slices.
        body: Shape of the patient.
        turn_degrees: Spread of pitch, roll and yaw.
        pitch_degrees: Usual pitch.
        shear: Tangent of the gantry tilt of a scan whose slices were stacked upright.
    """
    from scipy.spatial.transform import Rotation

    heavy = np.sqrt(4.0 / rng.chisquare(4.0))  # a few patients lie far off
    angles = rng.normal(0.0, turn_degrees) * heavy + np.array([pitch_degrees, 0.0, 0.0])
    angles = np.deg2rad(angles.clip([-28.0, -18.0, -18.0], [28.0, 18.0, 18.0]))
    bottom = rng.uniform(-115.0, -68.0) / body.scale[2]  # mm below the middle
    top = 88.0 / body.scale[2] + rng.uniform(-16.0, 6.0)
    if rng.random() < 0.05:
        top -= rng.uniform(10.0, 24.0)  # the vertex is missing
    count = int(np.clip(round((top - bottom) / thickness_mm), *slices))
    centre = rng.normal([0.0, 0.0, 0.0], [40.0, 60.0, 200.0])
    spacing = field_of_view_mm / matrix
    edge = (matrix - 1) / 2 * spacing
    affine = np.eye(4)
    affine[:3, :3] = np.diag([spacing, spacing, thickness_mm])
    aside = rng.normal(0.0, [3.0, 4.0])
    lowest = top - (count - 0.5) * thickness_mm
    affine[:3, 3] = centre + np.array([aside[0] - edge, aside[1] - edge, lowest])
    upright = np.eye(3)
    upright[1, 2] = shear
    rotation = Rotation.from_euler("xyz", angles).as_matrix() @ upright
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
    warp = _displacement(body, axes)
    s, p, l = (  # noqa: E741
        axis.astype(np.float32).reshape([-1 if i == k else 1 for i in range(3)])
        for k, axis in enumerate(axes)
    )
    # Row r of `turn`: LPS component r of the position in the model, relative to its middle.
    turn = (body.scale[:, None] * pose.rotation).astype(np.float32)
    there = [(turn[r, 0] * l + turn[r, 1] * p) + turn[r, 2] * s + warp[r] for r in range(3)]
    if body.swell:
        squared = sum((t - m) ** 2 for t, m in zip(there, body.middle, strict=True))
        squared *= np.float32(-0.5 / _BUMP_MM**2)
        shrink = 1.0 - np.float32(body.swell) * np.exp(squared, out=squared)
        there = [m + (t - m) * shrink for t, m in zip(there, body.middle, strict=True)]
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


def _displacement(body: Body, axes: list[Float64Array]) -> FloatArray:
    """Products of cosines plus products of splines along D, H, W: ``(3, D, H, W)`` mm."""
    period_mm = 260.0
    slow = [
        np.cos(np.pi * np.outer(np.arange(_MODES), axis / period_mm + 0.5)).astype(np.float32)
        for axis in axes
    ]
    count = body.fine.shape[1]
    quick = [
        cubic_basis(((axis + _REACH_MM) / _FINE_MM).clip(0.0, count - 3.001), count)
        for axis in axes
    ]
    total: Any = None
    for values, bases in ((body.modes, slow), (body.fine, quick)):
        field = np.tensordot(values, bases[2], axes=([3], [0]))  # (3, K, K, W)
        field = np.einsum("ckjw,jh->ckhw", field, bases[1], optimize=True)
        field = np.einsum("ckhw,kd->cdhw", field, bases[0], optimize=True)
        total = field if total is None else total + field
    return np.asarray(total, dtype=np.float32)
