"""Which slices of a series are one volume: one orientation, one pass, each place once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import NoReturn

import numpy as np

from crossdl.errors import InputError
from crossdl.io.dicom_headers import SliceHeader, differences, parallel
from crossdl.io.stacking import EVEN_MM, Stack
from crossdl.types import Float64Array, FloatArray

TOLERANCE_MM = 0.01
"""Slices nearer to each other than this are at the same place."""


def stack_of(headers: Sequence[SliceHeader]) -> tuple[list[SliceHeader], Stack]:
    """Sorts slices by their position along the normal.

    Slices at the same place stay neighbours, so a stack of them is not strictly increasing.

    Returns:
        The headers in order, and where they are.
    """
    along_row, along_column = headers[0].orientation
    axes = np.stack([along_row, along_column, np.cross(along_row, along_column)])
    positions = np.stack([h.position for h in headers])
    order = np.argsort(positions @ axes[2], kind="stable")
    positions = positions[order]
    offsets = (positions - positions[0]) @ axes.T
    stack = Stack(positions[0], axes, offsets, headers[0].shape, headers[0].pixel)
    return [headers[i] for i in order], stack


def one_orientation(
    name: str, headers: Sequence[SliceHeader]
) -> tuple[list[SliceHeader], list[str]]:
    """Slices that can be stacked.

    Of slices in several orientations those are taken that alone are original (ImageType), or
    those that are at least twice as many as of any other orientation.

    Args:
        name: What the message begins with.
        headers: Slices of one series.

    Returns:
        Slices that agree in orientation, size and spacing, and warnings.

    Raises:
        InputError: It is not clear which slices are meant, or they differ in size or spacing.
    """
    groups: list[list[SliceHeader]] = []
    for header in headers:
        for group in groups:
            if parallel(group[0], header):
                group.append(header)
                break
        else:
            groups.append([header])
    notes = []
    kept = groups[0]
    if len(groups) > 1:
        groups.sort(key=len, reverse=True)
        original = [group for group in groups if any(h.original for h in group)]
        if len(original) == 1 and len(original[0]) > 1:
            kept = original[0]
        elif len(groups[0]) >= 2 * len(groups[1]):
            kept = groups[0]
        else:
            _refuse(name, groups[0][0], groups[1][0])
        left = len(headers) - len(kept)
        notes.append(f"{left} slices of another orientation were left out")
    for header in kept[1:]:
        _refuse(name, kept[0], header)
    return kept, notes


def one_pass(
    name: str, headers: Sequence[SliceHeader], images: FloatArray
) -> tuple[list[int], list[str]]:
    """Slices that lie at different places, from one pass of the scanner.

    Equal pixels at one place are kept once. Where different pixels are at one place,
    AcquisitionNumber must tell the passes apart: two that meet at one position keep the first's
    slice there; of passes over the same range the one that covers it all with the most slices is
    kept.

    Args:
        name: What the message begins with.
        headers: K headers sorted along the normal.
        images: ``(K, H, W)`` their pixels.

    Returns:
        Indices of the slices kept, and warnings.

    Raises:
        InputError: It is not clear which slices are meant.
    """
    places = _places(headers, images)
    different = sum(map(len, places))
    notes = []
    if different < len(headers):
        notes.append(f"{len(headers) - different} slices that are there twice were dropped")
    passes = _passes(headers, [k for place in places for k in place])
    twice = different > len(places)
    if not twice and not _shifted(headers, passes):
        return [place[0] for place in places], notes
    kept = (_meeting(passes, places) if twice else None) or _covering(passes, places)
    if kept is None:
        _refuse_passes(name, headers, places, passes)
    left = different - len(kept)
    notes.append(f"{left} slices of another pass over the same place were dropped")
    return kept, notes


def _places(headers: Sequence[SliceHeader], images: FloatArray) -> list[list[int]]:
    """Indices of the slices at each place, without those whose pixels are there already."""
    places: list[list[int]] = []
    for k, header in enumerate(headers):
        if not places or not _same_place(headers[places[-1][0]], header):
            places.append([k])
        elif not any(np.array_equal(images[k], images[other]) for other in places[-1]):
            places[-1].append(k)
    return places


def _refuse_passes(
    name: str, headers: Sequence[SliceHeader], places: Sequence[list[int]], passes: Passes
) -> NoReturn:
    numbers = ", ".join(map(str, sorted(passes)))
    known = f" (AcquisitionNumber {numbers})" if passes else ""
    for place in places:
        if len(place) > 1:
            first, second = (headers[k].word for k in place[:2])
            raise InputError(
                f"{name}: {first} and {second} lie at the same position and show different "
                f"pixels, so there is more than one image series or pass{known} among the files; "
                "give one of them"
            )
    raise InputError(
        f"{name}: several passes{known} lie over each other and are not interleaved evenly; give "
        "one of them"
    )


Passes = dict[int, list[int]]
"""For each AcquisitionNumber the indices of its slices, in the order of the stack."""


def _passes(headers: Sequence[SliceHeader], indices: Sequence[int]) -> Passes:
    """The slices of each pass; none where a slice does not say, or all are of one pass."""
    passes: Passes = defaultdict(list)
    for k in indices:
        number = headers[k].acquisition
        if number is None:
            return {}
        passes[number].append(k)
    return passes if len(passes) > 1 else {}


def _meeting(passes: Passes, places: Sequence[list[int]]) -> list[int] | None:
    """The slices where neighbouring passes share one position at most, their common border."""
    where = {k: p for p, place in enumerate(places) for k in place}
    ranges = sorted((where[found[0]], where[found[-1]]) for found in passes.values())
    short = any(last - first < 2 for first, last in ranges)
    overlap = any(a[1] > b[0] for a, b in pairwise(ranges))
    if not passes or short or overlap or any(len(place) > 2 for place in places):
        return None
    number = {k: n for n, found in passes.items() for k in found}
    return [min(place, key=number.__getitem__) for place in places]


def _covering(passes: Passes, places: Sequence[list[int]]) -> list[int] | None:
    """The slices of the pass that covers the whole range with the most slices."""
    ranked = sorted(passes.values(), key=len, reverse=True)
    if not ranked or len(ranked[0]) == len(ranked[1]):
        return None
    own = [p for p, place in enumerate(places) if not set(ranked[0]).isdisjoint(place)]
    whole = own[0] == 0 and own[-1] == len(places) - 1 and len(own) == len(ranked[0])
    return ranked[0] if whole else None


def _shifted(headers: Sequence[SliceHeader], passes: Passes) -> bool:
    """Whether passes lie over each other, each even, and together uneven: not interleaved."""
    ranges = []
    if not passes:
        return False
    for found in passes.values():
        depths = _depths([headers[k] for k in found])
        if len(depths) < 3 or not _even(depths):
            return False
        ranges.append((found[0], found[-1]))
    ranges.sort()
    every = _depths([headers[k] for k in sorted(k for found in passes.values() for k in found)])
    overlap = all(a[1] > b[0] + 1 for a, b in pairwise(ranges))
    return overlap and not _even(every)


def _depths(headers: Sequence[SliceHeader]) -> Float64Array:
    normal = np.cross(*headers[0].orientation)
    depths: Float64Array = np.stack([h.position for h in headers]) @ normal
    return depths


def _even(depths: Float64Array) -> bool:
    gaps = np.diff(depths)
    return bool(gaps.max() - gaps.min() <= max(2 * EVEN_MM, 0.02 * gaps.max()))


def _same_place(first: SliceHeader, second: SliceHeader) -> bool:
    return bool(np.abs(first.position - second.position).max() <= TOLERANCE_MM)


def _refuse(name: str, first: SliceHeader, other: SliceHeader) -> None:
    """Raises where two slices cannot be of one volume."""
    for what in differences(first, other):
        raise InputError(
            f"{name}: {first.word} and {other.word} differ in {what}, so they are not one volume; "
            "give the files of one series"
        )
