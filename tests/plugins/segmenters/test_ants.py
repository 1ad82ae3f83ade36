"""ANTs on a warped copy of the built-in atlas, where the true regions are known."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from crossdl.anatomy import load_anatomy
from crossdl.errors import RegistrationError
from crossdl.plugins.segmenters.ants import Ants, AntsConfig
from crossdl.registration.prepare import Prepared
from crossdl.testing.heads import stored_backwards
from crossdl.types import LabelArray, RegionMap

ANATOMY = load_anatomy("head_ct")
QUICK = AntsConfig(working_shape=(40, 80, 80))
Dice = Callable[[LabelArray, LabelArray], list[float]]


@pytest.fixture(scope="module")
def registered(patient: Any) -> RegionMap:
    return Ants(QUICK, ANATOMY).segment(patient.volume)


def test_regions_are_found(patient: Any, registered: RegionMap, dice: Dice) -> None:
    scores = dice(registered.labels, patient.labels)
    assert np.mean(scores) > 0.8
    assert min(scores) > 0.55


def test_quality_says_how_well_it_went(registered: RegionMap) -> None:
    quality = registered.quality
    metric = quality.values["final_metric"]
    assert list(metric) == ["affine", "syn"]
    assert metric["syn"] < metric["affine"] < 0
    assert quality.values["similarity"] > 0.85
    assert quality.flags == ()
    assert 0.5 < quality.values["score"] <= 1.0


def test_again_gives_the_same_bytes(patient: Any) -> None:
    coarse = AntsConfig(working_shape=(20, 40, 40))
    one, two = (Ants(coarse, ANATOMY).segment(patient.volume) for _ in range(2))
    assert one.labels.tobytes() == two.labels.tobytes()
    for name in ("final_metric", "similarity", "score"):
        assert one.quality.values[name] == two.quality.values[name]


def test_global_state_is_put_back(patient: Any) -> None:
    import ants

    config = AntsConfig(type_of_transform="antsRegistrationSyNQuick[a]", working_shape=(16, 32, 32))
    np.random.seed(5)
    random.seed(5)
    expected = np.random.random(), random.random()
    np.random.seed(5)
    random.seed(5)
    environment = dict(os.environ)
    found = Ants(config, ANATOMY).segment(patient.volume)
    assert list(found.quality.values["final_metric"]) == ["affine"]
    assert (np.random.random(), random.random()) == expected
    assert dict(os.environ) == environment
    assert (ants.config._deterministic, ants.config._random_seed) == (False, None)


def test_transforms_are_in_ants_own_order_and_axes(
    patient: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the displacement field makes of the template is what ANTs makes of it."""
    import ants
    import SimpleITK as sitk

    from crossdl.registration.finish import displacement_image
    from crossdl.registration.prepare import prepare

    made = Ants(QUICK, ANATOMY)
    turned = stored_backwards(patient.volume)
    prepared = prepare(turned, made._template, working_shape=(16, 36, 32))
    kept: dict[str, Any] = {}
    real = ants.registration

    def spy(*args: Any, **kwargs: Any) -> Any:
        kept.update(real(*args, **kwargs))
        return kept

    monkeypatch.setattr(ants, "registration", spy)
    displacement, _ = made.find_transform(prepared, "patient")
    assert np.abs(displacement).max() > 2.0
    transform = sitk.DisplacementFieldTransform(displacement_image(prepared, displacement))
    ours = sitk.GetArrayFromImage(sitk.Resample(prepared.moving, prepared.fixed, transform))
    theirs = kept["warpedmovout"].numpy().transpose(2, 1, 0)
    inside = sitk.GetArrayFromImage(prepared.fixed_mask) > 0
    assert np.abs(ours - theirs)[inside].mean() < 0.1


def test_failure_says_why(patient: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import ants

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("Registration failed with error code 1")

    monkeypatch.setattr(ants, "registration", broken)
    with pytest.raises(RegistrationError, match=r"patient: ANTs failed: .*error code 1"):
        Ants(QUICK, ANATOMY).segment(patient.volume)


def test_unusable_transform_is_refused(patient: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = Ants(QUICK, ANATOMY)

    def not_finite(prepared: Prepared, folder: str) -> Any:
        return np.full((*prepared.working_grid.shape, 3), np.nan, np.float32), None, False

    monkeypatch.setattr(made, "_run", not_finite)
    with pytest.raises(RegistrationError, match="without a usable transform"):
        made.segment(patient.volume)


def test_fingerprint_follows_what_decides_the_labels() -> None:
    def of(**fields: Any) -> str:
        return Ants(AntsConfig(**fields), ANATOMY).fingerprint()

    assert of() == of(working_shape=None)
    different = [of(), of(seed=1), of(mask=False), of(type_of_transform="SyN"), of(threads=2)]
    assert len(set(different)) == len(different)


def test_wrong_config_is_refused() -> None:
    with pytest.raises(ValidationError, match="antsRegistrationSyNQuick"):
        AntsConfig(type_of_transform="SyNQuick")  # type: ignore[arg-type]
