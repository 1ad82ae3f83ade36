"""What a DICOM object is, told from a few tags of its header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

Kind = Literal["slices", "localizer", "projection", "screenshot", "no image"]
"""What :func:`kind_of` says.

* ``slices``: parallel slices in patient space, one or several frames; the only kind that is read.
* ``localizer``: a scout view used to plan the scan.
* ``projection``: a maximum or minimum intensity projection, whose values are no tissue's mean.
* ``screenshot``: a picture of a screen: secondary capture, dose page, colour rendering.
* ``no image``: reports, presentation states, segmentations and whatever else has no pixels.
"""
KIND_TAGS = ("SOPClassUID", "ImageType", "Rows", "Columns", "SamplesPerPixel")
"""Keywords :func:`kind_of` and :func:`is_reformat` look at."""

_LOCALIZER = {"LOCALIZER", "SCOUT", "SURVIEW", "TOPOGRAM"}
_PROJECTION = {"MIP", "MINIP", "PROJECTION", "MAX_IP", "MIN_IP"}
_SCREEN = {"SCREEN", "SCREENSHOT", "DOSE_INFO", "PROT", "VRT", "RENDERING"}
_REFORMAT = {"MPR", "REFORMATTED"}
_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_NOT_PICTURES = ("1.2.840.10008.5.1.4.1.1.66", "1.2.840.10008.5.1.4.1.1.481")
"""Segmentations, surfaces and registrations; radiotherapy objects."""


def values_of(value: Any) -> list[Any]:
    """The values of a tag, whatever type a damaged header gives it; none where it is absent."""
    if value is None or isinstance(value, str | bytes):
        return [] if value is None else [value]
    try:
        return list(value)
    except TypeError:  # a single number or tag
        return [value]


def image_type(header: Mapping[str, Any]) -> tuple[str, ...]:
    """The values of ImageType in capitals; none where it is absent."""
    value = header.get("ImageType")
    parts = value.split("\\") if isinstance(value, str) else values_of(value)
    return tuple(str(part).strip().upper() for part in parts)


def kind_of(header: Mapping[str, Any]) -> Kind:
    """What an object is.

    Args:
        header: Values of :data:`KIND_TAGS` by keyword (a mapping, or a pydicom data set); an absent
            or None value is unknown.

    Returns:
        The kind; ``"slices"`` where nothing speaks against it.
    """
    words = _words(header)
    sop = str(header.get("SOPClassUID") or "")
    if header.get("Rows") is None or header.get("Columns") is None or _within(sop, _NOT_PICTURES):
        return "no image"
    if words & _LOCALIZER:
        return "localizer"
    if _within(sop, (_SECONDARY_CAPTURE,)) or words & _SCREEN:
        return "screenshot"
    if header.get("SamplesPerPixel") not in (None, 1):
        return "screenshot"
    if words & _PROJECTION:
        return "projection"
    return "slices"


def is_reformat(header: Mapping[str, Any]) -> bool:
    """Whether slices were computed from other slices (multiplanar reformat), by ImageType."""
    return bool(_words(header) & _REFORMAT)


def _words(header: Mapping[str, Any]) -> set[str]:
    """Values of ImageType and their words: ``CT_SOM5 MIP`` has ``MIP``."""
    values = image_type(header)
    return {*values, *(word for value in values for word in value.split())}


def _within(sop: str, roots: Sequence[str]) -> bool:
    """Whether a SOP class is one of the roots or below it."""
    return any(sop == root or sop.startswith(root + ".") for root in roots)
