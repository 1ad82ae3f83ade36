"""Analyzers as ONNX files: the same maps and scores as torch, and nothing else needed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.cli import app
from crossdl.errors import InputError
from crossdl.models import load_model
from crossdl.networks.onnx_export import INPUT, OUTPUTS, StepwiseNorm, export_analyzer
from crossdl.networks.onnx_files import onnx_session
from crossdl.preprocessing import preprocess
from crossdl.testing.analyzer import example_samples
from crossdl.testing.heads import synthetic_head
from crossdl.training.analyzer import Trained
from crossdl.training.data import Statistics

ANATOMY = load_anatomy("head_ct")
SMALL: dict[str, Any] = {
    "kind": "unet", "volume_shape": [16, 24, 16], "levels": 3, "base_filters": 2,
}  # fmt: skip


def analyzer(**changes: object) -> Any:
    """A tiny analyzer with random weights, as if it were trained."""
    catalog = default_catalog()
    config = catalog.parse("analyzer", {**SMALL, **changes})
    made = catalog.create("analyzer", config, ANATOMY)
    torch.manual_seed(0)
    frequencies = np.full(ANATOMY.possible.shape, 0.1, np.float32)
    made._trained = Trained(made.build().eval(), Statistics(90.0, 30.0, frequencies), {})
    return made


@pytest.mark.parametrize(
    "changes",
    [
        {"abnormality_activation": "softmax", "scales": 1},
        {"trained_regions": ["left_frontal_lobe", "brain_stem"]},
    ],
)
def test_a_small_model_equals_torch(tmp_path: Path, changes: dict[str, object]) -> None:
    made = analyzer(**changes)
    assert export_analyzer(made, tmp_path / "model.onnx") < 1e-4
    image = example_samples(ANATOMY, made.input_shape, 1, seed=3)[0].image
    given = image[None, None].astype(np.float32)
    maps, heat, scores, scan = onnx_session(tmp_path / "model.onnx").run(None, {INPUT: given})
    statistics = made.trained.statistics
    with torch.no_grad():
        normalised = (torch.from_numpy(given) - statistics.mean) / statistics.std
        expected = made.trained.model.infer(normalised, None)
    taught = changes.get("trained_regions") or ANATOMY.region_names
    known = np.array([name in taught for name in ANATOMY.region_names])  # type: ignore[operator]
    for mine, theirs in zip((maps, heat, scores, scan), expected, strict=True):
        shape = np.ones(mine.shape, bool)
        if len(mine[0]) == len(known):
            shape[:, ~known] = False
        np.testing.assert_allclose(mine[shape], theirs.numpy()[shape], atol=1e-4)
    assert np.isnan(scores[:, ~known]).all() and (maps[:, ~known] == 0).all()
    assert scan.std() > 0 and heat.std() > 0


def test_the_demonstrator_by_command_predicts_as_before(tmp_path: Path) -> None:
    out = tmp_path / "model.onnx"
    done = CliRunner().invoke(app, ["export", "--out", str(out)])
    assert done.exit_code == 0 and "differs from torch by at most" in done.stdout
    session, model, volume = onnx_session(out), load_model(), synthetic_head()
    described = json.loads(session.get_modelmeta().custom_metadata_map["crossdl"])
    assert tuple(described["regions"]) == ANATOMY.region_names
    assert tuple(described["types"]) == ANATOMY.type_names
    assert described["window_hu"] == [-10, 80]
    image = preprocess(volume, ANATOMY, tuple(described["input_shape"])).image
    found = session.run(OUTPUTS, {INPUT: image[None, None].astype(np.float32)})
    said = model.predict(volume)  # perhaps in bfloat16
    for name, mine in zip(OUTPUTS, found, strict=True):
        assert np.abs(mine[0] - getattr(said, name)).mean() < 0.01
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


def test_a_norm_in_steps_is_the_norm() -> None:
    torch.manual_seed(0)
    norm = nn.InstanceNorm3d(3, affine=True)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    features = torch.randn(2, 3, 4, 5, 6) * 3 + 100
    torch.testing.assert_close(StepwiseNorm(norm)(features), norm(features), atol=1e-4, rtol=0)
    plain = nn.InstanceNorm3d(3)
    torch.testing.assert_close(StepwiseNorm(plain)(features), plain(features), atol=1e-4, rtol=0)


def test_what_cannot_be_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    fixed = analyzer(inference_regions="static")
    with pytest.raises(InputError, match="regions of the atlas cannot be exported"):
        export_analyzer(fixed, path)
    classes = analyzer(kind="classifier")
    with pytest.raises(InputError, match="'classifier' has no maps to export"):
        export_analyzer(classes, path)
    made = load_model()
    monkeypatch.setattr("crossdl.networks.onnx_export._difference", lambda *_: 0.5)
    with pytest.raises(InputError, match=r"not kept.* by 0\.5"):
        export_analyzer(made, path)
    assert not path.exists()
    done = CliRunner().invoke(app, ["export", "--out", str(tmp_path / "model")])
    assert done.exit_code == 1 and "must end in .onnx" in str(done.exception)
    monkeypatch.setitem(__import__("sys").modules, "onnxscript", None)
    done = CliRunner().invoke(app, ["export", "--out", str(path)])
    assert "onnxscript is not installed" in str(done.exception)
