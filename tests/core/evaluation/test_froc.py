"""FROC against MONAI's (CAMELYON's) and against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from monai.metrics import compute_froc_curve_data, compute_froc_score

from crossdl.evaluation.froc import Detections, Froc, froc_curve
from crossdl.evaluation.resampler import Resampler
from crossdl.evaluation.resampling import ResamplingConfig

RATES = (0.5, 1.0, 2.0, 4.0, 8.0)
ONES = np.ones


def drawn(seed: int, n: int = 12, ties: bool = False, missed: float = 0.3) -> Detections:
    rng = np.random.default_rng(seed)
    n_found, n_false = rng.integers(1, 30), rng.integers(0, 60)
    found, false = rng.random(n_found) + 1e-3, rng.random(n_false) + 1e-3
    if ties:
        found, false = (np.ceil(5 * x) / 5 for x in (found, false))
    found[rng.random(n_found) < missed] = 0
    return Detections(
        n, found, rng.integers(0, n, n_found), false, rng.integers(0, n, n_false)
    )  # fmt: skip


def naive(d: Detections, weight: np.ndarray) -> tuple[list[float], list[float]]:
    """Corners by counting at every threshold, each scan ``weight`` times."""
    rate, sensitivity = [0.0], [0.0]
    for level in sorted({*d.found[d.found > 0], *d.false}, reverse=True):
        alarms = sum(weight[s] for c, s in zip(d.false, d.false_scan, strict=True) if c >= level)
        hits = sum(weight[s] for c, s in zip(d.found, d.found_scan, strict=True) if c >= level)
        rate.append(alarms / weight.sum())
        sensitivity.append(hits / sum(weight[s] for s in d.found_scan))
    return rate, sensitivity


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_it_is_the_score_of_camelyon(seed: int, ties: bool) -> None:
    d = drawn(seed, ties=ties)
    # MONAI leaves out the lowest of all values; a lesion that nobody found is that value, 0
    d = Detections(d.n_scans, np.r_[d.found, 0.0], np.r_[d.found_scan, 0], d.false, d.false_scan)
    curve = compute_froc_curve_data(d.false, d.found, len(d.found), d.n_scans)
    expected = compute_froc_score(*curve, RATES)
    froc = Froc(d, [f"p{i}" for i in range(d.n_scans)])
    assert froc.mean_at(RATES, ONES((d.n_scans, 1)))[0] == pytest.approx(expected, abs=1e-12)
    rate, sensitivity = froc.corners()
    assert np.allclose(rate[::-1], curve[0]) and np.allclose(sensitivity[::-1], curve[1])


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_weights_are_as_many_copies_of_the_scans(seed: int, ties: bool) -> None:
    d = drawn(seed, n=5, ties=ties)
    weights = np.random.default_rng(seed).integers(0, 4, (5, 6)).astype(float)
    found = Froc(d, list("abcde")).at(RATES, weights)
    for column in range(weights.shape[1]):
        weight = weights[:, column]
        if not weight[d.found_scan].any():
            assert np.isnan(found[:, column]).all()
        else:
            assert np.allclose(found[:, column], np.interp(RATES, *naive(d, weight)))


@given(st.integers(0, 2**32 - 1))
def test_it_rises_and_only_the_order_of_confidences_counts(seed: int) -> None:
    d = drawn(seed)
    patients = [f"p{i // 2}" for i in range(d.n_scans)]
    at = Froc(d, patients).at(np.linspace(0, 9, 30), ONES((6, 1)))[:, 0]
    assert (np.diff(at) >= 0).all() and (at >= 0).all() and (at <= 1).all()
    bent = Detections(d.n_scans, d.found**3, d.found_scan, d.false**3, d.false_scan)
    assert np.allclose(at, Froc(bent, patients).at(np.linspace(0, 9, 30), ONES((6, 1)))[:, 0])


def none(n: int) -> Detections:
    empty, nowhere = np.zeros(0), np.zeros(0, dtype=np.int64)
    return Detections(n, empty, nowhere, empty, nowhere)


def test_without_lesions_it_is_undefined() -> None:
    for d in (
        none(3),
        Detections(3, np.zeros(0), np.zeros(0, int), np.array([0.4]), np.array([1])),
    ):
        froc = Froc(d, ["a", "b", "c"])
        assert froc.corners() is None and froc.n_carriers == 0
        assert np.isnan(froc.mean_at(RATES, ONES((3, 2)))).all()
    assert Froc(none(0), []).corners() is None


def test_lesions_that_nobody_finds_give_zero() -> None:
    d = Detections(2, np.zeros(3), np.array([0, 0, 1]), np.zeros(0), np.zeros(0, int))
    froc = Froc(d, ["a", "b"])
    assert froc.mean_at(RATES, ONES((2, 1)))[0] == 0
    assert froc.n_carriers == 2


def test_beyond_its_last_candidate_the_curve_stays() -> None:
    d = Detections(2, np.array([0.9, 0]), np.array([0, 1]), np.array([0.5]), np.array([1]))
    froc = Froc(d, ["a", "b"])
    assert froc.at([0.0, 0.5, 8.0], ONES((2, 1)))[:, 0].tolist() == [0.5, 0.5, 0.5]


def test_the_band_holds_the_curve_of_many_patients() -> None:
    d = drawn(3, n=40, missed=0.2)
    groups = [f"p{i}" for i in range(40)]
    resampler = Resampler(ResamplingConfig(kind="x", n_resamples=200), groups, 0)
    grid = np.geomspace(0.1, 1.5, 20)
    curve = froc_curve(Froc(d, groups), resampler, grid)
    assert curve is not None and curve.low is not None and curve.high is not None
    value = np.interp(grid, curve.rate, curve.sensitivity)
    assert (curve.low <= value).all() and (value <= curve.high).all()
    assert (curve.low < curve.high).any()
    plain = froc_curve(
        Froc(d, groups), Resampler(ResamplingConfig(kind="x", n_resamples=0), groups, 0), grid
    )
    assert plain is not None and plain.low is None


def test_groups_must_fit() -> None:
    with pytest.raises(ValueError, match="2 groups given for 3 scans"):
        Froc(none(3), ["a", "b"])
