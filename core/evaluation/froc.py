"""Free-response ROC: how many lesions are found at how many false alarms per scan.

Bunch et al., A free response approach to the measurement and characterization of radiographic
observer performance, Proc. SPIE 0127, 1977; the mean sensitivity at fixed rates of false alarms
is the score of the challenges CAMELYON16 (Ehteshami Bejnordi et al., JAMA 2017) and LUNA16 (Setio
et al., Medical Image Analysis 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossdl.evaluation.cases import IndexArray
from crossdl.evaluation.resampler import Resampler
from crossdl.statistics.bootstrap import Groups, group_sums, resample_weights
from crossdl.statistics.quotients import divided
from crossdl.types import Float64Array

_BLOCK = 2_000_000
"""Numbers of one temporary array; resamples are processed in blocks of this size."""


@dataclass(frozen=True, eq=False)
class Detections:
    """Lesions and false alarms of one type in n scans.

    Attributes:
        n_scans: n, scans without lesions included.
        found: ``(L,)`` highest confidence of the candidates that hit each lesion, 0 where none.
        found_scan: ``(L,)`` index of the lesion's scan.
        false: ``(F,)`` confidence of each candidate that hits no lesion.
        false_scan: ``(F,)`` index of its scan.
    """

    n_scans: int
    found: Float64Array
    found_scan: IndexArray
    false: Float64Array
    false_scan: IndexArray


@dataclass(frozen=True, eq=False)
class FrocCurve:
    """A FROC curve with a pointwise band.

    Attributes:
        rate: ``(V,)`` false alarms per scan at the curve's corners, ascending from 0.
        sensitivity: ``(V,)``.
        grid: ``(P,)`` rates at which the band is known.
        low: ``(P,)`` lower end of the band, or None without resampling.
        high: ``(P,)`` upper end, or None.
    """

    rate: Float64Array
    sensitivity: Float64Array
    grid: Float64Array
    low: Float64Array | None = None
    high: Float64Array | None = None


class Froc:
    """The FROC curve of one type under any weighting of groups of scans.

    At a threshold of confidence, sensitivity is the share of lesions that some candidate hits,
    and the rate of false alarms is the number of candidates without a lesion, per scan. Further
    candidates on a lesion count neither way. Between the corners the curve is straight, and beyond
    its last corner it stays where it is.
    """

    def __init__(self, detections: Detections, groups: Groups) -> None:
        """Sorts once, for all weightings.

        Args:
            detections: Of n scans.
            groups: ``(n,)`` group (patient) of each scan.

        Raises:
            ValueError: There is not one group per scan.
        """
        from scipy.sparse import coo_array

        if len(groups) != detections.n_scans:
            raise ValueError(f"{len(groups)} groups given for {detections.n_scans} scans")
        owner = np.unique(np.asarray(groups), return_inverse=True)[1]
        hit = detections.found > 0
        levels = -np.unique(-np.concatenate([detections.found[hit], detections.false]))

        def counts(confidence: Float64Array, scan: IndexArray) -> coo_array:
            rows = np.searchsorted(-levels, -confidence)
            shape = (levels.size, int(owner.max(initial=-1)) + 1)
            return coo_array((np.ones(rows.size), (rows, owner[scan])), shape=shape).tocsr()

        self.levels: Float64Array = levels
        self._hits = counts(detections.found[hit], detections.found_scan[hit])
        self._alarms = counts(detections.false, detections.false_scan)
        per_scan = np.zeros((detections.n_scans, 2))
        np.add.at(per_scan[:, 0], detections.found_scan, 1)
        per_scan[:, 1] = 1
        self._sums = group_sums(per_scan, groups)

    @property
    def n_carriers(self) -> int:
        """Groups that have a lesion."""
        return int(np.count_nonzero(self._sums[:, 0]))

    def corners(self) -> tuple[Float64Array, Float64Array] | None:
        """False alarms per scan and sensitivity, ``(T + 1,)`` each, from (0, 0) upwards.

        None where there is no lesion.
        """
        rate, sensitivity = self._curves(np.ones((len(self._sums), 1)))
        return None if np.isnan(sensitivity).any() else (rate[:, 0], sensitivity[:, 0])

    def at(self, rates: Sequence[float] | Float64Array, weights: Float64Array) -> Float64Array:
        """Sensitivities at given false alarms per scan.

        Args:
            rates: P false alarms per scan.
            weights: ``(G, R)`` weight of each group in each resample, at least 0.

        Returns:
            ``(P, R)``, NaN where a resample has no lesion.
        """
        found = np.empty((len(rates), weights.shape[1]))
        step = max(1, _BLOCK // (self.levels.size + 1))
        for start in range(0, weights.shape[1], step):
            rate, sensitivity = self._curves(weights[:, start : start + step])
            for column in range(rate.shape[1]):
                found[:, start + column] = np.interp(rates, rate[:, column], sensitivity[:, column])
        return found

    def mean_at(self, rates: Sequence[float], weights: Float64Array) -> Float64Array:
        """Mean of :meth:`at` over the rates, ``(R,)``."""
        return np.asarray(self.at(rates, weights).mean(axis=0), dtype=np.float64)

    def _curves(self, weights: Float64Array) -> tuple[Float64Array, Float64Array]:
        """Corners of every resample's curve, ``(T + 1, R)`` each; NaN where undefined."""
        start = np.zeros((1, weights.shape[1]))
        hits, alarms = (
            np.concatenate([start, np.cumsum(counts @ weights, axis=0)])
            for counts in (self._hits, self._alarms)
        )
        lesions, scans = self._sums.T @ weights
        return divided(alarms, scans), divided(hits, lesions)


def froc_curve(froc: Froc, resampler: Resampler, rates: Float64Array) -> FrocCurve | None:
    """The curve with a pointwise percentile band over resampled patients.

    Args:
        froc: Of one type.
        resampler: Of its groups.
        rates: ``(P,)`` false alarms per scan at which the band is computed.

    Returns:
        The curve, or None where there is no lesion.
    """
    corners = froc.corners()
    config = resampler.config
    if corners is None or not config.n_resamples or froc.n_carriers < 2:
        return corners and FrocCurve(*corners, rates)
    _, weights = resample_weights(resampler.groups, config.n_resamples, resampler.seed)
    edges = ((1 - config.confidence) / 2, (1 + config.confidence) / 2)
    low, high = np.nanquantile(froc.at(rates, weights[:, 1:]), edges, axis=1)
    return FrocCurve(*corners, rates, low, high)
