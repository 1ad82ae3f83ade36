"""Sentences simple enough to be learnt in seconds, and ways to train on them.

``python toys.py FOLDER`` trains as the test of interrupted training does.
"""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.anatomy import load_anatomy
from crossdl.plugins.discretizers.bert import BertConfig, BertDiscretizer
from crossdl.types import SentenceLabels

ANATOMY = load_anatomy("head_ct")

SIDES = {"left": ["left"], "right": ["right"], "both": ["left", "right"]}
PARTS = {"frontal": "frontal_lobe", "temporal": "temporal_lobe", "cerebellar": "cerebellum"}
FINDINGS = {
    "hemorrhage": "intra_hyper",
    "edema": "intra_hypo",
    "hygroma": "extra_hypo",
    "calcification": None,
}
ENDS = ["is seen", "noted", "with some shift", "of 4 mm"]


def sentences(seed: int, n: int) -> SentenceLabels:
    """n different sentences with their labels."""
    every = list(product(SIDES, PARTS, FINDINGS, ENDS))
    chosen = np.random.default_rng(seed).permutation(len(every))[:n]
    regions = np.zeros((len(chosen), len(ANATOMY.label_names)), dtype=np.float32)
    types = np.zeros((len(chosen), ANATOMY.n_types), dtype=np.float32)
    texts = []
    for i, k in enumerate(chosen):
        side, part, finding, end = every[int(k)]
        texts.append(f"{side} {part} {finding} {end}")
        name = FINDINGS[finding]
        if name is not None:
            types[i, ANATOMY.type_names.index(name)] = 1
            for one in SIDES[side]:
                regions[i, ANATOMY.label_names.index(f"{one}_{PARTS[part]}")] = 1
    return SentenceLabels(tuple(texts), regions, types)


def tiny(**changes: Any) -> BertDiscretizer:
    """A discretizer that trains in a second or two."""
    fields: dict[str, Any] = {
        "model": "new",
        "encoder": "scratch",
        "precision": "32",
        "scratch": {"layers": 1, "width": 32, "heads": 2, "epochs": 1, "vocabulary_size": 200},
        "training": {"epochs": 2, "learning_rate": 3e-3, "swap_probability": 0.0},
    }
    for name, value in changes.items():
        nested = isinstance(value, dict) and isinstance(fields.get(name), dict)
        fields[name] = {**fields[name], **value} if nested else value
    return BertDiscretizer(BertConfig.model_validate(fields), ANATOMY)


def train_long(folder: Path) -> None:
    """Trains in two stages of several epochs and saves the model."""
    made = tiny(scratch={"epochs": 3}, training={"epochs": 6, "averaging": 0.9, "patience": 6})
    made.fit(sentences(0, 100), sentences(1, 30), unlabelled=["no words"], seed=0, folder=folder)
    (folder / "model").mkdir()
    made.save(folder / "model")


if __name__ == "__main__":
    train_long(Path(sys.argv[1]))
