"""Reading a DICOM series into a volume whose voxels are where the headers say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.errors import InputError
from crossdl.io.dicom_files import Files, files_called, files_of
from crossdl.io.dicom_headers import Series, SliceHeader, read_headers
from crossdl.io.dicom_pixels import AIR, compression_notes, read_pixels
from crossdl.io.dicom_stacks import TOLERANCE_MM, one_orientation, one_pass, stack_of
from crossdl.io.hounsfield import check_hounsfield
from crossdl.io.stacking import Stack, holes, in_order
from crossdl.types import Volume

MAX_VOXELS = 1_000_000_000
"""A larger grid comes from damaged positions, or is no head scan."""


def read_series(folder: Path, modality: str, *, allow_missing_slices: bool = False) -> Volume:
    """Reads the DICOM series in a folder.

    Slices are sorted by ImagePositionPatient along their normal. Where they are not exactly above
    each other (gantry tilt) or not evenly spaced, the volume is interpolated onto an orthogonal,
    regular grid along row, column and normal that covers everything imaged. The array is not
    flipped; the affine says where it is.

    Args:
        folder: With the files of one series, or with one folder below it that has them.
        modality: DICOM Modality that the series must have.
        allow_missing_slices: Interpolate over missing slices, with a warning in ``meta``.

    Returns:
        ``(D, H, W)`` float32, HU where the modality is CT. ``meta`` holds ``tilt_degrees``,
        ``gantry_tilt_tag``, ``resampled``, ``slice_positions_mm`` along the normal, ``gaps_mm``,
        ``slice_thickness_mm``, ``spacing_mm`` (d, h, w), ``n_files``, ``n_ignored``,
        ``warnings`` and facts of the scanner, and nothing of the patient.

    Raises:
        InputError: Anything that would make the volume doubtful; the message says what to do.
    """
    name = folder.resolve().name or "scan"
    return _read(files_of(folder), modality, name, allow_missing_slices)


def read_series_files(
    paths: Sequence[Path], modality: str, *, name: str, allow_missing_slices: bool = False
) -> Volume:
    """Reads one DICOM series from its files, wherever they lie.

    Args:
        paths: All files of the series; objects that are no slices may be among them.
        modality: DICOM Modality that the series must have.
        name: What the volume and messages are called.
        allow_missing_slices: Interpolate over missing slices, with a warning in ``meta``.

    Returns:
        As :func:`read_series`.

    Raises:
        InputError: As :func:`read_series`; messages begin with ``name`` and hold no path, no
            identifier and no free text. They call a file by its number in ``paths``, from 1.
    """
    return _read(files_called(paths, name), modality, name, allow_missing_slices)


def _read(files: Files, modality: str, name: str, allow_missing_slices: bool) -> Volume:
    series = read_headers(files, modality)
    kept, notes = one_orientation(files.name, series.slices)
    notes = [*series.warnings, *notes]
    _check_several(files.name, kept)
    headers, stack = stack_of(kept)
    images = read_pixels(headers, modality)
    passes, more = one_pass(files.name, headers, images)
    notes += more
    if len(passes) < len(headers):
        headers, images = [headers[k] for k in passes], images[passes]
        _check_several(files.name, headers)
        headers, stack = stack_of(headers)
    for k in np.flatnonzero(stack.gaps <= TOLERANCE_MM):
        raise InputError(
            f"{files.name}: {headers[k].word} and {headers[k + 1].word} lie side by side in one "
            "plane, so they are not one volume; give the files of one series"
        )
    notes += check_complete(files.name, headers, stack, allow=allow_missing_slices)
    notes += compression_notes(headers)
    if modality == "CT":
        notes += check_hounsfield(files.name, images)
    if np.prod(stack.grid.shape, dtype=np.float64) > MAX_VOXELS:
        raise InputError(
            f"{files.name}: its slices lie so far apart that the volume would have more than "
            f"{MAX_VOXELS:,} voxels; give the files of one series"
        )
    array = stack.resample(images, AIR if modality == "CT" else 0.0)
    meta = _meta(series, headers, stack, notes)
    return Volume(array=array, grid=stack.grid, name=name, meta=meta)


def _check_several(name: str, headers: Sequence[SliceHeader]) -> None:
    if len(headers) == 1:
        raise InputError(
            f"{name}: has only 1 slice, which is no volume; give the files of the whole series"
        )


def check_complete(
    name: str, headers: Sequence[SliceHeader], stack: Stack, *, allow: bool = False
) -> list[str]:
    """Looks for missing slices.

    Args:
        name: What the message begins with.
        headers: K headers in the order of the stack.
        stack: Where they are.
        allow: Whether to return the sentence instead of raising it.

    Returns:
        Sentences, none for a complete series.

    Raises:
        InputError: Slices are missing.
    """
    depths = stack.offsets[:, 2].tolist()
    numbers = [h.number for h in headers]
    gaps = holes(depths, [h.thickness for h in headers], numbers)
    if not gaps:
        return []
    counted = in_order(numbers)
    places = [_hole(headers[k : k + 2], depths[k : k + 2], counted=counted) for k in gaps]
    found = f"slices are missing: {'; '.join(places)}"
    if allow:
        return [f"{found}; interpolated"]
    raise InputError(f"{name}: {found}; export the series again, or pass --allow-missing-slices")


def _hole(sides: Sequence[SliceHeader], depths: Sequence[float], *, counted: bool) -> str:
    """Says where a hole is: by InstanceNumber where that counts along the stack, else in mm."""
    below, above = sides
    text = f"{depths[1] - depths[0]:.1f} mm between {below.word} and {above.word}"
    first, last = sorted((below.number or 0, above.number or 0))
    if not counted or last - first < 2:
        return f"{text}, {depths[0]:.1f} to {depths[1]:.1f} mm from the first slice along the stack"
    lost = str(first + 1) if last - first == 2 else f"{first + 1} to {last - 1}"
    return f"{text} (InstanceNumber {lost})"


def _meta(
    series: Series, headers: Sequence[SliceHeader], stack: Stack, notes: Sequence[str]
) -> dict[str, Any]:
    return {
        "format": "dicom",
        "tilt_degrees": stack.tilt_degrees,
        "resampled": not stack.regular,
        "slice_positions_mm": stack.offsets[:, 2].tolist(),
        "gaps_mm": stack.gaps.tolist(),
        "slice_thickness_mm": [h.thickness for h in headers],
        "spacing_mm": list(stack.grid.spacing),
        "n_files": len({id(h.image) for h in series.slices}),
        "n_ignored": series.n_ignored,
        "warnings": list(notes),
        **headers[0].scanner(),
    }
