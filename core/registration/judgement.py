"""From measures of a registration to a score and to doubts, each with its reason.

Every measure has a limit and earns a credit: 1 at its best value, 0.5 at the limit, 0 at its worst,
linear between. The score is the smallest credit, so it is below 0.5 exactly when a measure is
beyond its limit. Ratios count by their logarithm; a missing region counts 0.5 times the part of
the regions that are there.

=====================  ====  ============  =======================================
measure                best  limit         worst
=====================  ====  ============  =======================================
similarity             1     its gate      0
mean of brain and      1     its gate      0
alignment_similarity
head_dice              1     its gate      0
folded_fraction        0     its gate      10 times the gate, at least 0.1
soft_tissue_fraction   1     its gate      0
coverage               1     its gate      0
share of a region      1     gate, 1/gate  gate squared, either way; the worst region
ratio of two sides     1     gate, 1/gate  gate squared, either way; the worst pair
=====================  ====  ============  =======================================
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from crossdl.anatomy import Anatomy

FLAGGED_BELOW = 0.5
"""A score below this has at least one doubt among its reasons."""


@dataclass(frozen=True)
class Limits:
    """When a result is doubted.

    Attributes:
        similarity: Lowest correlation of warped template and patient.
        brain_similarity: Lowest mean of the correlations of the two inside the regions after the
            first alignment and at the end: what had to bend far is as doubtful as what differs.
        head_dice: Lowest overlap of the two heads.
        folded: Largest fraction of the head where the transform turns inside out.
        soft_tissue: Smallest part of the regions with the HU of brain, fluid or blood.
        coverage: Smallest part of the atlas's regions inside the field of view.
        region_ml: Smallest believable volume of a region, ml.
        region_share: Largest believable factor between a region's share of all regions in the
            patient and in the atlas, either way.
        side_ratio: Largest believable ratio of the volumes of a region and its mirror partner.
    """

    similarity: float
    brain_similarity: float
    head_dice: float
    folded: float
    soft_tissue: float
    coverage: float
    region_ml: float
    region_share: float
    side_ratio: float


@dataclass(frozen=True)
class Finding:
    """One measure held against its limit.

    Attributes:
        credit: 1 is perfect, :data:`FLAGGED_BELOW` is at the limit, 0 is hopeless.
        doubt: The sentence for a person where the credit is below :data:`FLAGGED_BELOW`.
    """

    credit: float
    doubt: str

    @property
    def doubted(self) -> bool:
        """Whether the measure is beyond its limit."""
        return self.credit < FLAGGED_BELOW


def credit(value: float, *, best: float, limit: float, worst: float) -> float:
    """Linear from 1 at ``best`` to 0.5 at ``limit``, and on to 0 at ``worst``.

    >>> credit(0.9, best=1.0, limit=0.8, worst=0.0)
    0.75
    >>> credit(0.4, best=1.0, limit=0.8, worst=0.0)
    0.25
    """
    beyond = (value < limit) if worst < best else (value > limit)
    near, far = (limit, worst) if beyond else (best, limit)
    part = 0.0 if near == far else (value - near) / (far - near)
    start = FLAGGED_BELOW if beyond else 1.0
    made = start - FLAGGED_BELOW * min(1.0, max(0.0, part))
    return min(made, math.nextafter(FLAGGED_BELOW, 0.0)) if beyond else made


def score(findings: tuple[Finding, ...]) -> float:
    """The smallest credit: one measure that is out of place spoils the regions."""
    return min((f.credit for f in findings), default=1.0)


def doubts(findings: tuple[Finding, ...]) -> tuple[str, ...]:
    """Sentences about everything that a person should look at."""
    return tuple(f.doubt for f in findings if f.doubted)


def judge(
    values: Mapping[str, Any],
    shares: Mapping[str, float],
    anatomy: Anatomy,
    limits: Limits,
    cut: bool,
) -> tuple[Finding, ...]:
    """Holds every measure of a registration against its limit.

    Args:
        values: ``similarity``, ``brain_similarity``, ``alignment_similarity``, ``head_dice``,
            ``folded_fraction``, ``soft_tissue_fraction``, ``coverage``, ``region_volumes_ml``
            and ``left_right_ratio``; see :mod:`crossdl.registration.finish`.
        shares: Each region's part of the volume of all regions in the atlas.
        anatomy: Names of the regions.
        limits: When a measure is doubted.
        cut: Whether regions reach the border of the scan, so that they may end there.
    """
    return (
        *_images(values, limits),
        *_contents(values, limits),
        *_regions(values["region_volumes_ml"], shares, anatomy, limits, cut),
        *_sides(values["left_right_ratio"], anatomy, limits.side_ratio),
    )


def resemblance(
    values: Mapping[str, Any], limits: Limits, pair: str
) -> tuple[Finding, Finding, Finding]:
    """What can be judged of any two heads: similarity, overlap and folding.

    Args:
        values: ``similarity``, ``head_dice`` and ``folded_fraction``.
        limits: When a measure is doubted.
        pair: What messages call the two, such as "template and patient".
    """
    whole, limit, heads = values["similarity"], limits.similarity, values["head_dice"]
    return (
        Finding(
            credit(whole, best=1.0, limit=limit, worst=min(0.0, limit)),
            f"{pair} correlate by only {whole:.2f} in the head (at least {limit:g} expected)",
        ),
        Finding(
            credit(heads, best=1.0, limit=limits.head_dice, worst=0.0),
            f"the heads of {pair} overlap by only {heads:.2f} (Dice; at least "
            f"{limits.head_dice:g} expected)",
        ),
        Finding(
            credit(
                values["folded_fraction"],
                best=0.0,
                limit=limits.folded,
                worst=max(10 * limits.folded, 0.1),
            ),
            f"the deformation folds in {values['folded_fraction']:.1%} of the head",
        ),
    )


def _images(values: Mapping[str, Any], limits: Limits) -> Iterator[Finding]:
    whole, heads, folds = resemblance(values, limits, "template and patient")
    yield replace(whole, doubt=f"{whole.doubt}: look at the regions before using them")
    start, end = values["alignment_similarity"], values["brain_similarity"]
    mean, limit = (start + end) / 2, limits.brain_similarity
    yield Finding(
        credit(mean, best=1.0, limit=limit, worst=min(0.0, limit)),
        f"inside the regions template and patient correlate by only {start:.2f} after the first "
        f"alignment and {end:.2f} at the end (a mean of at least {limit:g} expected): the head "
        "may be turned or upside down, or far from the template",
    )
    yield heads
    yield folds


def _contents(values: Mapping[str, Any], limits: Limits) -> Iterator[Finding]:
    soft, covered = values["soft_tissue_fraction"], values["coverage"]
    yield Finding(
        credit(soft, best=1.0, limit=limits.soft_tissue, worst=0.0),
        f"only {soft:.0%} of the regions have the HU of brain, fluid or blood (at least "
        f"{limits.soft_tissue:.0%} expected); they may lie on bone or air",
    )
    yield Finding(
        credit(covered, best=1.0, limit=limits.coverage, worst=0.0),
        f"the scan shows only {covered:.0%} of the volume of the atlas's regions (at least "
        f"{limits.coverage:.0%} expected); the field of view may end inside the head",
    )


def _regions(
    volumes: Mapping[str, float],
    shares: Mapping[str, float],
    anatomy: Anatomy,
    limits: Limits,
    cut: bool,
) -> Iterator[Finding]:
    titles = {r.name: r.title for r in anatomy.regions}
    reason = (
        "the field of view may end before, or the registration failed there"
        if cut
        else "the registration may have failed there"
    )
    small = [titles[name] for name, ml in volumes.items() if ml < limits.region_ml]
    present = 1.0 - len(small) / max(1, len(volumes))
    yield Finding(
        1.0 if not small else FLAGGED_BELOW * present,
        f"missing or below {limits.region_ml:g} ml: {', '.join(small)}; {reason}",
    )
    total = sum(volumes.values())
    factors = {
        name: volumes[name] / total / shares[name]
        for name in volumes
        if volumes[name] >= limits.region_ml and volumes[name] > 0 and shares.get(name, 0.0) > 0
    }
    odd = [
        f"{titles[name]} by a factor of {factor:.2g}"
        for name, factor in factors.items()
        if max(factor, 1 / factor) > limits.region_share
    ]
    yield Finding(
        _evenness(factors.values(), limits.region_share),
        f"share of the brain differs from the atlas: {', '.join(odd)}; {reason}",
    )


def _sides(ratios: Mapping[str, float | None], anatomy: Anatomy, limit: float) -> Iterator[Finding]:
    titles = {r.part: r.part_title for r in anatomy.regions}
    known = {part: ratio for part, ratio in ratios.items() if ratio}
    uneven = [
        f"{titles[part]} by a factor of {max(ratio, 1 / ratio):.1f}"
        for part, ratio in known.items()
        if max(ratio, 1 / ratio) > limit
    ]
    yield Finding(
        _evenness(known.values(), limit), f"volumes of the two sides differ: {', '.join(uneven)}"
    )


def _evenness(ratios: Any, limit: float) -> float:
    """Credit of the ratio that is farthest from 1; its logarithm counts."""
    farthest = max((abs(math.log(ratio)) for ratio in ratios), default=0.0)
    return credit(farthest, best=0.0, limit=math.log(limit), worst=2 * math.log(limit))
