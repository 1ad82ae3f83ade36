"""A problem small enough to be learned in seconds, and ways to train on it.

``python toys.py FOLDER RECIPE`` trains as the test of interrupted training does.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.catalog import default_catalog
from crossdl.plugins.analyzers.unet import UNet, UNetConfig
from crossdl.training.samples import Sample, TrainingSet
from crossdl.types import Float64Array, Grid, Volume

SHAPE = (8, 32, 32)


def quadrants() -> Anatomy:
    """Four regions around the centre; a left-right pair in front and one behind."""
    regions = [
        {
            "name": f"{side}_{part}",
            "title": f"{side} {part}",
            "part": part,
            "part_title": part,
            "side": side,
            "mirror": f"{other}_{part}",
        }
        for part in ("front", "back")
        for side, other in (("left", "right"), ("right", "left"))
    ]
    raw = load_anatomy("head_ct").model_dump()
    types = [{"name": "bright", "title": "Bright"}, {"name": "dark", "title": "Dark"}]
    changed = {
        "name": "quadrants",
        "regions": regions,
        "types": types,
        "impossible": (),
        "lexicon": {},
    }
    return Anatomy.model_validate({**raw, **changed, "volume_shape": SHAPE})


ANATOMY = quadrants()


def region_labels() -> np.ndarray:
    """Left is +W and posterior +H."""
    _, h, w = np.indices(SHAPE)
    left, back = w >= SHAPE[2] // 2, h >= SHAPE[1] // 2
    return np.asarray(1 + ~left + 2 * back, dtype=np.uint8)


def blobs(count: int, seed: int) -> TrainingSet:
    """Noise with a bright or a dark ball in one quadrant of two scans in three."""
    rng = np.random.default_rng(seed)
    labels = region_labels()
    positions = np.moveaxis(np.indices(SHAPE), 0, -1)
    samples = []
    for number in range(count):
        matrix = np.zeros((ANATOMY.n_regions + 2, ANATOMY.n_types), dtype=np.float32)
        image = rng.normal(120, 12, SHAPE)
        if number % 3:
            centre = rng.integers([3, 5, 5], [5, 11, 11])
            centre[1:] += 16 * rng.integers(0, 2, 2)
            kind = int(rng.integers(2))
            ball = ((positions - centre) ** 2).sum(axis=-1) < 3.3**2
            image[ball] += 90 if kind == 0 else -90
            matrix[labels[tuple(centre)] - 1, kind] = 1
        pixels = np.clip(image, 0, 255).astype(np.uint8)
        samples.append(Sample(f"toy{seed}-{number}", pixels, labels, matrix))
    return tuple(samples)


def volume(sample: Sample) -> Volume:
    """The scan that preprocessing turns into the sample: all of it is head."""
    window = ANATOMY.window
    array = window.low + sample.image.astype(np.float32) * (window.width / 255)
    affine: Float64Array = np.diag([5.0, 5.0, 15.0, 1.0])
    return Volume(np.asarray(array, dtype=np.float32), Grid(SHAPE, affine), sample.scan_id)


def unet(**fields: object) -> UNet:
    """A tiny U-Net; fields change its config."""
    table: dict[str, object] = {
        "levels": 3,
        "base_filters": 4,
        "epochs": 4,
        "extent_mm": (60.0, 350.0),
    }
    table |= {"execution": {"workers": 0}, **fields}
    config = default_catalog().parse("analyzer", {"kind": "unet", **table})
    assert isinstance(config, UNetConfig)
    return UNet(config, ANATOMY)


RECIPES: dict[str, dict[str, object]] = {
    "paper": {"batch_size": 2},
    "long": {
        "accumulate": 2,
        "schedule": "cosine",
        "warmup": 0.1,
        "clip": 1.0,
        "averaging": 0.95,
        "weight_decay": 0.01,
        "execution": {"workers": 2, "logger": {"name": "csv"}},
    },
    "plateau": {"batch_size": 2, "schedule": "plateau", "plateau_patience": 0},
}


def train_long(folder: Path, recipe: str) -> UNet:
    """Training that is long enough to be interrupted; its model is in ``folder/model``."""
    analyzer = unet(epochs=6, patience=6, **RECIPES[recipe])
    analyzer.fit(blobs(24, 0), blobs(4, 1), seed=5, folder=folder)
    (folder / "model").mkdir()
    analyzer.save(folder / "model")
    return analyzer


if __name__ == "__main__":
    torch.set_num_threads(1)
    train_long(Path(sys.argv[1]), sys.argv[2])
