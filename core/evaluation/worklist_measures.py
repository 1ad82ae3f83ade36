"""Numbers of a worklist for every disease, with intervals over patients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.evaluation.worklist_queue import Waits
from crossdl.evaluation.worklist_ranks import Worklist, YieldCurve
from crossdl.evaluation.worklist_rows import Row
from crossdl.statistics.auroc import draw_auroc
from crossdl.statistics.bootstrap import Drawn, resample_weights
from crossdl.statistics.multiplicity import holm
from crossdl.statistics.rank_sum import rank_sum
from crossdl.types import Float64Array, FloatArray

QUARTILES = {"lower_quartile": 0.25, "median_rank": 0.5, "upper_quartile": 0.75}
"""Measures of ranks."""
WAITS = {"mean_wait": None, "median_wait": 0.5, "p90_wait": 0.9}
"""Measures of waiting times: the mean, or a share of scans that wait no longer."""


def recall_name(fraction: float) -> str:
    """Name of the recall at the top of the list: ``recall_top_75`` of 0.75."""
    return f"recall_top_{100 * fraction:g}"


def measure_rows(
    scores: FloatArray,
    rows: Sequence[Row],
    patients: Sequence[str],
    fractions: Sequence[float],
    waits: Waits,
    config: ResamplingConfig,
    seed: int,
) -> dict[str, dict[str, Drawn]]:
    """Measures the scans of each row in the list of all scans.

    Args:
        scores: ``(n,)`` the highest is read first.
        rows: Diseases.
        patients: ``(n,)`` whom intervals resample.
        fractions: Parts of the list at whose end recall is measured.
        waits: By rank.
        config: Kind of interval.
        seed: Equal seeds draw equal patients.

    Returns:
        Name of each row → measure → what was drawn, undefined where no scan has the disease.
        Measures are :data:`QUARTILES` (0 is the top of the list and 1 its end), recall at each
        fraction, :data:`WAITS` by priority (minutes), and ``saved_`` in front of these for the
        minutes that they are below those in order of arrival. Intervals need two patients with the
        disease; they hold for the simulated waits as they are.
    """
    owner, weights = resample_weights(patients, config.n_resamples, seed)
    if config.interval == "bca":  # and the sample without each patient
        weights = np.concatenate([weights, 1 - np.eye(len(weights))], axis=1)
    worklist = Worklist(scores, weights[owner])
    found = {}
    for row in rows:
        drawn = _drawn(worklist.curve(row.positive), fractions, waits)
        end = 1 + config.n_resamples
        found[row.name] = {
            name: Drawn(
                values[:end],
                values[end:] if config.interval == "bca" else None,
                len(weights),
                row.assessed,
                int(row.positive.sum()),
                np.unique(owner[row.positive]).size > 1,
            )
            for name, values in drawn.items()
        }
    return found


def measures_in_order(waits: Waits) -> dict[str, float]:
    """:data:`WAITS` in order of arrival, the same for all scans."""
    shares = tuple(share for share in WAITS.values() if share is not None)
    quantiles = iter(waits.quantiles_in_order(shares))
    return {
        name: waits.mean_in_order if share is None else float(next(quantiles))
        for name, share in WAITS.items()
    }


def superiority(
    scores: FloatArray,
    rows: Sequence[Row],
    patients: Sequence[str],
    config: ResamplingConfig,
    seed: int,
) -> list[list[Drawn]]:
    """How probably a scan with the disease comes before one without; equal scores count half.

    Args:
        scores: ``(n, S)``, a list for each score.
        rows: Diseases.
        patients: ``(n,)`` whom intervals resample.
        config: Kind of interval.
        seed: Equal seeds draw equal patients.

    Returns:
        Rows × S; it is the area under the ROC curve and undefined as that is.
    """
    names = [[f"{i} {j}" for j in range(scores.shape[1])] for i in range(len(rows))]
    flat = [name for line in names for name in line]
    found = draw_auroc(
        np.repeat(np.stack([row.status for row in rows], axis=1), scores.shape[1], axis=1),
        np.tile(scores, len(rows)),
        patients,
        {name: [k] for k, name in enumerate(flat)},
        n_resamples=config.n_resamples,
        seed=seed,
        interval=config.interval,
    )
    return [[found[name] for name in line] for line in names]


def rank_sum_p(
    scores: FloatArray, rows: Sequence[Row], patients: Sequence[str]
) -> list[list[float | None]]:
    """One-sided Wilcoxon rank-sum tests that scans with the disease score higher.

    Args:
        scores: ``(n, S)``.
        rows: Diseases.
        patients: ``(n,)``.

    Returns:
        Rows × S, p with Holm's correction over all of them; None where a class is missing.
    """
    raw = [
        [rank_sum(row.status, column, patients).p for column in scores.T.astype(np.float64)]
        for row in rows
    ]
    corrected = iter(holm([p for line in raw for p in line]))
    return [[next(corrected) for _ in line] for line in raw]


def _drawn(curve: YieldCurve, fractions: Sequence[float], waits: Waits) -> dict[str, Float64Array]:
    """Every measure in every resample ``(R,)``, NaN where it is undefined."""
    found = dict(zip(QUARTILES, curve.quantiles(tuple(QUARTILES.values())), strict=True))
    recall = curve.recall(np.concatenate([np.asarray(fractions), waits.edges]))
    for fraction, values in zip(fractions, recall, strict=False):
        found[recall_name(fraction)] = values
    bins = np.diff(recall[len(fractions) :], axis=0)
    shares = tuple(share for share in WAITS.values() if share is not None)
    quantiles = iter(waits.quantiles(bins, shares))
    by_priority = {
        name: waits.mean(bins) if share is None else next(quantiles)
        for name, share in WAITS.items()
    }
    in_order = measures_in_order(waits)
    saved = {f"saved_{name}": in_order[name] - by_priority[name] for name in WAITS}
    return {**found, **by_priority, **saved}
