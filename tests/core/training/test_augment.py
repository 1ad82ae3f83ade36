"""Every change does what its name says, and everything follows from the key."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from crossdl.anatomy import load_anatomy
from crossdl.training.augment import augment, mirror
from crossdl.training.augmentation import Augmentation, Probabilities

ANATOMY = load_anatomy("head_ct")
SHAPE = (12, 36, 40)
ALWAYS = Probabilities(**dict.fromkeys(Probabilities.model_fields, 1.0))
STRENGTHS: dict[str, dict[str, Any]] = {
    "rotation": {"rotation_degrees": 20},
    "tilt": {"tilt_degrees": 15},
    "zoom": {"zoom": (0.7, 0.8), "stretch": 0.1},
    "shift": {"shift": 0.2},
    "elastic": {"elastic": 0.03},
    "gamma": {"gamma": (1.5, 2.0)},
    "contrast": {"contrast": (0.5, 0.7)},
    "brightness": {"brightness_hu": 15},
    "slice_thickness": {"slice_thickness": (3, 5)},
    "blur": {"blur": (0.8, 1.5)},
    "sharpen": {"sharpen": (0.5, 1)},
    "bias": {"bias_hu": 10},
    "noise": {"noise_hu": (3, 6)},
}
SHAPES = ("rotation", "tilt", "zoom", "shift", "elastic")
EVERYTHING = {name: value for table in STRENGTHS.values() for name, value in table.items()}


def only(**fields: Any) -> Augmentation:
    """Nothing but what is named, and that always."""
    still = {"flip_probability": 0, "rotation_degrees": 0}
    return Augmentation.model_validate({"probability": ALWAYS, **still, **fields})


def sample(seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, shape, dtype=np.uint8)
    regions = rng.integers(0, ANATOMY.n_regions + 1, shape, dtype=np.uint8)
    matrix = rng.random((ANATOMY.n_regions + 2, ANATOMY.n_types)).astype(np.float32)
    return torch.from_numpy(image), torch.from_numpy(regions), torch.from_numpy(matrix)


def changed(
    settings: Augmentation, given: tuple[Tensor, Tensor, Tensor], key: tuple[int, ...] = (0,)
) -> tuple[Tensor, Tensor, Tensor]:
    return augment(*given, anatomy=ANATOMY, settings=settings, key=key)


def flat(value: int, shape: tuple[int, int, int] = SHAPE) -> tuple[Tensor, Tensor, Tensor]:
    image = torch.full(shape, value, dtype=torch.uint8)
    return image, torch.ones(shape, dtype=torch.uint8), sample()[2]


def test_mirroring_twice_is_nothing() -> None:
    before = sample()
    after = mirror(*mirror(*before, ANATOMY), ANATOMY)
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_mirroring_swaps_names_where_it_moves_voxels() -> None:
    image, regions, matrix = sample()
    flipped, labels, rows = mirror(image, regions, matrix, ANATOMY)
    names = ANATOMY.region_names
    for i, region in enumerate(ANATOMY.regions):
        partner = names.index(region.mirror)
        assert torch.equal(labels == partner + 1, (regions == i + 1).flip(-1))
        assert torch.equal(rows[partner], matrix[i])
    assert torch.equal(rows[-2:], matrix[-2:])
    assert torch.equal(labels == 0, (regions == 0).flip(-1))
    assert torch.equal(flipped, image.flip(-1))


@settings(max_examples=25)
@given(
    names=st.sets(st.sampled_from(sorted(STRENGTHS))),
    key=st.tuples(st.integers(0, 2**40), st.integers(0, 60), st.integers(0, 40_000)),
)
def test_what_comes_out_is_a_sample(names: set[str], key: tuple[int, ...]) -> None:
    before = sample()
    fields = {name: v for chosen in names for name, v in STRENGTHS[chosen].items()}
    settings_ = Augmentation.model_validate({"flip_probability": 0.5, **fields})
    image, regions, matrix = changed(settings_, before, key)
    again = changed(settings_, before, key)
    assert image.dtype == regions.dtype == torch.uint8
    assert image.shape == regions.shape == SHAPE
    assert int(regions.max()) <= ANATOMY.n_regions
    assert sorted(matrix.flatten().tolist()) == sorted(before[2].flatten().tolist())
    assert all(torch.equal(a, b) for a, b in zip((image, regions, matrix), again, strict=True))


@pytest.mark.parametrize("name", STRENGTHS)
def test_each_change_is_made_as_often_as_asked_and_by_itself(name: str) -> None:
    """Other changes draw no number that it depends on."""
    before = sample()
    never = dict.fromkeys(Probabilities.model_fields, 0.0)
    table = {**EVERYTHING, "flip_probability": 0.0, "rotation_degrees": 20}
    half = Augmentation.model_validate({**table, "probability": {**never, name: 0.5}})
    alone = only(**STRENGTHS[name])
    made, moved = 0, 0
    for number in range(60):
        image, regions, _ = changed(half, before, (7, number))
        if torch.equal(image, before[0]):
            assert torch.equal(regions, before[1])
            continue
        made += 1
        expected = changed(alone, before, (7, number))
        assert torch.equal(image, expected[0])
        assert torch.equal(regions, expected[1])
        moved += not torch.equal(regions, before[1])
    assert 15 < made < 45
    assert moved > 10 if name in SHAPES else moved == 0


def test_two_threads_give_the_same_bytes() -> None:
    given_ = sample(shape=(24, 96, 96))
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            results.append(changed(only(**EVERYTHING), given_, (3, 4)))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_the_defaults_are_the_papers() -> None:
    """A flip in half of all cases and a rotation within its slices, nothing else."""
    image = torch.zeros((3, 41, 41), dtype=torch.uint8)
    image[1] = torch.from_numpy(np.random.default_rng(0).integers(1, 256, (41, 41), dtype=np.uint8))
    given_ = (image, (image > 0).to(torch.uint8), sample()[2])
    flips, angles = 0, []
    place = torch.arange(41) - 20.0
    for number in range(200):
        turned, labels, matrix = changed(Augmentation(), given_, (0, number))
        assert not turned[0].any()
        assert not turned[2].any()
        flips += not torch.equal(matrix, given_[2])
        corner = labels[1].double()
        angles.append(float((place[:, None] ** 2 * corner).sum()))
    assert 70 < flips < 130
    assert len(set(angles)) > 20


@pytest.mark.parametrize("shape", [(3, 41, 41), (3, 41, 61)])
def test_rotation_moves_a_point_from_w_toward_h(shape: tuple[int, int, int]) -> None:
    from crossdl.training.augment_shape import _turn, resample, sampling_grid

    image = torch.zeros(shape)
    h, w = (shape[1] - 1) // 2, (shape[2] - 1) // 2
    image[:, h - 1 : h + 2, w + 11 : w + 14] = 200
    grid = sampling_grid(shape, _turn(2, 30.0), np.zeros(3))
    turned = resample(image, grid, "bilinear")
    centre = torch.nonzero(resample(image, grid, "nearest")[0]).double().mean(dim=0).numpy()
    expected = [h + 12 * np.sin(np.pi / 6), w + 12 * np.cos(np.pi / 6)]
    np.testing.assert_allclose(centre, expected, atol=0.5)
    weight = turned[0].double()
    rows = torch.arange(shape[1])[:, None] * weight
    np.testing.assert_allclose(float(rows.sum() / weight.sum()), expected[0], atol=0.3)


def test_zoom_and_shift_move_a_ball_as_said() -> None:
    from crossdl.training.augment_shape import resample, sampling_grid

    d, h, w = np.indices((20, 40, 40))
    ball = ((2 * d - 19) ** 2 + (h - 19.5) ** 2 + (w - 19.5) ** 2) < 10**2
    volume = torch.from_numpy(ball.astype(np.float32))
    grid = sampling_grid((20, 40, 40), 1.5 * np.eye(3), np.array([0.1, -0.05, 0.2]))
    moved = resample(volume, grid, "nearest")
    assert float(moved.sum() / volume.sum()) == pytest.approx(1.5**3, rel=0.05)
    centre = torch.nonzero(moved).double().mean(dim=0).numpy()
    np.testing.assert_allclose(centre, [9.5 + 4, 19.5 - 2, 19.5 + 4], atol=0.3)


def test_a_tilt_takes_the_box_for_as_tall_as_deep() -> None:
    from crossdl.training.augment_shape import _turn, resample, sampling_grid

    volume = torch.zeros((20, 40, 40))
    volume[9:11, 31:33, :] = 1  # 12 voxels of H behind the centre
    turned = resample(volume, sampling_grid((20, 40, 40), _turn(0, 90.0), np.zeros(3)), "nearest")
    centre = torch.nonzero(turned).double().mean(dim=0).numpy()
    np.testing.assert_allclose(centre, [9.5 + 6, 19.5, 19.5], atol=0.51)


def test_elastic_displacements_have_the_size_asked_for() -> None:
    """Of a ramp, the change of value is the displacement in voxels."""
    shape = (10, 20, 128)
    ramp = torch.arange(64, 192, dtype=torch.uint8).expand(shape).contiguous()
    given_ = (ramp, torch.ones(shape, dtype=torch.uint8), sample()[2])
    found = []
    for number in range(12):
        image = changed(only(elastic=0.03), given_, (number,))[0][2:-2, 4:-4, 20:-20].double()
        found.append((image - ramp[2:-2, 4:-4, 20:-20]).flatten())
    assert float(torch.cat(found).std()) == pytest.approx(0.03 * 128, rel=0.2)


@pytest.mark.parametrize("name", ["gamma", "contrast", "brightness", "bias", "noise"])
@pytest.mark.parametrize("value", [0, 255])
def test_air_and_bone_stay(name: str, value: int) -> None:
    before = flat(value)
    assert torch.equal(changed(only(**STRENGTHS[name]), before)[0], before[0])


def test_curves_in_units_of_the_window() -> None:
    """Window 90 HU: 255 / 90 grey values are one HU."""
    unit = 255 / ANATOMY.window.width
    assert int(changed(only(contrast=(0.5, 0.5)), flat(200))[0][0, 0, 0]) == round(127.5 + 72.5 / 2)
    assert int(changed(only(gamma=(2, 2)), flat(128))[0][0, 0, 0]) == round(128**2 / 255)
    values = [
        int(changed(only(brightness_hu=10), flat(100), (i,))[0][0, 0, 0]) - 100 for i in range(80)
    ]
    assert 0.9 * 10 * unit < max(map(abs, values)) <= round(10 * unit)
    assert min(values) < 0 < max(values)


@pytest.mark.parametrize("grain", [0.0, 1.5])
def test_noise_has_its_hu_whatever_its_grain(grain: float) -> None:
    unit = 255 / ANATOMY.window.width
    settings_ = only(noise_hu=(5, 5), noise_grain=grain)
    correlations = []
    for number in range(5):
        image = changed(settings_, flat(128, (8, 64, 64)), (number,))[0].double()
        assert float(image.std()) == pytest.approx(5 * unit, rel=0.1)
        inner = image - image.mean()
        correlations.append(float((inner[:, :, 1:] * inner[:, :, :-1]).mean() / image.var()))
    assert (max(correlations) > 0.3) == (grain > 0)


def test_blur_keeps_the_mean_and_widens_an_edge() -> None:
    image, *rest = flat(40)
    image[:, :, 20:] = 200
    soft = changed(only(blur=(1.5, 1.5)), (image, *rest))[0]  # type: ignore[arg-type]
    assert float(soft.double().mean()) == pytest.approx(float(image.double().mean()), abs=0.5)
    steps = soft[0, 18].double().diff()
    assert float(steps.max()) == pytest.approx(160 / (1.5 * np.sqrt(2 * np.pi)), rel=0.05)
    sharp = changed(only(sharpen=(1, 1)), (image, *rest))[0]  # type: ignore[arg-type]
    assert int(sharp.max()) > 200
    assert int(sharp.min()) < 40


def test_thick_slices_are_averages_that_are_interpolated() -> None:
    from crossdl.training.separable import thick_slices

    filters = thick_slices(12, 4.0, 0.0)
    torch.testing.assert_close(filters.sum(dim=1), torch.ones(12))
    impulse = torch.zeros(12)
    impulse[5] = 4.0  # in the second slice, whose centre is between voxels 5 and 6
    expected = [0, 0, 1 / 8, 3 / 8, 5 / 8, 7 / 8, 7 / 8, 5 / 8, 3 / 8, 1 / 8, 0, 0]
    torch.testing.assert_close(filters @ impulse, torch.tensor(expected))
    torch.testing.assert_close(thick_slices(7, 1.0, 0.0), torch.eye(7))
    single = thick_slices(6, 20.0, 0.0)
    torch.testing.assert_close(single, torch.full((6, 6), 1 / 6))


def test_bone_has_its_partial_volume() -> None:
    image, *rest = flat(100)
    image[4] = 255
    thick = {"slice_thickness": (3, 3)}
    plain = changed(only(**thick), (image, *rest), (5,))[0]  # type: ignore[arg-type]
    bone = changed(only(**thick, bone_hu=800), (image, *rest), (5,))[0]  # type: ignore[arg-type]
    assert int((bone == 255).sum()) > int((plain == 255).sum())
    assert (bone >= plain).all()


@pytest.mark.parametrize(
    "fields",
    [{"zoom": (1.2, 0.8)}, {"gamma": (0, 1)}, {"elastic": 0.5}, {"noise_hu": (-1, 2)}, {"zoon": 1}],
)
def test_impossible_settings_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Augmentation.model_validate(fields)
