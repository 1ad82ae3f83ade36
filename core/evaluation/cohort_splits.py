"""Splits of a cohort side by side: means and shares, and how far they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crossdl.display import COLOURS
from crossdl.evaluation.cohort_features import Feature
from crossdl.evaluation.resampler import Resampler
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.statistics.bootstrap import Drawn, resample_weights
from crossdl.types import BoolArray, Float64Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACCEPTED = 0.1
"""Standardised differences below it are commonly called negligible (Austin 2009)."""


def standardised_difference(
    mean: Float64Array, spread: Float64Array, base: Float64Array, base_spread: Float64Array
) -> Float64Array:
    """Difference of two means in pooled standard deviations: (m - m0) / sqrt((v + v0)/2).

    It says how far two groups differ, whatever their sizes; a p value says how many they are.
    Of shares the variance is p(1 - p). Austin, Statistics in Medicine 2009, doi 10.1002/sim.3697.

    Args:
        mean: Of the group.
        spread: Its variance.
        base: Mean of the group it is compared with.
        base_spread: Its variance.

    Returns:
        0 where the means are equal, NaN where they differ and nothing varies.

    Example:
        >>> half, quarter = np.array(0.5), np.array(0.25)
        >>> float(standardised_difference(half, quarter, quarter, np.array(0.1875)).round(3))
        0.535
    """
    pooled = np.sqrt((spread + base_spread) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (mean - base) / pooled
    return np.asarray(np.where(mean == base, 0.0, np.where(pooled > 0, found, np.nan)))


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and variance of a feature, of the sample and of resamples ``(R,)``, NaN without any."""

    mean: Float64Array
    variance: Float64Array

    @classmethod
    def of(cls, feature: Feature, chosen: BoolArray, weights: Float64Array) -> Moments:
        """Moments of some of the scans.

        Args:
            feature: ``(n,)``.
            chosen: ``(n,)`` the scans; m of them.
            weights: ``(m, R)`` how often each of them counts.
        """
        values = feature.values[chosen]
        known = ~np.isnan(values)
        values, weights = values[known], weights[known]
        total = weights.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = values @ weights / total
            if feature.share:
                return cls(mean, mean * (1 - mean))
            centred = values - (values.mean() if values.size else 0.0)  # for the digits' sake
            shift = centred @ weights / total
            variance = (centred**2 @ weights / total - shift**2) * total / (total - 1)
        return cls(mean, np.where(total > 1, variance, np.nan))


def difference(feature: Feature, group: BoolArray, base: BoolArray) -> float | None:
    """Standardised difference of a group's scans from the base's; None where undefined."""
    ours, theirs = (Moments.of(feature, m, np.ones((int(m.sum()), 1))) for m in (group, base))
    found = standardised_difference(ours.mean, ours.variance, theirs.mean, theirs.variance)[0]
    return None if np.isnan(found) else float(found)


def drawn_mean(
    feature: Feature, group: BoolArray, patients: Sequence[str], config: ResamplingConfig, seed: int
) -> Drawn:
    """Mean of a group's scans when its patients are drawn again."""
    values = feature.values[group]
    known = ~np.isnan(values)
    members = [patient for patient, inside in zip(patients, group, strict=True) if inside]
    above = np.where(known, values, 0.0)
    return Resampler(config, members, seed).ratio(
        (above, known.astype(np.float64)), int(above.sum()) if feature.share else 0
    )


def drawn_difference(
    feature: Feature,
    group: BoolArray,
    base: BoolArray,
    patients: Sequence[str],
    config: ResamplingConfig,
    seed: int,
) -> Drawn:
    """Standardised difference of a group from the base when patients of both are drawn again."""
    sides = []
    for k, chosen in enumerate((group, base)):
        names, owner, weights, left_out = _weights(chosen, patients, config, seed + k)
        moments = Moments.of(feature, chosen, weights[owner])
        without = None if left_out is None else Moments.of(feature, chosen, left_out[owner])
        known = np.unique(owner[~np.isnan(feature.values[chosen])]).size
        sides.append((moments, without, names, known))
    (ours, our_rest, our_names, our_known), (theirs, their_rest, their_names, their_known) = sides

    def compared(a: Moments, b: Moments) -> Float64Array:
        return standardised_difference(a.mean, a.variance, b.mean, b.variance)

    left_out = None
    if our_rest is not None and their_rest is not None:
        left_out = np.concatenate(
            [compared(our_rest, _first(theirs)), compared(_first(ours), their_rest)]
        )
    return Drawn(
        compared(ours, theirs),
        left_out,
        our_names + their_names,
        int((~np.isnan(feature.values[group | base])).sum()),
        0,
        min(our_known, their_known) > 1,
    )


def _first(moments: Moments) -> Moments:
    return Moments(moments.mean[:1], moments.variance[:1])


def _weights(
    group: BoolArray, patients: Sequence[str], config: ResamplingConfig, seed: int
) -> tuple[int, np.ndarray, Float64Array, Float64Array | None]:
    """Number of patients, owner of each scan, resamples' weights, and without each patient."""
    members = [patient for patient, inside in zip(patients, group, strict=True) if inside]
    owner, weights = resample_weights(members, config.n_resamples, seed)
    left_out = 1 - np.eye(len(weights)) if config.interval == "bca" else None
    return len(weights), owner, weights, left_out


def difference_figure(
    titles: Sequence[str], differences: Mapping[str, Sequence[float | None]], *, base: str
) -> Figure:
    """Every feature's standardised difference from the base split, a row per feature.

    Args:
        titles: Of the features.
        differences: Title of each other split → a value per feature.
        base: Title of the split that they are compared with.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 1.5 + 0.26 * len(titles)), layout="constrained")
    ax = figure.subplots()
    ax.axvspan(-ACCEPTED, ACCEPTED, color="#eeeeee", linewidth=0)
    ax.axvline(0, color="#888888", linewidth=1)
    rows = range(len(titles))
    for number, (name, values) in enumerate(differences.items()):
        x = [np.nan if value is None else value for value in values]
        colour, marker = COLOURS[(5, 0, 3)[number % 3]], "osD"[number % 3]
        ax.plot(x, rows, marker, color=colour, markersize=5, label=name)
    widest = max([0.3, *(abs(v) for values in differences.values() for v in values if v)])
    ax.set_xlim(-1.08 * widest, 1.08 * widest)
    ax.set_ylim(len(titles) - 0.4, -0.6)
    ax.set_yticks(rows, titles, fontsize=8.5)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="both", alpha=0.25)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.set_xlabel(f"standardised difference from {base} (grey: below {ACCEPTED:g})", fontsize=9)
    ax.set_title("How far the splits differ", fontsize=11, fontweight="bold")
    figure.legend(loc="outside lower center", ncols=len(differences), fontsize=8.5, frameon=False)
    return figure
