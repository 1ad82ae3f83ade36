"""The scores and truths that calibration is measured of, and what is measured of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.evaluation.calibration import Reliability, equal_mass, equal_width, scaled, temperature
from crossdl.evaluation.cases import EvaluationSet
from crossdl.evaluation.cells import assessed_cells
from crossdl.evaluation.resampler import Resampler, undefined
from crossdl.statistics.auroc import union
from crossdl.statistics.bootstrap import Drawn
from crossdl.types import BoolArray, Float64Array, FloatArray

MEASURES = (
    "ece", "ece_equal_mass", "max_calibration_error", "brier", "ece_scaled", "brier_scaled",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Items:
    """C items of each of n scans.

    Attributes:
        truth: ``(n, C)`` 0/1, NaN where not assessed.
        scores: ``(n, C)`` in [0, 1].
        scaled: ``(n, C)`` the scores at a temperature, or None where there is none.
        temperature: The temperature, or None where there is none or several.
    """

    truth: FloatArray
    scores: FloatArray
    scaled: Float64Array | None = None
    temperature: float | None = None

    @property
    def known(self) -> BoolArray:
        """``(n, C)`` whether the truth is."""
        return ~np.isnan(self.truth)

    def with_temperature_of(self, other: Items) -> Items:
        """These, scaled by the temperature that suits the other ones best."""
        t = temperature(other.truth, other.scores)
        made = None if t is None else scaled(self.scores, t)
        return replace(self, scaled=made, temperature=t)


def levels_of(cases: EvaluationSet, anatomy: Anatomy) -> dict[str, list[Items]]:
    """Level → the items of each type: whole scans, and possible cells."""
    unscored = np.isnan(cases.region_scores)
    cells = np.where(unscored, np.float32(np.nan), assessed_cells(cases.truth))
    scores = np.where(unscored, np.float32(0), cases.region_scores)
    scans = union(cases.truth, axis=1)
    kinds = range(anatomy.n_types)
    return {
        "scan": [Items(scans[:, [j]], cases.scan_scores[:, [j]]) for j in kinds],
        "region": [
            Items(cells[:, rows, j], scores[:, rows, j])
            for j, rows in enumerate(anatomy.possible.T)
        ],
    }


def pooled(kinds: Sequence[Items]) -> Items:
    """The items of all types; scaled where each type is."""
    parts = [one.scaled for one in kinds if one.scaled is not None]
    return Items(
        np.concatenate([one.truth for one in kinds], axis=1),
        np.concatenate([one.scores for one in kinds], axis=1),
        np.concatenate(parts, axis=1) if len(parts) == len(kinds) else None,
    )


def binned(items: Items, resampler: Resampler, n_bins: int, which: str = "scores") -> Reliability:
    """The items in bins: their ``"scores"`` or ``"scaled"`` in equal width, or ``"mass"``."""
    scores = items.scaled if which == "scaled" and items.scaled is not None else items.scores
    known = items.scores[items.known]
    edges = equal_mass(known, n_bins) if which == "mass" and known.size else equal_width(n_bins)
    return Reliability(items.truth, scores, edges, resampler.groups)


def measured(items: Items, resampler: Resampler, n_bins: int) -> dict[str, Drawn]:
    """Each of :data:`MEASURES`; n and positives count items."""
    by_width, by_mass, by_scaled = (
        binned(items, resampler, n_bins, which) for which in ("scores", "mass", "scaled")
    )
    carriers = by_width.n_carriers
    found = {
        "ece": resampler.statistic(by_width.ece, carriers),
        "ece_equal_mass": resampler.statistic(by_mass.ece, carriers),
        "max_calibration_error": resampler.statistic(by_width.mce, carriers),
        "brier": _brier(items, items.scores, resampler),
    }
    if items.scaled is not None:
        found["ece_scaled"] = resampler.statistic(by_scaled.ece, carriers)
        found["brier_scaled"] = _brier(items, items.scaled, resampler)
    else:
        found |= {name: resampler.statistic(undefined, 0) for name in MEASURES[4:]}
    n, positives = int(items.known.sum()), int((items.truth == 1).sum())
    return {name: replace(one, n=n, positives=positives) for name, one in found.items()}


def _brier(items: Items, scores: FloatArray | Float64Array, resampler: Resampler) -> Drawn:
    """Mean squared difference (Brier, Monthly Weather Review 1950)."""
    truth = np.where(items.known, items.truth, 0).astype(np.float64)
    error = np.where(items.known, (truth - scores) ** 2, 0.0)
    return resampler.ratio((error.sum(axis=1), items.known.sum(axis=1).astype(np.float64)))
