from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.errors import ConfigError
from crossdl.registry import load_registry
from crossdl.testing.analyzer import example_samples
from crossdl.testing.heads import synthetic_head

ANATOMY = load_anatomy("head_ct")
DYNUNET = {
    "network": "DynUNet",
    "arguments": {
        "kernel_size": [3, 3, 3],
        "strides": [1, 2, 2],
        "upsample_kernel_size": [2, 2],
        "filters": [4, 4, 8],
    },
}
SWIN = {
    "network": "SwinUNETR",
    "arguments": {
        "feature_size": 12,
        "depths": [1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2],
        "window_size": 2,
    },
    "volume_shape": [32, 32, 64],
}


def analyzer(**fields: Any) -> Any:
    table = {"volume_shape": [16, 32, 32], "features": 6, "epochs": 1, "precision": "32", **fields}
    catalog = default_catalog()
    return catalog.create(
        "analyzer", catalog.parse("analyzer", {"kind": "monai", **table}), ANATOMY
    )


@pytest.mark.parametrize("fields", [DYNUNET, SWIN])
def test_it_trains_saves_and_loads(fields: dict[str, Any], tmp_path: Path) -> None:
    """DynUNet holds its blocks under two names each."""
    made = analyzer(**fields)
    samples = example_samples(ANATOMY, made.input_shape, 3, seed=0)
    made.fit(samples[:2], samples[2:], seed=0, folder=tmp_path / "training")
    made.save(tmp_path)
    again = analyzer(**fields)
    again.load(tmp_path)
    a, b = (x.predict(synthetic_head()) for x in (made, again))
    np.testing.assert_array_equal(a.region_scores, b.region_scores)
    assert a.grid.shape == tuple(n // 2 for n in made.input_shape)


def test_mistakes_are_found_with_the_registry_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(
        '[compositions.a]\nextends = "crossdl"\n'
        '[compositions.a.analyzer]\nkind = "monai"\nnetwork = "DynUnet"\n'
        '[compositions.b]\nextends = "crossdl"\n'
        '[compositions.b.analyzer]\nkind = "monai"\nnetwork = "SegResNet"\n'
        "arguments = { init_filter = 8 }\n"
        '[compositions.c]\nextends = "crossdl"\n'
        '[compositions.c.analyzer]\nkind = "monai"\nnetwork = "DynUNet"\n',
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_registry(path)
    text = str(caught.value)
    assert "did you mean 'DynUNet'" in text
    assert "SegResNet takes no argument 'init_filter'; did you mean 'init_filters'" in text
    assert "DynUNet needs kernel_size, strides, upsample_kernel_size" in text


def test_a_shape_that_does_not_fit_is_refused_before_training(tmp_path: Path) -> None:
    made = analyzer(**{**DYNUNET, "volume_shape": [6, 32, 32]})
    samples = example_samples(ANATOMY, (6, 32, 32), 3, seed=0)
    with pytest.raises(ConfigError, match="every side must be a multiple of 4"):
        made.fit(samples[:2], samples[2:], seed=0, folder=tmp_path)
