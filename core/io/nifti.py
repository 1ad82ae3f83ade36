"""Reading and writing NIfTI files; world coordinates become LPS."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.errors import InputError
from crossdl.files import replacing
from crossdl.io.dicom_pixels import AIR
from crossdl.io.hounsfield import check_hounsfield
from crossdl.types import Float64Array, Grid, LabelArray, Volume

ENDINGS = (".nii.gz", ".nii")
MILLIMETRES = {1: 1000.0, 3: 0.001}
"""By NIfTI's code of the unit: metres and micrometres; others are mm."""
SHEAR = 1e-3
"""Largest departure of an affine from perpendicular axes that is taken as rounding."""


def read_nifti(path: Path, modality: str) -> Volume:
    """Reads a scan.

    Args:
        path: A .nii or .nii.gz file of one 3D image.
        modality: "CT" means that the values must be HU; those below air become air.

    Returns:
        ``(D, H, W)`` float32. ``meta`` holds ``spacing_mm`` (d, h, w) and ``warnings``.

    Raises:
        InputError: The file is missing, not NIfTI, truncated, sheared, not 3D, not finite, or its
            values cannot be HU.
    """
    array, grid, notes = _read(path)
    image = array.astype(np.float32, copy=False)
    bad = int(image.size - np.count_nonzero(np.isfinite(image)))
    if bad:
        raise InputError(f"{path}: has {bad} voxels that are not finite; write the file again")
    if modality == "CT":
        notes += check_hounsfield(str(path), image)
        image = np.maximum(image, np.float32(AIR))
    meta = {
        "format": "nifti",
        "resampled": False,
        "spacing_mm": list(grid.spacing),
        "n_files": 1,
        "warnings": notes,
    }
    return Volume(np.ascontiguousarray(image), grid, scan_name(path), meta)


def read_labels(path: Path) -> tuple[LabelArray, Grid]:
    """Reads a label map.

    Returns:
        ``(D, H, W)`` uint8 and where the voxels are.

    Raises:
        InputError: As :func:`read_nifti`, or values are no whole numbers from 0 to 255.
    """
    array, grid, _ = _read(path)
    with np.errstate(invalid="ignore"):
        labels = array.astype(np.uint8)
    if not np.array_equal(labels, array):
        raise InputError(
            f"{path}: has values that are not whole numbers from 0 to 255, so it is no label map"
        )
    return labels, grid


def write_volume(
    path: Path,
    array: npt.NDArray[Any],
    grid: Grid,
    *,
    dtype: npt.DTypeLike = None,
    step: float | None = None,
) -> None:
    """Writes an image as NIfTI, whole or not at all; equal input gives equal bytes.

    Args:
        path: Name ending in .nii.gz or .nii; its folder is made if it is absent.
        array: ``(D, H, W)``.
        grid: Where the voxels are; written as both sform and qform.
        dtype: Type of the voxels in the file, None for that of ``array`` (bool becomes uint8).
        step: What readers multiply stored values by (``scl_slope``), None for nothing.

    Raises:
        ValueError: The array is not 3D, does not fit the grid, or the grid is sheared.
    """
    import nibabel

    if not path.name.lower().endswith(ENDINGS):
        raise ValueError(f"{path}: the name of a NIfTI file must end in .nii.gz or .nii")
    if array.ndim != 3 or array.shape != grid.shape:
        raise ValueError(f"array {array.shape} does not fit grid {grid.shape}")
    if dtype is not None or array.dtype == np.bool_:
        array = array.astype(np.uint8 if dtype is None else dtype)
    direction = grid.affine[:3, :3] / grid.spacing[::-1]
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise ValueError("a sheared grid cannot be written as NIfTI")
    affine = grid.affine.copy()
    affine[:2] *= -1  # LPS to RAS
    image = nibabel.Nifti1Image(array.T, affine, dtype=array.dtype)
    image.set_sform(affine, "scanner")
    image.set_qform(affine, "scanner")
    image.header.set_xyzt_units("mm")
    if step is not None:
        image.header.set_slope_inter(step, 0.0)
    with replacing(path) as working:
        nibabel.save(image, working)


def write_ct(path: Path, volume: Volume) -> None:
    """Writes a scan as int16 HU; values beyond that are cut."""
    limits = np.iinfo(np.int16)
    hu = np.empty(volume.array.shape, dtype=np.int16)
    for given, out in zip(volume.array, hu, strict=True):
        np.rint(given.clip(limits.min, limits.max), out=out, casting="unsafe")
    write_volume(path, hu, volume.grid)


def check_name(path: Path) -> None:
    """Refuses a file to write whose name is not that of a NIfTI file.

    Raises:
        InputError: It ends otherwise.
    """
    if not path.name.endswith(ENDINGS):
        raise InputError(f"{path}: the file name must end in .nii or .nii.gz")


def scan_name(path: Path) -> str:
    """Name of a file without its ending: ``"049"`` for ``049.nii.gz``."""
    for ending in ENDINGS:
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.name


def nifti_files(folder: Path) -> list[Path]:
    """The NIfTI files that lie in a folder, by name; none where it is no folder."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_file() and path.name.lower().endswith(ENDINGS) and path.name[0] != "."
    )


def _read(path: Path) -> tuple[npt.NDArray[Any], Grid, list[str]]:
    """Voxels ``(D, H, W)``, their grid, and warnings.

    By nibabel, because ITK reads what lacks in a truncated file, and voxels that are not finite,
    as zero without a word.
    """
    import nibabel

    if not path.is_file():
        raise InputError(f"{path}: no such file; give a .nii or .nii.gz file")
    content = _unzipped(path)
    nifti2 = content[4:7] == b"n+2"
    if not nifti2 and content[344:347] != b"n+1":
        raise InputError(f"{path}: is not a NIfTI file, whatever its name says; write it again")
    try:
        with np.errstate(all="ignore"):
            kind = nibabel.Nifti2Image if nifti2 else nibabel.Nifti1Image
            image = kind.from_bytes(content)
            voxels = np.asarray(image.dataobj)
    except Exception as error:  # nibabel raises many kinds for damaged files
        raise InputError(
            f"{path}: is truncated or damaged; copy or write it again "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__})"
        ) from error
    if voxels.ndim == 4 and voxels.shape[3] == 1:
        voxels = voxels[..., 0]
    if voxels.ndim != 3 or min(voxels.shape) < 2:
        shape = " x ".join(map(str, voxels.shape))
        raise InputError(f"{path}: is an image of {shape} voxels; one 3D image is needed")
    if voxels.dtype.kind not in "iuf":
        raise InputError(f"{path}: its voxels are complex or coloured; one number each is needed")
    affine, notes = _affine(path, image)
    array = voxels.T
    return array, Grid((array.shape[0], array.shape[1], array.shape[2]), affine), notes


def _unzipped(path: Path) -> bytes:
    content = path.read_bytes()
    if content[:2] != b"\x1f\x8b":
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path}: is truncated or damaged; copy or write it again ({error})"
        ) from error


def _affine(path: Path, image: Any) -> tuple[Float64Array, list[str]]:
    """LPS affine ``(4, 4)`` in mm with exactly perpendicular axes, and warnings."""
    affine = np.array(image.affine, dtype=np.float64)
    affine[:2] *= -1  # RAS to LPS
    affine[:3] *= MILLIMETRES.get(int(image.header["xyzt_units"]) & 7, 1.0)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.isfinite(affine).all() or spacing.min() < 1e-6:
        raise InputError(f"{path}: its affine is not usable; correct the file's header")
    left, size, right = np.linalg.svd(affine[:3, :3] / spacing)
    if np.abs(size - 1).max() > SHEAR:
        raise InputError(
            f"{path}: its affine is sheared, as of a tilted gantry; give the DICOM series, or "
            "resample the file to an orthogonal grid"
        )
    affine[:3, :3] = (left @ right) * spacing
    codes = [int(image.header[key]) for key in ("sform_code", "qform_code")]
    if not any(codes):
        return affine, [
            "the file does not say where the patient's left is (no qform, no sform); left and "
            "right may be swapped"
        ]
    if all(codes) and not _forms_agree(image):
        return affine, ["sform and qform of the file disagree; sform was used"]
    return affine, []


def _forms_agree(image: Any) -> bool:
    try:
        qform = image.get_qform()
    except ValueError:  # its quaternion is none
        return False
    return np.allclose(image.get_sform()[:3, :3], qform[:3, :3], atol=0.01)
