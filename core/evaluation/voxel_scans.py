"""What was measured of the maps of all scans with manual masks, type by type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossdl.evaluation.cases import ScanCase
from crossdl.evaluation.froc import Detections
from crossdl.evaluation.lesions import find_candidates, match_lesions, pointing_game
from crossdl.evaluation.resampler import Ratio
from crossdl.evaluation.voxels import N_STEPS, StepCounts, best_step
from crossdl.prediction_files import heatmaps_of_patient
from crossdl.types import BoolArray, Float64Array


@dataclass(frozen=True)
class CandidateRule:
    """How a map's candidates are found, see :func:`crossdl.evaluation.lesions.find_candidates`.

    Attributes:
        threshold: Local maxima below it are no candidates.
        extent: Share of its peak down to which a candidate reaches.
        limit: Most candidates of one map.
    """

    threshold: float
    extent: float
    limit: int


def measure_maps(case: ScanCase, rule: CandidateRule, tolerance_mm: float) -> Any:
    """Everything about the maps of one scan that :func:`type_scans` needs.

    Overlap is measured on the scan's own grid, with the maps as ``crossdl predict`` writes them:
    trilinear, in 256 steps. Candidates and the map's maximum are found on the maps' grid, in full
    precision.

    Args:
        case: The scan.
        rule: How candidates are found.
        tolerance_mm: Of the pointing game.

    Returns:
        JSON-able: ``{"voxel_ml", "types": [{"inside", "outside", "pointing", "lesions",
        "candidates"}]}``; None of scans without masks. ``pointing`` is None where the scan does
        not have the type.
    """
    masks = case.masks
    if masks is None:
        return None
    grid, prediction = case.volume.grid, case.prediction
    found = []
    for values, steps, mask in zip(
        prediction.abnormality_maps, heatmaps_of_patient(prediction, grid), masks, strict=True
    ):
        inside, outside = StepCounts.of(steps, mask).lists()
        candidates = find_candidates(
            values, threshold=rule.threshold, extent=rule.extent, limit=rule.limit
        )
        pointing = None
        if mask.any():
            pointing = pointing_game(values, prediction.grid, mask, grid, tolerance_mm)
        found.append(
            {
                "inside": inside,
                "outside": outside,
                "pointing": pointing,
                **match_lesions(candidates, prediction.grid, mask, grid),
            }
        )
    voxel_ml = float(abs(np.linalg.det(grid.affine[:3, :3]))) / 1000
    return {"voxel_ml": voxel_ml, "types": found}


@dataclass(frozen=True, eq=False)
class TypeScans:
    """One type in n scans with masks.

    Methods that take a threshold give numerators and denominators ``(n,)`` of a mean over scans;
    where there is no threshold, no scan enters.

    Attributes:
        has: ``(n,)`` whether the scan has the type.
        dice: ``(n, 256)`` at every threshold, 0 of scans that do not have the type.
        jaccard: The same.
        predicted_ml: ``(n, 256)`` abnormal volume at every threshold.
        true_ml: ``(n,)`` volume of the mask.
        pointing: ``(n,)`` the pointing game, 0 of scans that do not have the type.
        detections: Lesions and false alarms.
    """

    has: BoolArray
    dice: Float64Array
    jaccard: Float64Array
    predicted_ml: Float64Array
    true_ml: Float64Array
    pointing: Float64Array
    detections: Detections

    @property
    def best_step(self) -> int | None:
        """The threshold with the highest mean Dice over the scans that have the type."""
        return best_step(self.dice[self.has])

    @property
    def mean_dice(self) -> Float64Array | None:
        """``(256,)`` mean Dice of the scans that have the type, or None where none has."""
        return self.dice[self.has].mean(axis=0) if self.has.any() else None

    def pointing_hits(self) -> Ratio:
        """Pointing game of the scans that have the type."""
        return _mean_of(self.pointing, self.has)

    def dice_at(self, step: int | None) -> Ratio:
        """Dice of the scans that have the type."""
        return _at(self.dice, step, self.has)

    def jaccard_at(self, step: int | None) -> Ratio:
        """Jaccard index of the scans that have the type."""
        return _at(self.jaccard, step, self.has)

    def volume_bias_ml_at(self, step: int | None) -> Ratio:
        """Predicted less true volume of the scans that have the type."""
        return _at(self.predicted_ml - self.true_ml[:, None], step, self.has)

    def volume_error_ml_at(self, step: int | None) -> Ratio:
        """Absolute error of the volume of the scans that have the type."""
        return _at(np.abs(self.predicted_ml - self.true_ml[:, None]), step, self.has)

    def false_volume_ml_at(self, step: int | None) -> Ratio:
        """Predicted volume of the scans that do not have the type."""
        return _at(self.predicted_ml, step, ~self.has)


def type_scans(measured: Sequence[Mapping[str, Any]], index: int, hit_share: float) -> TypeScans:
    """What :func:`measure_maps` said of one type in n scans.

    Args:
        measured: Of n scans.
        index: Of the type.
        hit_share: A candidate hits the lesions it touches if at least this share of its voxels
            lies in the mask.
    """
    n = len(measured)
    found = TypeScans(
        has=np.zeros(n, dtype=np.bool_),
        dice=np.zeros((n, N_STEPS)),
        jaccard=np.zeros((n, N_STEPS)),
        predicted_ml=np.zeros((n, N_STEPS)),
        true_ml=np.zeros(n),
        pointing=np.zeros(n),
        detections=_detections([scan["types"][index] for scan in measured], hit_share),
    )
    for i, scan in enumerate(measured):
        one = scan["types"][index]
        counts = StepCounts.from_lists(one["inside"], one["outside"])
        found.predicted_ml[i] = counts.predicted * scan["voxel_ml"]
        found.true_ml[i] = counts.size * scan["voxel_ml"]
        if counts.size:
            found.has[i] = True
            found.dice[i], found.jaccard[i] = counts.dice(), counts.jaccard()
            found.pointing[i] = one["pointing"]
    return found


def _detections(scans: Sequence[Mapping[str, Any]], hit_share: float) -> Detections:
    """Lesions with their best candidate, and the candidates that hit none."""
    found: list[float] = []
    found_scan: list[int] = []
    false: list[float] = []
    false_scan: list[int] = []
    for i, scan in enumerate(scans):
        best = [0.0] * len(scan["lesions"])
        for candidate in scan["candidates"]:
            if candidate["touches"] and candidate["inside"] >= hit_share * candidate["voxels"]:
                for lesion in candidate["touches"]:
                    best[lesion] = max(best[lesion], candidate["confidence"])
            else:
                false.append(candidate["confidence"])
                false_scan.append(i)
        found += best
        found_scan += [i] * len(best)
    return Detections(
        len(scans),
        np.array(found, dtype=np.float64),
        np.array(found_scan, dtype=np.int64),
        np.array(false, dtype=np.float64),
        np.array(false_scan, dtype=np.int64),
    )


def _at(values: Float64Array, step: int | None, entered: BoolArray) -> Ratio:
    """A column of ``(n, 256)``."""
    if step is None:
        return np.zeros(len(values)), np.zeros(len(values))
    return _mean_of(values[:, step], entered)


def _mean_of(values: Float64Array, entered: BoolArray) -> Ratio:
    return np.where(entered, values, 0.0), entered.astype(np.float64)
