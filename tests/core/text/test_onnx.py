"""Networks as ONNX files give what torch gives, and 8 bit integers nearly so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from crossdl.errors import InputError
from crossdl.plugins.discretizers.bert import BertConfig, BertDiscretizer
from crossdl.text.onnx import INPUTS, OUTPUT
from crossdl.types import SentenceLabels


@pytest.fixture(scope="module")
def saved(toys: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained discretizer's folder."""
    folder = tmp_path_factory.mktemp("trained")
    made = toys.tiny(pooling="label_attention", training={"epochs": 12, "patience": 12})
    made.fit(toys.sentences(0, 110), toys.sentences(1, 30), seed=0, folder=folder / "training")
    made.save(folder)
    return folder


@pytest.fixture(scope="module")
def whole(toys: ModuleType, saved: Path) -> Path:
    """The discretizer's network as an ONNX file."""
    path = saved / "whole.onnx"
    BertDiscretizer(BertConfig(model=str(saved)), toys.ANATOMY).export(path, int8=False)
    return path


def labelled(toys: ModuleType, folder: Path, engine: str) -> SentenceLabels:
    config = BertConfig.model_validate({"model": str(folder), "engine": engine, "precision": "32"})
    long = "left frontal hemorrhage " * 60
    said = BertDiscretizer(config, toys.ANATOMY).label(
        [*toys.sentences(2, 40).sentences, "", "word", long]
    )
    assert isinstance(said, SentenceLabels)
    return said


def test_onnx_equals_torch_for_texts_of_any_length(toys: ModuleType, saved: Path) -> None:
    torch, onnx = (labelled(toys, saved, engine) for engine in ("torch", "onnx"))
    np.testing.assert_allclose(onnx.regions, torch.regions, atol=1e-5)
    np.testing.assert_allclose(onnx.types, torch.types, atol=1e-5)
    assert torch.regions.std() > 0.05


def test_8_bit_integers_stay_near(toys: ModuleType, saved: Path) -> None:
    torch, int8 = (labelled(toys, saved, engine) for engine in ("torch", "onnx_int8"))
    difference = np.abs(int8.regions - torch.regions).max()
    assert 0 < difference < 0.1


def test_an_exported_file_is_complete_and_8_bit_is_smaller(
    toys: ModuleType, saved: Path, whole: Path, tmp_path: Path
) -> None:
    import onnxruntime

    made = BertDiscretizer(BertConfig(model=str(saved)), toys.ANATOMY)
    made.export(tmp_path / "int8", int8=True)
    assert (tmp_path / "int8").stat().st_size < 0.7 * whole.stat().st_size
    session = onnxruntime.InferenceSession(whole, providers=["CPUExecutionProvider"])
    ids = np.ones((3, 9), dtype=np.int64)
    (found,) = session.run([OUTPUT], dict(zip(INPUTS, (ids, ids > 0), strict=True)))
    assert found.shape == (3, len(toys.ANATOMY.label_names) + toys.ANATOMY.n_types)


def test_onnx_runtime_leaves_nothing_in_the_home_folder(whole: Path, tmp_path: Path) -> None:
    code = (
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from crossdl.networks.onnx_files import onnx_session\n"
        "ids = np.ones((1, 9), dtype=np.int64)\n"
        f"onnx_session(Path({str(whole)!r})).run(None, {{'ids': ids, 'mask': ids > 0}})\n"
    )
    home = {**os.environ, "HOME": str(tmp_path)}
    home.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", code], env=home, check=True)
    assert not [path for path in tmp_path.rglob("*") if "onnx" in path.name.lower()]


def test_a_missing_package_is_named(
    toys: ModuleType, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    made = BertDiscretizer(BertConfig(model=str(saved)), toys.ANATOMY)
    with pytest.raises(InputError, match=r"onnxruntime is not installed.*crossdl\[onnx\]"):
        made.export(tmp_path / "model.onnx", int8=False)
    assert not (tmp_path / "model.onnx").exists()
