"""Candidates of an abnormality map and lesions of a manual mask: which of them found which.

A *lesion* is a connected piece of the mask. A *candidate* is a local maximum of the map with the
voxels around it, and its confidence is the maximum's value. The region of a candidate is relative
to its own height ("dynamic thresholding", Bosma et al., Radiology: Artificial Intelligence 2023,
doi 10.1148/ryai.230031), because one threshold for all would join strong lesions with everything
around them and lose the weak ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from crossdl.types import BoolArray, FloatArray, Grid, LabelArray, RegionMap

_CUBE = np.ones((3, 3, 3), dtype=np.bool_)
"""Voxels that touch, be it by a corner, belong together."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """What a map points at, the most confident first.

    Attributes:
        labels: ``(D', H', W')`` on the map's grid: 0 is none, i + 1 is candidate i.
        confidences: Value of each peak.
        peaks: ``(d, h, w)`` of each peak on the map's grid.
    """

    labels: LabelArray
    confidences: tuple[float, ...]
    peaks: tuple[tuple[int, int, int], ...]


def find_candidates(
    values: FloatArray, *, threshold: float, extent: float, limit: int
) -> Candidates:
    """Candidates of one map, from its highest local maximum downwards.

    A candidate takes the connected voxels around its peak that are at least ``extent`` of it, not
    above it (those are the flank of a higher one), and not taken yet. A maximum that was taken
    along is no candidate of its own.

    Args:
        values: ``(D', H', W')`` in [0, 1].
        threshold: Maxima below it are none; above 0.
        extent: Share of the peak, in (0, 1].
        limit: Most candidates, at most 255.
    """
    from scipy import ndimage

    flat = values.ravel()
    peaks = (values == ndimage.maximum_filter(values, size=3, mode="nearest")).ravel()
    waiting = np.flatnonzero(peaks & (flat >= threshold))
    waiting = waiting[np.argsort(-flat[waiting], kind="stable")]
    labels = np.zeros(values.shape, dtype=np.uint8)
    chosen: list[int] = []
    while waiting.size and len(chosen) < limit:
        top = int(waiting[0])
        height = flat[top]
        around = (values >= extent * height) & (values <= height) & (labels == 0)
        pieces, _ = ndimage.label(around, _CUBE)
        labels[pieces == pieces.ravel()[top]] = len(chosen) + 1
        chosen.append(top)
        waiting = waiting[labels.ravel()[waiting] == 0]
    at = np.stack(np.unravel_index(np.array(chosen, dtype=np.int64), values.shape), axis=1)
    places = tuple((int(d), int(h), int(w)) for d, h, w in at)
    return Candidates(labels, tuple(float(flat[i]) for i in chosen), places)


def match_lesions(candidates: Candidates, source: Grid, mask: BoolArray, target: Grid) -> Any:
    """Which candidates touch which lesions.

    Candidates are carried to the mask's grid by nearest neighbour; the voxel of its peak belongs
    to a candidate in any case.

    Args:
        candidates: Of a map on ``source``.
        source: The map's grid.
        mask: ``(D, H, W)`` on ``target``.
        target: The scan's grid.

    Returns:
        JSON-able: ``{"lesions": [voxels], "candidates": [{"confidence", "voxels", "inside",
        "touches": [index of a lesion]}]}``; ``inside`` are its voxels that lie in the mask.
    """
    from scipy import ndimage

    from crossdl.preprocessing import labels_on

    lesions, n_lesions = ndimage.label(mask, _CUBE)
    carried = labels_on(RegionMap(candidates.labels, source), target)
    for number, peak in enumerate(candidates.peaks, start=1):
        at = voxel_of(source.index_to_world(peak), target)
        if at is not None:
            carried[at] = number
    sizes = np.bincount(carried[carried > 0], minlength=len(candidates.confidences) + 1)
    met = np.stack([carried[mask], lesions[mask]], axis=1)
    met = met[met[:, 0] > 0]
    inside = np.bincount(met[:, 0], minlength=len(sizes))
    pairs = np.unique(met, axis=0)
    return {
        "lesions": np.bincount(lesions[mask], minlength=n_lesions + 1)[1:].tolist(),
        "candidates": [
            {
                "confidence": round(confidence, 6),
                "voxels": int(sizes[number]),
                "inside": int(inside[number]),
                "touches": (pairs[pairs[:, 0] == number, 1].astype(np.int64) - 1).tolist(),
            }
            for number, confidence in enumerate(candidates.confidences, start=1)
        ],
    }


def pointing_game(
    values: FloatArray, source: Grid, mask: BoolArray, target: Grid, tolerance_mm: float
) -> float:
    """Whether the map's maximum lies in the mask: 1 or 0.

    Of a map that is highest in several voxels it is the share of them that lie in the mask. A map
    without any positive voxel points nowhere.

    Literature: Zhang et al., Top-down Neural Attention by Excitation Backprop, ECCV 2016; as hit
    rate without tolerance for radiographs, Saporta et al., Nature Machine Intelligence 2022, doi
    10.1038/s42256-022-00536-x.

    Args:
        values: ``(D', H', W')`` in [0, 1] on ``source``.
        source: The map's grid; trilinear interpolation has its maxima at the voxels' centres.
        mask: ``(D, H, W)`` on ``target``, not empty.
        target: The scan's grid.
        tolerance_mm: Largest distance from the mask's nearest voxel centre that still counts; 0
            wants the scan's voxel at the maximum to be in the mask.
    """
    highest = values.max()
    if not highest > 0:
        return 0.0
    places = source.index_to_world(np.argwhere(values == highest))
    voxels = [voxel_of(place, target) for place in places]
    hit = np.array([at is not None and bool(mask[at]) for at in voxels])
    if tolerance_mm > 0:
        from scipy.spatial import KDTree

        drawn = KDTree(target.index_to_world(np.argwhere(mask)))
        hit |= drawn.query(places)[0] <= tolerance_mm
    return float(hit.mean())


def voxel_of(world: npt.ArrayLike, grid: Grid) -> tuple[int, int, int] | None:
    """``(d, h, w)`` of the voxel of a grid in which a place lies, or None outside of it."""
    d, h, w = np.rint(grid.world_to_index(world)).astype(np.int64).tolist()
    inside = all(0 <= i < n for i, n in zip((d, h, w), grid.shape, strict=True))
    return (d, h, w) if inside else None
