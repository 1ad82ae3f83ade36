"""Reading a scan of any supported format, and writing results."""

from __future__ import annotations

from pathlib import Path

from crossdl.errors import InputError
from crossdl.io.nifti import ENDINGS, read_labels, read_nifti, write_ct, write_volume
from crossdl.types import Volume

__all__ = ["read_labels", "read_volume", "write_ct", "write_volume"]


def read_volume(path: Path, modality: str = "CT", *, allow_missing_slices: bool = False) -> Volume:
    """Reads a scan.

    Args:
        path: A folder with one DICOM series, or a .nii or .nii.gz file.
        modality: What the anatomy is defined for; a DICOM series must have it.
        allow_missing_slices: Interpolate over missing slices of a DICOM series.

    Returns:
        ``(D, H, W)`` float32, HU for CT, on an orthogonal, regular grid in LPS.

    Raises:
        InputError: The scan cannot be used; the message says why and what to do.
    """
    if path.is_dir():
        from crossdl.io.dicom import read_series

        return read_series(path, modality, allow_missing_slices=allow_missing_slices)
    if not path.exists():
        raise InputError(f"{path}: does not exist; give a DICOM series folder or a NIfTI file")
    if path.name.lower().endswith(ENDINGS):
        return read_nifti(path, modality)
    with path.open("rb") as file:
        if file.read(132)[128:] == b"DICM":
            raise InputError(
                f"{path}: is a single DICOM file; give the folder that holds the whole series"
            )
    raise InputError(
        f"{path}: is neither a DICOM series folder nor a .nii or .nii.gz file; give one of these"
    )
