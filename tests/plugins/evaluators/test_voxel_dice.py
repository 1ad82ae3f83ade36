"""Voxel-level measures on scans small enough to count by hand, and through a whole evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import jaccard_score

from crossdl.anatomy import Anatomy
from crossdl.errors import ConfigError
from crossdl.evaluation.cases import EvaluationSet, ScanCase
from crossdl.plugins.evaluators.voxel_dice import VoxelDice, VoxelDiceConfig
from crossdl.preprocessing import maps_on
from crossdl.types import Grid, Prediction, ScanRecord, Volume

MakeCases = Callable[..., EvaluationSet]
GRID = Grid((4, 6, 8), np.diag([2.0, 2.0, 5.0, 1.0]))
COARSE = GRID.strided((2, 2, 2))
VOXEL_ML = 0.02


def scan(
    maps: np.ndarray, masks: np.ndarray | None, grid: Grid = GRID, name: str = "s"
) -> ScanCase:
    """A scan on ``GRID`` whose maps are on ``grid``."""
    maps = np.asarray(maps, dtype=np.float32)
    nothing = np.zeros((3, *grid.shape), dtype=np.float32)
    scores = maps.max(axis=(1, 2, 3))
    return ScanCase(
        ScanRecord(name, name, "test"),
        Volume(np.zeros(GRID.shape, dtype=np.float32), GRID, name),
        Prediction(nothing, maps, grid, np.zeros((3, 2), dtype=np.float32), scores),
        lambda: masks,
    )


def drawn(seed: int, grid: Grid = GRID) -> ScanCase:
    """Blocks as masks, and maps that know something of them; one in three lacks a type."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((2, *GRID.shape), dtype=np.bool_)
    for mask in masks:
        if rng.random() < 0.67:
            d, h, w = (int(rng.integers(0, n - 2)) for n in GRID.shape)
            mask[d : d + 2, h : h + 3, w : w + 3] = True
    knows = maps_on(masks.astype(np.float32), GRID, grid)
    return scan((0.6 * knows + rng.random(knows.shape)) / 1.6, masks, grid)


def cases_of(
    evaluator: VoxelDice, make_cases: MakeCases, scans: list[ScanCase], valid: list[ScanCase] | None
) -> EvaluationSet:
    def measured(some: list[ScanCase]) -> EvaluationSet:
        said = json.loads(json.dumps([evaluator.measure(s) for s in some], allow_nan=False))
        return replace(make_cases(0, n=len(some)), measured={"voxel_dice": tuple(said)})

    return replace(measured(scans), valid=None if valid is None else measured(valid))


@pytest.fixture
def make(anatomy: Anatomy) -> Callable[..., VoxelDice]:
    return lambda **fields: VoxelDice(VoxelDiceConfig(n_resamples=50, **fields), anatomy)


def dice(over: np.ndarray, mask: np.ndarray) -> float:
    return 2 * (over & mask).sum() / (over.sum() + mask.sum())


@pytest.mark.parametrize("grid", [GRID, COARSE], ids=["same", "coarser"])
def test_dice_is_measured_on_the_scans_grid_at_the_threshold_of_validation(
    make: Callable[..., VoxelDice], make_cases: MakeCases, grid: Grid
) -> None:
    evaluator = make()
    valid, test = ([drawn(s, grid) for s in seeds] for seeds in (range(12), range(100, 115)))
    found = evaluator.evaluate(cases_of(evaluator, make_cases, test, valid), 0)
    means = []
    for j, name in enumerate(("bright", "dark")):

        def heat(case: ScanCase, j: int = j) -> np.ndarray:
            maps = case.prediction.abnormality_maps
            return np.rint(maps_on(maps, grid, GRID)[j] * 255)

        def values(some: list[ScanCase], steps: range, j: int = j) -> np.ndarray:
            pairs = [(heat(c), c.masks[j]) for c in some if c.masks[j].any()]
            return np.array([[dice(h >= k, mask) for h, mask in pairs] for k in steps])

        of_valid = values(valid, range(1, 256)).mean(axis=1)
        best = np.flatnonzero(of_valid > of_valid.max() - 1e-12)
        step = int(best[len(best) // 2]) + 1
        expected = values(test, range(step, step + 1))[0]
        assert found.metrics[f"dice/{name}"].value == pytest.approx(np.mean(expected), abs=1e-12)
        assert found.metrics[f"dice/{name}"].n == len(expected) < 15
        means.append(np.mean(expected))
        jaccard = [
            jaccard_score(c.masks[j].ravel(), heat(c).ravel() >= step)
            for c in test if c.masks[j].any()
        ]  # fmt: skip
        assert found.metrics[f"jaccard/{name}"].value == pytest.approx(np.mean(jaccard))
        row = found.tables["types"].loc[f"{name.capitalize()} spot"]
        assert row["Threshold"] == f"{step / 255:.2f}"
        volumes = [((heat(c) >= step).sum() * VOXEL_ML, c.masks[j].sum() * VOXEL_ML) for c in test]
        errors = [abs(p - t) for p, t in volumes if t]
        assert found.metrics[f"volume_error_ml/{name}"].value == pytest.approx(np.mean(errors))
        falsely = [p for p, t in volumes if not t]
        assert found.metrics[f"false_volume_ml/{name}"].value == pytest.approx(np.mean(falsely))
    mean = found.metrics["dice/mean"]
    assert mean.value == pytest.approx(np.mean(means), abs=1e-12)
    assert mean.low is not None and mean.high is not None and mean.low < mean.value < mean.high


def test_perfect_maps(make: Callable[..., VoxelDice], make_cases: MakeCases) -> None:
    evaluator = make()
    scans = [drawn(s) for s in range(10)]
    perfect = [scan(c.masks.astype(np.float32), c.masks) for c in scans]
    found = evaluator.evaluate(cases_of(evaluator, make_cases, perfect, perfect), 0).metrics
    for name in ("dice", "jaccard", "pointing_game", "lesion_sensitivity"):
        for kind in ("bright", "dark", "mean"):
            assert found[f"{name}/{kind}"].value == 1, name
    assert found["volume_error_ml/mean"].value == found["false_volume_ml/mean"].value == 0


def test_lesions_found_and_false_alarms(
    make: Callable[..., VoxelDice], make_cases: MakeCases
) -> None:
    mask, nothing = np.zeros((2, *GRID.shape), dtype=np.bool_), np.zeros((2, *GRID.shape))
    mask[0, 0, 0, 0] = mask[0, 0, 0, 7] = True  # two lesions in one of two scans
    one, other = nothing.copy(), nothing.copy()
    one[0, 0, 0, 0], one[0, 3, 5, 3], one[0, 0, 0, 7] = 0.9, 0.5, 0.3
    other[0, 0, 0, 3] = 0.7
    scans = [scan(one, mask), scan(other, nothing > 0)]
    evaluator = make(false_alarm_rates=(0.1, 0.5, 1.0))
    found = evaluator.evaluate(cases_of(evaluator, make_cases, scans, None), 0)
    row = found.tables["lesions"].loc["Bright spot"]
    # corners: nothing, (0, 1/2) at 0.9, (1/2, 1/2) at 0.7, (1, 1/2) at 0.5, (1, 1) at 0.3
    assert row["At 0.1 false alarms per scan"] == row["At 0.5 false alarms per scan"] == "0.500"
    assert row["At 1 false alarms per scan"] == "1.000"
    assert (row["Lesions"], row["Found at any rate"]) == ("2", "2")
    metric = found.metrics["lesion_sensitivity/bright"]
    assert metric.value == pytest.approx(2 / 3)
    assert (metric.n, metric.positives, metric.low) == (2, 1, None)  # one patient has lesions
    assert found.metrics["lesion_sensitivity/dark"].value is None
    assert found.metrics["lesion_sensitivity/mean"].value == metric.value


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.1, 0.0)])
def test_one_blob_over_everything_is_no_detector(
    make: Callable[..., VoxelDice], make_cases: MakeCases, share: float, value: float
) -> None:
    masks = np.zeros((2, *GRID.shape), dtype=np.bool_)
    masks[:, 1, 2:4, 2:5] = True
    evaluator = make(hit_share=share)
    scans = [scan(np.full((2, *GRID.shape), 0.9), masks)] * 3
    found = evaluator.evaluate(cases_of(evaluator, make_cases, scans, None), 0)
    assert found.metrics["lesion_sensitivity/mean"].value == value
    assert found.metrics["pointing_game/mean"].value == pytest.approx(6 / 192)


def test_the_tolerance_of_the_pointing_game_is_in_mm(
    make: Callable[..., VoxelDice], make_cases: MakeCases
) -> None:
    maps, masks = np.zeros((2, *GRID.shape)), np.zeros((2, *GRID.shape), dtype=np.bool_)
    maps[:, 1, 2, 2] = 0.5
    masks[0, 1, 2, 4] = masks[1, 2, 2, 2] = True  # 4 mm along the row, 5 mm to the next slice
    for tolerance, expected in ((0.0, (0, 0)), (4.0, (1, 0)), (5.0, (1, 1))):
        evaluator = make(tolerance_mm=tolerance)
        found = evaluator.evaluate(
            cases_of(evaluator, make_cases, [scan(maps, masks)] * 2, None), 0
        ).metrics
        values = tuple(found[f"pointing_game/{kind}"].value for kind in ("bright", "dark"))
        assert values == expected


def test_thresholds_can_be_fixed_and_without_any_dice_is_undefined(
    make: Callable[..., VoxelDice], make_cases: MakeCases
) -> None:
    scans = [drawn(s) for s in range(12)]
    evaluator = make(thresholds={"dark": 0.6})
    found = evaluator.evaluate(cases_of(evaluator, make_cases, scans, None), 0)
    expected = [
        dice(np.rint(c.prediction.abnormality_maps[1] * 255) >= 153, c.masks[1])
        for c in scans if c.masks[1].any()
    ]  # fmt: skip
    assert found.metrics["dice/dark"].value == pytest.approx(np.mean(expected))
    assert found.metrics["dice/mean"].value == found.metrics["dice/dark"].value
    for name in ("dice", "jaccard", "volume_error_ml", "false_volume_ml"):
        assert found.metrics[f"{name}/bright"].value is None
    assert found.metrics["pointing_game/bright"].value is not None
    assert found.tables["types"].loc["Bright spot", ["Threshold", "Dice"]].tolist() == ["-", "-"]
    assert found.tables["types"].loc["Bright spot", "Best Dice"] != "-"
    valid = [scan(np.zeros((2, *GRID.shape)), np.zeros((2, *GRID.shape), dtype=np.bool_))] * 2
    cases = cases_of(evaluator, make_cases, scans, valid)  # validation scans without the type
    assert evaluator.evaluate(cases, 0).metrics["dice/bright"].value is None


def test_a_threshold_of_an_unknown_type_is_refused(make: Callable[..., VoxelDice]) -> None:
    with pytest.raises(ConfigError) as error:
        make(thresholds={"brigth": 0.5})
    assert error.value.problems == ["thresholds.brigth: no such type; did you mean 'bright'?"]


@pytest.mark.parametrize("wrong", [{"bright": 0}, {"bright": 1.5}])
def test_thresholds_are_probabilities(make: Callable[..., VoxelDice], wrong: Any) -> None:
    with pytest.raises(ValueError, match="thresholds"):
        make(thresholds=wrong)


def test_scans_without_masks_stay_out(
    make: Callable[..., VoxelDice], make_cases: MakeCases
) -> None:
    evaluator = make()
    scans = [drawn(s) for s in range(8)]
    bare = [scan(c.prediction.abnormality_maps, None) for c in scans]
    assert evaluator.measure(bare[0]) is None
    mixed = cases_of(evaluator, make_cases, [*scans, *bare], scans)
    found = evaluator.evaluate(mixed, 0).metrics
    alone = evaluator.evaluate(mixed.take(range(8)), 0).metrics
    assert found == alone
    for cases in (
        cases_of(evaluator, make_cases, bare, bare),
        make_cases(0, n=8),
    ):
        nothing = evaluator.evaluate(cases, 0)
        assert all(e.value is None and e.low is None for e in nothing.metrics.values())
        assert (nothing.tables["types"]["Dice"] == "-").all()
        for figure in nothing.figures.values():
            figure.canvas.draw()


def test_patients_are_what_is_resampled_and_their_resamples_are_kept(
    make: Callable[..., VoxelDice], make_cases: MakeCases
) -> None:
    evaluator = make()
    scans = [drawn(s) for s in range(20)]
    cases = cases_of(evaluator, make_cases, scans, scans)
    together = replace(cases, patient_ids=tuple(f"p{i // 5}" for i in range(20)))
    apart = replace(cases, patient_ids=tuple(f"p{i}" for i in range(20)))
    one, two = (evaluator.evaluate(c, 0) for c in (together, apart))
    for name in ("dice/mean", "dice/dark", "volume_error_ml/bright"):
        assert one.metrics[name].value == pytest.approx(two.metrics[name].value, abs=1e-12)
        assert one.metrics[name].low != two.metrics[name].low
        assert one.drawn[name].values[0] == one.metrics[name].value
    assert one.drawn.keys() == one.metrics.keys()
    assert evaluator.evaluate(together, 0).metrics == one.metrics
