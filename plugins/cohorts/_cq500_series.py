"""Which DICOM series of a CQ500 patient is the plain head CT."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossdl.io.dicom_kinds import values_of
from crossdl.types import Float64Array

_TAGS = (
    "Modality SeriesInstanceUID SeriesDescription ConvolutionKernel ImageType "
    "ImagePositionPatient ImageOrientationPatient"
).split()
_SAME_MM = 0.01


@dataclass(frozen=True, eq=False)
class FoundSeries:
    """A series of a patient's folder.

    Attributes:
        name: SeriesDescription and the name of its folder, blanks and underscores alike.
        uid: SeriesInstanceUID.
        paths: Its files, by name.
        modality: DICOM Modality.
        kernel: ConvolutionKernel, or "".
        localizer: Whether any of its images is one.
        depths: Distinct positions of the slices along their normal in mm, ascending; empty where
            the files do not say.
    """

    name: str
    uid: str
    paths: tuple[Path, ...]
    modality: str
    kernel: str
    localizer: bool
    depths: Float64Array

    @property
    def spacing(self) -> float:
        """Median distance of neighbouring slices in mm; 0 where it is not known."""
        return float(np.median(np.diff(self.depths))) if len(self.depths) > 1 else 0.0

    @property
    def coverage(self) -> float:
        """Millimetres from the first to the last slice."""
        return float(self.depths[-1] - self.depths[0]) if len(self.depths) else 0.0


@dataclass(frozen=True)
class SeriesChoice:
    """Rules of choosing one series.

    Attributes:
        modality: DICOM Modality it must have.
        excluded: Names that are no plain head CT.
        plain: Names that say so; where there are any, only they are considered.
        bone: Kernels for bone.
        min_slices: Fewer are no volume.
        min_coverage: Millimetres that a head needs.
        thin: Whether the thinnest slices are wanted, else the thickest.
    """

    modality: str
    excluded: re.Pattern[str]
    plain: re.Pattern[str]
    bone: re.Pattern[str]
    min_slices: int
    min_coverage: float
    thin: bool

    def choose(self, found: Sequence[FoundSeries]) -> FoundSeries | None:
        """The series to use, the same whatever the order they come in; None if none fits."""
        usable = [series for series in found if self.objection(series) is None]
        named = [series for series in usable if self.plain.search(series.name)]
        sign = 1 if self.thin else -1
        return min(
            named or usable,
            key=lambda s: (sign * round(s.spacing, 1), -round(s.coverage), s.name, s.uid),
            default=None,
        )

    def objection(self, series: FoundSeries) -> str | None:
        """Why a series is not usable, or None."""
        if series.modality != self.modality:
            return f"is {series.modality or 'of no modality'}"
        if series.localizer:
            return "localizer"
        if len(series.paths) < self.min_slices:
            return f"{len(series.paths)} slices"
        if self.excluded.search(series.name):
            return "excluded by its name"
        if self.bone.search(series.kernel):
            return f"bone kernel {series.kernel}"
        if not len(series.depths):
            return "no positions"
        if series.coverage < self.min_coverage:
            return f"covers {series.coverage:.0f} mm"
        return None


def find_series(folder: Path) -> list[FoundSeries]:
    """All DICOM series below a folder, by name; other and damaged files are passed over."""
    groups: dict[str, list[tuple[Path, dict[str, object]]]] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        header = _header(path)
        if header is not None:
            groups.setdefault(str(header["SeriesInstanceUID"]), []).append((path, header))
    found = [_series(uid, files) for uid, files in groups.items()]
    return sorted(found, key=lambda series: (series.name, series.uid))


def _header(path: Path) -> dict[str, object] | None:
    import pydicom

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))
            header = dict.fromkeys(_TAGS) | {
                item.keyword: item.value for item in data if item.VR != "SQ"
            }
    except Exception:  # pydicom raises many kinds for files that are no DICOM
        return None
    return header if header["SeriesInstanceUID"] else None


def _series(uid: str, files: Sequence[tuple[Path, dict[str, object]]]) -> FoundSeries:
    path, first = files[0]
    words = f"{first['SeriesDescription'] or ''} / {path.parent.name}"
    return FoundSeries(
        name=" ".join(words.replace("_", " ").split()),
        uid=uid,
        paths=tuple(path for path, _ in files),
        modality=str(first["Modality"] or ""),
        kernel="\\".join(_texts(first["ConvolutionKernel"])),
        localizer=any("LOCALIZER" in _texts(header["ImageType"]) for _, header in files),
        depths=_depths([header for _, header in files]),
    )


def _depths(headers: Sequence[dict[str, object]]) -> Float64Array:
    try:
        orientation = np.array(headers[0]["ImageOrientationPatient"], dtype=np.float64)
        positions = np.array([h["ImagePositionPatient"] for h in headers], dtype=np.float64)
        row, column = orientation.reshape(2, 3)
        along = np.sort(positions.reshape(-1, 3) @ np.cross(row, column))
    except (TypeError, ValueError):
        return np.empty(0)
    if not np.isfinite(along).all():
        return np.empty(0)
    return np.asarray(along[np.append(True, np.diff(along) > _SAME_MM)], dtype=np.float64)


def _texts(value: object) -> Iterator[str]:
    """A tag's values in capitals."""
    return (str(item).upper() for item in values_of(value))
