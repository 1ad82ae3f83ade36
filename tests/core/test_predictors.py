"""Test-time flips and ensembles: where the maps lie, what their mean is, who fits whom."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.errors import InputError
from crossdl.models import load_model, shipped_model
from crossdl.predictors import Ensemble, Mirrored, load_predictor, mean
from crossdl.preprocessing import preprocess
from crossdl.testing.heads import stored_backwards, synthetic_head, with_values
from crossdl.types import Grid, Prediction, Quality, RegionMap, Volume

ANATOMY = load_anatomy("head_ct")
LESION = [35.0, -30.0, 25.0]
N, M = ANATOMY.n_regions, ANATOMY.n_types


def prediction(
    regions: np.ndarray, abnormality: np.ndarray, grid: Grid, flags: tuple[str, ...] = ()
) -> Prediction:
    products = regions[:, None] * abnormality[None]
    scores = products.max(axis=(2, 3, 4))
    return Prediction(
        np.asarray(regions, np.float32),
        np.asarray(abnormality, np.float32),
        grid,
        np.asarray(scores, np.float32),
        np.asarray(abnormality.max(axis=(1, 2, 3)), np.float32),
        Quality({"a": len(flags)}, flags),
    )


class Fake:
    """Base of what predicts here."""

    anatomy = ANATOMY
    scores_from_maps = True
    needs_regions = False


class Voxels(Fake):
    """D̂ is the array itself on its own grid; Ŝ is the labels it is given, or 1 everywhere."""

    def predict(self, volume: Volume, regions: RegionMap | None = None) -> Prediction:
        maps = np.repeat(volume.array[None], M, axis=0)
        s = np.ones((N, *volume.grid.shape), np.float32)
        if regions is not None:
            s = np.stack([regions.labels == i + 1 for i in range(N)]).astype(np.float32)
        return prediction(s, maps, volume.grid)


class Halves(Fake):
    """D̂ is the prepared image, Ŝ of a side is that half of it: a model without preferences."""

    shape = (16, 36, 32)

    def predict(self, volume: Volume, regions: RegionMap | None = None) -> Prediction:
        ready = preprocess(volume, ANATOMY, self.shape)
        maps = np.repeat(ready.image[None] / np.float32(255), M, axis=0)
        left = np.arange(self.shape[2]) >= self.shape[2] // 2
        sides = {"left": left, "right": ~left, None: left | ~left}
        s = np.stack([np.broadcast_to(sides[r.side], self.shape) for r in ANATOMY.regions])
        return prediction(s.astype(np.float32), maps, ready.grid)


class OnlyLeft(Fake):
    """Finds everything in the left regions, whatever the scan."""

    def predict(self, volume: Volume, regions: RegionMap | None = None) -> Prediction:
        is_left = np.array([r.side == "left" for r in ANATOMY.regions], np.float32)
        s = np.broadcast_to(is_left[:, None, None, None], (N, 2, 2, 2))
        return prediction(s, np.ones((M, 2, 2, 2), np.float32), grid_of((2, 2, 2), 8.0))


def grid_of(shape: tuple[int, int, int], side: float) -> Grid:
    """A cube of ``side`` mm around the origin."""
    steps = [side / n for n in shape[::-1]]
    affine = np.diag([*steps, 1.0])
    affine[:3, 3] = [step / 2 - side / 2 for step in steps]
    return Grid(shape, affine)


def lesion(volume: Volume) -> Volume:
    """The head with blood at the patient's left, in front and above."""
    index = np.round(volume.grid.world_to_index(LESION)).astype(int)
    array = volume.array.copy()
    array[tuple(slice(i - 2, i + 3) for i in index)] = 75.0
    return with_values(volume, array)


@settings(max_examples=25)
@given(
    order=st.permutations(range(3)),
    signs=st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3),
    seed=st.integers(0, 100),
)
def test_maps_of_the_mirror_image_come_back_to_their_voxels(order, signs, seed):
    affine = np.eye(4)
    affine[:3, :3] = (np.diag(signs) * [0.5, 0.75, 5.0])[:, list(order)]
    affine[:3, 3] = [-10.0, 20.0, 3.0]
    rng = np.random.default_rng(seed)
    volume = Volume(rng.random((4, 5, 6), dtype=np.float32), Grid((4, 5, 6), affine))
    labels = rng.integers(0, N + 1, volume.grid.shape).astype(np.uint8)
    regions = RegionMap(labels, volume.grid)
    found = Mirrored(Voxels()).predict(volume, regions)
    assert found.grid.same_as(volume.grid)
    np.testing.assert_allclose(found.abnormality_maps[0], volume.array, atol=1e-6)
    expected = np.stack([labels == i + 1 for i in range(N)])
    np.testing.assert_array_equal(found.region_maps, expected)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_finding_stays_on_its_side(backwards: bool) -> None:
    volume = lesion(synthetic_head())
    volume = stored_backwards(volume) if backwards else volume
    plain, both = Halves().predict(volume), Mirrored(Halves()).predict(volume)
    assert both.grid.same_as(plain.grid)
    assert np.abs(both.abnormality_maps - plain.abnormality_maps).mean() < 0.01
    np.testing.assert_allclose(both.region_scores, plain.region_scores, atol=0.1)
    here, there = (
        both.abnormality_maps[0][tuple(np.round(both.grid.world_to_index(place)).astype(int))]
        for place in (LESION, [-LESION[0], *LESION[1:]])
    )
    assert here > there + 0.2


def test_a_preference_for_one_side_is_averaged_away() -> None:
    found = Mirrored(OnlyLeft()).predict(
        Volume(np.zeros((2, 2, 2), np.float32), grid_of((2,) * 3, 8))
    )
    sides = [r.side for r in ANATOMY.regions]
    expected = [0.0 if side is None else 0.5 for side in sides]
    np.testing.assert_allclose(found.region_scores, np.repeat([expected], M, axis=0).T)


def constant(
    value: float, shape: tuple[int, int, int], side: float, **kwargs: object
) -> Prediction:
    grid = grid_of(shape, side)
    maps = np.full((M, *shape), value, np.float32)
    return prediction(np.ones((N, *shape), np.float32), maps, grid, **kwargs)  # type: ignore[arg-type]


def test_the_mean_is_of_probabilities_on_the_first_grid() -> None:
    first = constant(0.2, (4, 4, 4), 8.0, flags=("few slices", "one"))
    found = mean(
        [first, constant(0.6, (6, 8, 10), 8.0, flags=("few slices", "two"))], scores_from_maps=True
    )
    assert found.grid is first.grid
    np.testing.assert_allclose(found.abnormality_maps, 0.4, atol=1e-6)
    np.testing.assert_allclose(found.scan_scores, 0.4, atol=1e-6)
    np.testing.assert_allclose(found.region_scores, 0.4, atol=1e-6)
    assert found.quality.flags == ("few slices", "one", "two")
    assert found.quality.values == {"a": 2}


def test_scores_belong_to_the_mean_maps_unless_they_are_a_classifiers() -> None:
    """Two models that are sure of different places: the mean is sure of neither."""
    rng = np.random.default_rng(0)
    ones = [
        prediction(rng.random((N, 3, 3, 3)), rng.random((M, 3, 3, 3)), grid_of((3, 3, 3), 9.0))
        for _ in range(2)
    ]
    by_maps, by_scores = (mean(ones, scores_from_maps=how) for how in (True, False))
    products = by_maps.region_maps[:, None] * by_maps.abnormality_maps[None]
    np.testing.assert_allclose(by_maps.region_scores, products.max(axis=(2, 3, 4)), atol=1e-6)
    scores = (ones[0].region_scores + ones[1].region_scores) / 2
    np.testing.assert_allclose(by_scores.region_scores, scores, atol=1e-6)
    assert by_maps.region_scores.mean() < by_scores.region_scores.mean() - 0.1
    np.testing.assert_array_equal(by_maps.region_maps, by_scores.region_maps)


def test_regions_that_a_model_was_not_trained_on_are_left_to_the_others() -> None:
    knows, half, none = (constant(0.5, (2, 2, 2), 4.0) for _ in range(3))
    for one, regions in ((half, slice(0, 1)), (none, slice(0, 2))):
        one.region_scores[regions], one.region_maps[regions] = np.nan, 0.0
    found = mean([half, knows], scores_from_maps=True)
    np.testing.assert_allclose(found.region_scores, 0.5)
    found = mean([half, none], scores_from_maps=True)
    assert np.isnan(found.region_scores[0]).all() and (found.region_maps[0] == 0).all()
    np.testing.assert_allclose(found.region_scores[1:], 0.5)


def test_an_ensemble_of_equals_is_the_model_itself() -> None:
    volume, model = synthetic_head(), load_model()
    alone, both = model.predict(volume), load_predictor([shipped_model()] * 2).predict(volume)
    for name in ("region_maps", "abnormality_maps", "region_scores", "scan_scores"):
        np.testing.assert_allclose(getattr(both, name), getattr(alone, name), atol=1e-6)
    assert both.quality == alone.quality
    assert isinstance(load_predictor(flip=True), Mirrored)
    assert Ensemble([Voxels(), Mirrored(Halves())]).anatomy is ANATOMY


def test_models_of_other_anatomies_are_refused(tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(shipped_model(), other)
    described = json.loads((other / "model.json").read_text(encoding="utf-8"))
    described["anatomy"]["name"] = "backwards"
    described["anatomy"]["types"].reverse()
    (other / "model.json").write_text(json.dumps(described), encoding="utf-8")
    with pytest.raises(InputError, match=r"other: the model was .* other types .*backwards.* one"):
        load_predictor([shipped_model(), other])
