"""Score and doubts from measures."""

from __future__ import annotations

from typing import Any

import pytest

from crossdl.anatomy import load_anatomy
from crossdl.registration.finish import side_ratios
from crossdl.registration.judgement import (
    FLAGGED_BELOW,
    Finding,
    Limits,
    credit,
    doubts,
    judge,
    score,
)

ANATOMY = load_anatomy("head_ct")
LIMITS = Limits(
    similarity=0.8,
    brain_similarity=0.6,
    head_dice=0.9,
    folded=0.01,
    soft_tissue=0.75,
    coverage=0.8,
    region_ml=2.0,
    region_share=3.0,
    side_ratio=2.5,
)
EVEN = dict.fromkeys(ANATOMY.region_names, 1 / ANATOMY.n_regions)


def values(volumes: dict[str, float] | None = None, **changes: Any) -> dict[str, Any]:
    """Measures without a fault, some of them changed."""
    ml = volumes or dict.fromkeys(ANATOMY.region_names, 50.0)
    good = {
        "similarity": 1.0,
        "brain_similarity": 1.0,
        "alignment_similarity": 1.0,
        "head_dice": 1.0,
        "folded_fraction": 0.0,
        "soft_tissue_fraction": 1.0,
        "coverage": 1.0,
        "region_volumes_ml": ml,
        "left_right_ratio": side_ratios(ml, ANATOMY),
    }
    return {**good, **changes}


def judged(measured: dict[str, Any], cut: bool = False) -> tuple[Finding, ...]:
    return judge(measured, EVEN, ANATOMY, LIMITS, cut)


def test_without_a_fault_the_score_is_one() -> None:
    assert score(judged(values())) == 1.0
    assert doubts(judged(values())) == ()


@pytest.mark.parametrize(
    ("name", "inside", "beyond", "words"),
    [
        ("similarity", 0.81, 0.79, "0.79 in the head"),
        ("brain_similarity", 0.21, 0.19, "0.19 at the end"),
        ("alignment_similarity", 0.21, 0.19, "0.19 after the first alignment"),
        ("head_dice", 0.91, 0.89, "heads of template and patient"),
        ("folded_fraction", 0.009, 0.011, "folds in 1.1%"),
        ("soft_tissue_fraction", 0.76, 0.74, "74%"),
        ("coverage", 0.81, 0.79, "79%"),
    ],
)
def test_a_measure_beyond_its_limit_is_a_doubt_and_a_low_score(
    name: str, inside: float, beyond: float, words: str
) -> None:
    fine = judged(values(**{name: inside}))
    assert score(fine) >= FLAGGED_BELOW and doubts(fine) == ()
    found = judged(values(**{name: beyond}))
    assert score(found) < FLAGGED_BELOW
    assert len(doubts(found)) == 1 and words in doubts(found)[0]
    worse = judged(values(**{name: 1.0 if name == "folded_fraction" else -1.0}))
    assert score(worse) == 0.0


@pytest.mark.parametrize(("ml", "words"), [(0.0, "missing"), (10.0, "share"), (240.0, "share")])
def test_an_unlikely_region_is_named(ml: float, words: str) -> None:
    region, other = ANATOMY.regions[0], ANATOMY.regions[2]
    volumes = dict.fromkeys(ANATOMY.region_names, 50.0)
    volumes |= {region.name: ml, region.mirror: ml}
    found = judged(values(volumes))
    assert score(found) < FLAGGED_BELOW
    (doubt,) = doubts(found)
    assert words in doubt and region.title in doubt and other.title not in doubt
    assert "field of view" not in doubt
    assert "field of view" in doubts(judged(values(volumes), cut=True))[0]


def test_two_sides_that_differ_are_named() -> None:
    region = ANATOMY.regions[0]
    volumes = dict.fromkeys(ANATOMY.region_names, 50.0) | {region.name: 135.0}
    (doubt,) = doubts(judged(values(volumes)))
    assert region.part_title in doubt and "2.7" in doubt


def test_nothing_labelled_at_all() -> None:
    nothing = dict.fromkeys(ANATOMY.region_names, 0.0)
    found = judged(values(nothing))
    assert score(found) == 0.0
    assert len(doubts(found)) == 1


def test_credit_falls_from_best_to_worst() -> None:
    steps = [credit(v, best=0.0, limit=0.2, worst=1.0) for v in (0.0, 0.1, 0.2, 0.6, 1.0, 2.0)]
    assert steps == pytest.approx([1.0, 0.75, 0.5, 0.25, 0.0, 0.0])
    assert credit(0.2 + 1e-15, best=0.0, limit=0.2, worst=1.0) < FLAGGED_BELOW
    assert credit(1.0, best=1.0, limit=1.0, worst=0.0) >= FLAGGED_BELOW
