"""elastix on a warped copy of the built-in atlas, where the true regions are known."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from crossdl.anatomy import load_anatomy
from crossdl.errors import ConfigError, RegistrationError
from crossdl.plugins.segmenters.elastix import Elastix, ElastixConfig, _reason
from crossdl.testing.heads import stored_backwards
from crossdl.types import Grid, LabelArray, RegionMap, Volume

ANATOMY = load_anatomy("head_ct")
Changed = Callable[..., Elastix]
Dice = Callable[[LabelArray, LabelArray], list[float]]


@pytest.fixture(scope="module")
def registered(patient: Any) -> RegionMap:
    return Elastix(ElastixConfig(preset="fast"), ANATOMY).segment(patient.volume)


def test_regions_are_found(patient: Any, registered: RegionMap, dice: Dice) -> None:
    scores = dice(registered.labels, patient.labels)
    assert np.mean(scores) > 0.8
    assert min(scores) > 0.55


def test_quality_says_how_well_it_went(registered: RegionMap) -> None:
    quality = registered.quality
    values = quality.values
    assert set(values["final_metric"]) == {"affine", "bspline"}
    assert values["final_metric"]["bspline"] < values["final_metric"]["affine"] < 0
    assert values["similarity"] > 0.85
    assert values["brain_similarity"] > 0.9
    assert values["head_dice"] > 0.9
    assert values["coverage"] > 0.95
    assert 0.5 < values["score"] <= 1.0
    assert set(values["region_volumes_ml"]) == set(ANATOMY.region_names)
    assert all(0.6 < r < 1.6 for r in values["left_right_ratio"].values())
    assert values["seconds"] > 0
    assert quality.flags == ()
    json.dumps(quality.as_dict(), allow_nan=False)


def test_same_scan_stored_otherwise_has_the_same_regions(
    patient: Any, registered: RegionMap, dice: Dice
) -> None:
    volume, true = patient.volume, patient.labels
    turned = stored_backwards(volume)
    affine = turned.grid.affine.copy()
    affine[:3, :3] = affine[:3, [2, 0, 1]]  # slices along W: a "sagittal" file
    grid = Grid((128, 112, 32), affine)
    array = np.ascontiguousarray(turned.array.transpose(1, 2, 0))
    found = Elastix(ElastixConfig(preset="fast"), ANATOMY).segment(Volume(array, grid, "turned"))
    back = found.labels.transpose(2, 0, 1)[..., ::-1]
    assert np.mean(dice(back, registered.labels)) > 0.9
    assert np.mean(dice(back, true)) > 0.8


def test_same_seed_gives_the_same_and_gates_only_flag(patient: Any, registered: RegionMap) -> None:
    config = ElastixConfig(
        preset="fast", metric_gate=-5.0, similarity_gate=0.999, head_dice_gate=0.999,
        region_ml_gate=40.0,
    )  # fmt: skip
    found = Elastix(config, ANATOMY).segment(patient.volume)
    assert found.labels.tobytes() == registered.labels.tobytes()
    for name in ("final_metric", "similarity", "head_dice"):
        assert found.quality.values[name] == registered.quality.values[name]
    text = " ".join(found.quality.flags)
    assert len(found.quality.flags) == 4
    assert "final metric" in text and "-5" in text and "correlate" in text and "40 ml" in text


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """Makes a segmenter with one shipped map, in which ``old`` became ``new``."""

    def make(old: str, new: str) -> Elastix:
        folder = files("crossdl.plugins.segmenters") / "elastix_maps" / "fast"
        text = (folder / "affine.txt").read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "mine.txt"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return Elastix(ElastixConfig(parameter_files=(path,)), ANATOMY)

    return make


def test_own_parameter_files_replace_the_preset(patient: Any, changed: Changed) -> None:
    found = changed("(MaximumNumberOfIterations 64)", "(MaximumNumberOfIterations 5)")
    values: dict[str, Any] = dict(found.segment(patient.volume).quality.values)
    assert list(values["final_metric"]) == ["affine"]


def test_failure_says_why(patient: Any, changed: Changed) -> None:
    broken = changed('(Metric "AdvancedMattesMutualInformation")', '(Metric "NoSuchMetric")')
    with pytest.raises(RegistrationError, match=r"patient: elastix failed: .*NoSuchMetric"):
        broken.segment(patient.volume)


def test_affine_preset_bends_nothing_and_the_mask_can_be_left_out(
    patient: Any, registered: RegionMap, dice: Dice
) -> None:
    made = Elastix(ElastixConfig(preset="affine", working_shape=(24, 48, 48)), ANATOMY)
    found = made.segment(patient.volume)
    assert list(found.quality.values["final_metric"]) == ["affine"]
    assert found.quality.values["folded_fraction"] == 0.0
    assert np.mean(dice(found.labels, patient.labels)) > 0.75
    bare = ElastixConfig(preset="affine", working_shape=(24, 48, 48), mask=False)
    other = Elastix(bare, ANATOMY).segment(patient.volume)
    assert other.quality.values["final_metric"] != found.quality.values["final_metric"]
    assert np.mean(dice(other.labels, patient.labels)) > 0.75


def test_missing_and_malformed_parameter_files(patient: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.txt: no such elastix parameter file"):
        Elastix(ElastixConfig(parameter_files=(tmp_path / "none.txt",)), ANATOMY).fingerprint()
    path = tmp_path / "letter.txt"
    path.write_text("(Transform AffineTransform\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"letter\.txt: not an elastix parameter file"):
        Elastix(ElastixConfig(parameter_files=(path,)), ANATOMY).segment(patient.volume)


def test_fingerprint_follows_what_decides_the_labels(changed: Changed) -> None:
    def of(**fields: Any) -> str:
        return Elastix(ElastixConfig(**fields), ANATOMY).fingerprint()

    same = [of(), of(preset="paper"), of(working_shape=None)]
    assert len(set(same)) == 1
    different = [
        of(preset="fast"),
        of(preset="affine"),
        of(mask=False),
        of(seed=1),
        of(threads=2),
        of(window_high=90.0),
        of(atlas={**ANATOMY.atlas, "spacing_mm": 3.0}),
        changed("(NumberOfHistogramBins 32)", "(NumberOfHistogramBins 16)").fingerprint(),
        changed("(NumberOfHistogramBins 32)", "(NumberOfHistogramBins 24)").fingerprint(),
    ]
    assert len({*same, *different}) == 1 + len(different)


@pytest.mark.parametrize(
    "fields",
    [
        {"window_low": 100.0, "window_high": 0.0},
        {"working_shape": (4, 96, 96)},
        {"parameter_files": ()},
        {"preset": "best"},
        {"side_ratio_gate": 0.5},
    ],
)
def test_wrong_config_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ElastixConfig(**fields)


def test_reason_is_what_elastix_describes() -> None:
    log = (
        'itk::ExceptionObject (0x55)\nLocation: "here"\nFile: x.cxx\nLine: 1\n'
        "Description: ITK ERROR: Metric(0x1): Too many samples map outside\nmoving image buffer\n"
        "\n\nErrors occurred!\n"
    )
    assert _reason(log) == (
        "ITK ERROR: Metric(0x1): Too many samples map outside moving image buffer"
    )
    assert _reason("") == "no reason given"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["049", "067", "085", "125"])
def test_real_scans(data_dir: Path, name: str) -> None:
    """An aerated trauma, two children, and a strongly turned head with neck."""
    from crossdl.io.volumes import read_volume

    volume = read_volume(data_dir / "ct_ich" / "ct_scans" / f"{name}.nii.gz")
    found = Elastix(ElastixConfig(preset="fast"), ANATOMY).segment(volume)
    assert found.quality.values["head_dice"] > 0.85
    assert all(ml > 1.0 for ml in found.quality.values["region_volumes_ml"].values())
    inside = volume.array[found.labels > 0]
    assert np.mean((inside > -20) & (inside < 110)) > 0.8, "most voxels should be brain"
