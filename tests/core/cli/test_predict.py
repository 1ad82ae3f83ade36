"""``crossdl predict`` on a real, tilted, unevenly spaced series, with the shipped model."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK

from crossdl.anatomy import load_anatomy
from crossdl.cli import main
from crossdl.io.volumes import read_volume
from crossdl.models import load_model, shipped_model


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["crossdl", "predict", *arguments])
    main()


@pytest.fixture(scope="module")
def results(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    series = data_dir / "head_dicom" / "ge_tilted"
    out = tmp_path_factory.mktemp("predict") / "out"
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as end:
        run(patch, str(series), "--out", str(out))
    assert not end.value.code
    return series, out


def test_scores_are_complete_and_agree(results: tuple[Path, Path]) -> None:
    anatomy = load_anatomy("head_ct")
    found = json.loads((results[1] / "prediction.json").read_text("utf-8"))
    assert list(found["regions"]) == list(anatomy.region_names)
    for row, possible in zip(found["regions"].values(), anatomy.possible, strict=True):
        assert list(row) == list(anatomy.type_names)
        for name, p, can_be in zip(row, row.values(), possible, strict=True):
            assert 0 <= p <= found["scan_scores"][name] + 1e-6
            assert can_be or p == 0
    assert found["abnormality_score"] == max(found["scan_scores"].values())
    assert isinstance(found["quality"]["ok"], bool)
    assert "SECRET" not in json.dumps(found)


def test_maps_overlay_the_ct_in_the_patients_geometry(results: tuple[Path, Path]) -> None:
    series, out = results
    volume = read_volume(series)
    ct = SimpleITK.ReadImage(str(out / "ct.nii.gz"))
    names = ["regions", *(f"abnormality_{t}" for t in load_anatomy("head_ct").type_names)]
    for name in names:
        image = SimpleITK.ReadImage(str(out / f"{name}.nii.gz"))
        assert image.GetSize() == ct.GetSize() == volume.array.shape[::-1]
        np.testing.assert_allclose(image.GetDirection(), ct.GetDirection(), atol=1e-6)
        for index in [(0, 0, 0), tuple(n - 1 for n in ct.GetSize())]:
            place = image.TransformIndexToPhysicalPoint(index)
            np.testing.assert_allclose(place, ct.TransformIndexToPhysicalPoint(index), atol=1e-3)
            np.testing.assert_allclose(place, volume.grid.index_to_world(index[::-1]), atol=1e-2)
    np.testing.assert_allclose(SimpleITK.GetArrayFromImage(ct), volume.array, atol=0.5)


def test_regions_lie_where_they_should(results: tuple[Path, Path]) -> None:
    """Left is the patient's left (+x), frontal is in front (-y), the cerebellum is low (-z)."""
    anatomy = load_anatomy("head_ct")
    image = SimpleITK.ReadImage(str(results[1] / "regions.nii.gz"))
    labels = SimpleITK.GetArrayFromImage(image)
    centre = {}
    for index, name in enumerate(anatomy.region_names, start=1):
        voxels = np.argwhere(labels == index)[:, ::-1]
        if len(voxels):
            mean = [float(x) for x in voxels.mean(0)]
            centre[name] = np.array(image.TransformContinuousIndexToPhysicalPoint(mean))
    lobes = [r for r in anatomy.regions if r.part in ("frontal_lobe", "temporal_lobe",
             "parietal_lobe", "occipital_lobe", "cerebellum")]  # fmt: skip
    assert {r.name for r in lobes} <= centre.keys()
    for region in lobes:
        if region.side == "left":
            assert centre[region.name][0] > centre[region.mirror][0] + 20
    assert centre["left_frontal_lobe"][1] < centre["left_occipital_lobe"][1] - 60
    assert centre["left_cerebellum"][2] < centre["left_parietal_lobe"][2] - 40


def test_the_picture_is_there(results: tuple[Path, Path]) -> None:
    assert (results[1] / "overlay.png").read_bytes().startswith(b"\x89PNG")
    assert not [p for p in results[1].iterdir() if "tmp" in p.name]


def test_the_shipped_model_is_small_and_loads_without_data() -> None:
    assert (shipped_model() / "model.safetensors").stat().st_size < 10e6
    assert (shipped_model() / "README.md").is_file()
    assert load_model().input_shape
