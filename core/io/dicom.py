"""Reading a DICOM series into a volume whose voxels are where the headers say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.errors import InputError
from crossdl.io.dicom_files import Files, files_called, files_of
from crossdl.io.dicom_headers import (
    TOLERANCE_MM,
    Series,
    SliceHeader,
    read_headers,
    same_place,
    stack_of,
)
from crossdl.io.dicom_pixels import AIR, read_pixels
from crossdl.io.stacking import Stack, holes
from crossdl.types import FloatArray, Volume


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
    headers, stack = stack_of(series.slices)
    notes = list(series.warnings)
    images = [read_pixels(header.source, modality) for header in headers]
    kept = _without_duplicates(files.name, headers, images)
    if len(kept) < len(headers):
        notes.append(f"{len(headers) - len(kept)} slices that are there twice were dropped")
        if len(kept) == 1:
            raise InputError(f"{files.name}: has only 1 slice, several times; give a whole series")
        images = [images[k] for k in kept]
        headers, stack = stack_of([headers[k] for k in kept])
    for k in np.flatnonzero(stack.gaps <= TOLERANCE_MM):
        raise InputError(
            f"{files.name}: {headers[k].source.word} and {headers[k + 1].source.word} lie side by side in "
            "one plane, so they are not one volume; give the folder of one series"
        )
    notes += check_complete(files.name, headers, stack, allow=allow_missing_slices)
    array = stack.resample(images, AIR if modality == "CT" else 0.0)
    return Volume(
        array=array,
        grid=stack.grid,
        name=name,
        meta=_meta(series, headers, stack, notes),
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
    gaps = holes(depths, [h.thickness for h in headers], [h.number for h in headers])
    if not gaps:
        return []
    places = [_hole(headers[k], headers[k + 1], float(stack.gaps[k])) for k in gaps]
    found = f"slices are missing: {'; '.join(places)}"
    if allow:
        return [f"{found}; interpolated"]
    raise InputError(f"{name}: {found}; export the series again, or pass --allow-missing-slices")


def _hole(below: SliceHeader, above: SliceHeader, gap: float) -> str:
    text = f"{gap:.1f} mm between {below.source.word} and {above.source.word}"
    if below.number is None or above.number is None:
        return text
    first, last = sorted((below.number, above.number))
    if last - first < 2:
        return text
    lost = str(first + 1) if last - first == 2 else f"{first + 1} to {last - 1}"
    return f"{text} (InstanceNumber {lost})"


def _without_duplicates(
    name: str, headers: Sequence[SliceHeader], images: Sequence[FloatArray]
) -> list[int]:
    """Indices of the slices that differ in place; equal pixels at one place are kept once."""
    kept = [0]
    for k in range(1, len(headers)):
        last = kept[-1]
        if not same_place(headers[last], headers[k]):
            kept.append(k)
        elif not np.array_equal(images[last], images[k]):
            raise InputError(
                f"{name}: {headers[last].source.word} and {headers[k].source.word} "
                "lie at the same position and show different pixels, so there is more than one "
                "image series in the folder; give one of them"
            )
    return kept


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
        "n_files": len(series.slices),
        "n_ignored": series.n_ignored,
        "warnings": list(notes),
        **headers[0].scanner,
    }
