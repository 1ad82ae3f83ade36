"""Reading and writing NIfTI files; world coordinates become LPS."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossdl.errors import InputError
from crossdl.files import replacing
from crossdl.io.dicom_pixels import AIR
from crossdl.types import FloatArray, Grid, LabelArray, Volume

if TYPE_CHECKING:
    import SimpleITK

ENDINGS = (".nii.gz", ".nii")
HEADER_BYTES = 348


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
        notes += _check_hounsfield(path, image)
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
    path: Path, array: npt.NDArray[Any], grid: Grid, *, dtype: npt.DTypeLike = None
) -> None:
    """Writes an image as NIfTI, whole or not at all; equal input gives equal bytes.

    Args:
        path: Name ending in .nii.gz or .nii; its folder is made if it is absent.
        array: ``(D, H, W)``.
        grid: Where the voxels are; written as both sform and qform.
        dtype: Type of the voxels in the file, None for that of ``array`` (bool becomes uint8).

    Raises:
        ValueError: The array is not 3D, does not fit the grid, or the grid is sheared.
    """
    import SimpleITK as sitk

    if not path.name.lower().endswith(ENDINGS):
        raise ValueError(f"{path}: the name of a NIfTI file must end in .nii.gz or .nii")
    if array.ndim != 3 or array.shape != grid.shape:
        raise ValueError(f"array {array.shape} does not fit grid {grid.shape}")
    if dtype is not None or array.dtype == np.bool_:
        array = array.astype(np.uint8 if dtype is None else dtype)
    spacing = np.array(grid.spacing[::-1])
    direction = grid.affine[:3, :3] / spacing
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise ValueError("a sheared grid cannot be written as NIfTI")
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing.tolist())
    image.SetDirection(direction.ravel().tolist())
    image.SetOrigin(grid.affine[:3, 3].tolist())
    with replacing(path) as working:
        sitk.WriteImage(image, str(working))


def scan_name(path: Path) -> str:
    """Name of a file without its ending: ``"049"`` for ``049.nii.gz``."""
    for ending in ENDINGS:
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.name


def _read(path: Path) -> tuple[npt.NDArray[Any], Grid, list[str]]:
    """Voxels in file type after scaling, their grid, and warnings."""
    import SimpleITK as sitk

    if not path.is_file():
        raise InputError(f"{path}: no such file; give a .nii or .nii.gz file")
    start, have = _unpacked(path)
    if b"n+1" != start[344:347] and b"n+2" != start[4:7]:
        raise InputError(f"{path}: is not a NIfTI file, whatever its name says; write it again")
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NiftiImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        if "orthonormal" in str(error):
            raise InputError(
                f"{path}: its affine is sheared, as of a tilted gantry; give the DICOM series, or "
                "resample the file to an orthogonal grid"
            ) from error
        raise InputError(f"{path}: its NIfTI header is damaged; write it again") from error
    size = reader.GetSize()
    if len(size) != 3 or min(size) < 2 or reader.GetNumberOfComponents() != 1:
        shape = " x ".join(map(str, size))
        raise InputError(
            f"{path}: is an image of {shape} voxels with {reader.GetNumberOfComponents()} value(s) "
            "each; one 3D image with one value each is needed"
        )
    needed = np.prod(size) * (_number(reader, "bitpix") / 8) + _number(reader, "vox_offset")
    if have < needed:
        raise InputError(
            f"{path}: is truncated, it has {have} bytes of {needed:.0f}; copy or write it again"
        )
    image = reader.Execute()
    notes = []
    if all(_number(reader, key) == 0 for key in ("qform_code", "sform_code")):
        notes.append(
            "the file does not say where the patient's left is (no qform, no sform); left and "
            "right may be swapped"
        )
    matrix = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix, image.GetOrigin()
    try:
        grid = Grid((size[2], size[1], size[0]), affine)
    except ValueError as error:
        raise InputError(f"{path}: {error}; correct the file's header") from error
    return sitk.GetArrayFromImage(image), grid, notes


def _unpacked(path: Path) -> tuple[bytes, int]:
    """First bytes and number of bytes of a file, unzipped; finds what ITK reads without a word.

    Raises:
        InputError: The zipped data are truncated or damaged.
    """
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if zipped else path.open("rb") as stream:
            start = stream.read(HEADER_BYTES)
            size = len(start)
            while block := stream.read(1 << 20):
                size += len(block)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path}: is truncated or damaged; copy or write it again ({error})"
        ) from error
    return start, size


def _number(reader: SimpleITK.ImageFileReader, key: str) -> float:
    return float(reader.GetMetaData(key)) if reader.HasMetaDataKey(key) else 0.0


def _check_hounsfield(path: Path, image: FloatArray) -> list[str]:
    low, high = float(image.min()), float(image.max())
    if low == high:
        raise InputError(f"{path}: every voxel is {low:g}; write the scan again")
    if high <= 1:
        raise InputError(
            f"{path}: values from {low:g} to {high:g} are not HU, the scan was normalised; give it "
            "in HU"
        )
    if low > -200:
        return [
            f"no voxel is air (lowest {low:g}): the values may not be HU, or the head is cut out"
        ]
    return []
