"""AUROC against scikit-learn, and the weighted bootstrap against real resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.metrics import roc_curve as sklearn_roc_curve

from crossdl.statistics.auroc import (
    auroc,
    bootstrap_auroc,
    roc_curve,
    union,
)
from crossdl.statistics.bootstrap import resample_weights


@st.composite
def labelled_scores(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(2, 60))
    truth = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    values = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
    return np.array(truth), np.array(draw(st.lists(values, min_size=n, max_size=n)))


@given(labelled_scores())
@settings(max_examples=150)
def test_auroc_equals_scikit_learn(case: tuple[np.ndarray, np.ndarray]) -> None:
    truth, score = case
    if truth.all() or not truth.any():
        assert auroc(truth, score) is None
    else:
        assert auroc(truth, score) == pytest.approx(roc_auc_score(truth, score), abs=1e-12)


@given(labelled_scores())
@settings(max_examples=100)
def test_auroc_of_reversed_labels_is_the_complement(case: tuple[np.ndarray, np.ndarray]) -> None:
    truth, score = case
    area = auroc(truth, score)
    if area is not None:
        assert auroc(~truth, score) == pytest.approx(1 - area, abs=1e-12)
        assert auroc(truth, -score) == pytest.approx(1 - area, abs=1e-12)


def test_constant_scores_are_undecided() -> None:
    assert auroc([0, 1, 1, 0], [0.3] * 4) == 0.5


def test_bad_input_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        auroc([0, 1], [0.1, np.nan])
    with pytest.raises(ValueError, match="shape"):
        auroc([0, 1, 1], [0.1, 0.2])


def test_items_nobody_assessed_are_as_good_as_absent() -> None:
    truth, scores, groups = make_case(9)
    unknown = truth.astype(np.float64)
    unknown[::3] = np.nan
    kept = np.arange(len(truth)) % 3 > 0
    sets = {"one": [1], "some": [0, 2, 4]}
    whole = bootstrap_auroc(unknown, scores, groups, sets, n_resamples=0)
    rest = bootstrap_auroc(truth[kept], scores[kept], groups[kept], sets, n_resamples=0)
    assert whole == rest
    curve = roc_curve(unknown[:, [1]], scores[:, [1]], groups, n_resamples=0)
    expected = roc_curve(truth[kept][:, [1]], scores[kept][:, [1]], groups[kept], n_resamples=0)
    assert curve is not None and expected is not None
    np.testing.assert_array_equal(curve.tpr, expected.tpr)


def test_a_union_is_known_as_soon_as_one_member_is_positive() -> None:
    nan = np.nan
    values = np.array([[0, 0], [0, nan], [1, nan], [nan, nan], [0, 1]], dtype=np.float32)
    np.testing.assert_array_equal(union(values, axis=1), [0, nan, 1, nan, 1])


def make_case(seed: int, n: int = 70, cells: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.random((n, cells)) < np.linspace(0.1, 0.8, cells)
    scores = np.round(truth * 0.6 + rng.normal(size=(n, cells)), 1)  # rounded: many ties
    groups = np.array([f"p{i}" for i in rng.integers(0, n // 2, size=n)])
    return truth, scores, groups


def naive(truth: np.ndarray, scores: np.ndarray, cells: list[int], macro: bool) -> float:
    """The statistic on one resampled data set, by scikit-learn."""
    if not macro:
        t = truth[:, cells].ravel()
        return roc_auc_score(t, scores[:, cells].ravel()) if 0 < t.sum() < t.size else np.nan
    areas = [(naive(truth, scores, [c], False), truth[:, c].mean()) for c in cells]
    defined = [(a, r) for a, r in areas if not np.isnan(a)]
    return sum(a * r for a, r in defined) / sum(r for _, r in defined)


@pytest.mark.parametrize("macro", [False, True])
def test_intervals_equal_those_of_a_loop_over_resamples(macro: bool) -> None:
    truth, scores, groups = make_case(11)
    cells = [0, 1, 3]
    found = bootstrap_auroc(
        truth,
        scores,
        groups,
        {} if macro else {"x": cells},
        weighted_macros={"x": cells} if macro else {},
        n_resamples=60,
        seed=4,
        confidence=0.9,
    )["x"]
    owner, weights = resample_weights(groups, 60, 4)
    drawn = []
    for column in range(1, 61):
        rows = np.repeat(np.arange(len(truth)), weights[owner, column].astype(int))
        drawn.append(naive(truth[rows], scores[rows], cells, macro))
    assert found.value == pytest.approx(naive(truth, scores, cells, macro), abs=1e-12)
    assert found.low == pytest.approx(np.nanquantile(drawn, 0.05), abs=1e-12)
    assert found.high == pytest.approx(np.nanquantile(drawn, 0.95), abs=1e-12)
    assert (found.n, found.positives) == (3 * len(truth), truth[:, cells].sum())


def test_same_seed_same_numbers_and_another_seed_others() -> None:
    truth, scores, groups = make_case(2)
    one, two, three = (
        bootstrap_auroc(truth, scores, groups, {"x": [1]}, n_resamples=50, seed=s)
        for s in (1, 1, 2)
    )
    assert one == two
    assert one["x"].value == three["x"].value
    assert one["x"].low != three["x"].low


def test_undefined_is_none_and_stays_out_of_means() -> None:
    truth, scores, groups = make_case(7)
    truth[:, 0] = False
    found = bootstrap_auroc(
        truth,
        scores,
        groups,
        {"none": [0], "empty": [], "one": [1]},
        weighted_macros={"macro": [0, 1], "nothing": [0]},
        n_resamples=30,
    )
    assert found["none"].value is None and found["none"].low is None
    assert found["none"].n == len(truth)
    assert found["empty"].value is None and found["nothing"].value is None
    assert found["macro"].value == found["one"].value
    assert found["macro"].low == found["one"].low


def test_one_positive_patient_gives_no_interval() -> None:
    truth, scores, groups = make_case(1)
    truth[:, 0] = groups == groups[0]
    found = bootstrap_auroc(truth, scores, groups, {"x": [0]}, n_resamples=30)["x"]
    assert found.value is not None
    assert found.low is None and found.high is None


def test_no_resamples_gives_no_interval() -> None:
    truth, scores, groups = make_case(1)
    found = bootstrap_auroc(truth, scores, groups, {"x": [1]}, n_resamples=0)["x"]
    assert found.value is not None and found.low is None
    curve = roc_curve(truth, scores, groups, n_resamples=0)
    assert curve is not None and curve.low is None


def test_patients_are_resampled_not_scans() -> None:
    """Copies of a scan under one patient must not narrow the interval."""
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 3 == 0
    scores = truth + rng.normal(size=60)
    names = np.arange(60)
    single = bootstrap_auroc(truth[:, None], scores[:, None], names, {"x": [0]}, seed=1)["x"]
    copied = bootstrap_auroc(
        np.repeat(truth, 5)[:, None],
        np.repeat(scores, 5)[:, None],
        np.repeat(names, 5),
        {"x": [0]},
        seed=1,
    )["x"]
    assert (copied.low, copied.high) == pytest.approx((single.low, single.high), abs=1e-12)


def test_interval_covers_the_true_auroc_about_as_often_as_it_says() -> None:
    covered = 0
    expected = 0.76025  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt(2))
    for seed in range(100):
        rng = np.random.default_rng(seed)
        truth = np.arange(120) % 3 == 0
        scores = truth + rng.normal(size=120)
        found = bootstrap_auroc(
            truth[:, None], scores[:, None], np.arange(120), {"x": [0]}, n_resamples=300, seed=seed
        )["x"]
        assert found.low is not None and found.high is not None
        covered += found.low <= expected <= found.high
    assert 88 <= covered <= 99


def test_roc_curve_is_scikit_learns_and_lies_in_its_band() -> None:
    truth, scores, groups = make_case(3, n=200)
    curve = roc_curve(truth, scores, groups, n_resamples=100, seed=1)
    assert curve is not None and curve.low is not None and curve.high is not None
    fpr, tpr, _ = sklearn_roc_curve(truth.ravel(), scores.ravel())
    np.testing.assert_allclose(
        np.interp(curve.grid[1:], curve.fpr, curve.tpr), np.interp(curve.grid[1:], fpr, tpr)
    )
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(auroc(truth, scores), abs=1e-12)
    inside = np.interp(curve.grid, curve.fpr, curve.tpr)
    assert ((curve.low <= inside + 1e-9) & (inside <= curve.high + 1e-9)).mean() > 0.95


def test_roc_curve_of_one_class_is_undefined() -> None:
    assert roc_curve(np.ones((3, 1)), np.zeros((3, 1)), ["a", "b", "c"]) is None
