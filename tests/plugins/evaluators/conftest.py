"""A small anatomy and random cases for the evaluators' tests."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import EvaluationSet


@pytest.fixture(scope="session")
def anatomy() -> Anatomy:
    """Two knees and a hip: three regions, two types, one impossible cell."""

    def region(name: str, mirror: str, part: str, side: str | None) -> dict[str, str | None]:
        title = name.replace("_", " ").capitalize()
        return {
            "name": name, "title": title, "mirror": mirror, "part": part,
            "part_title": part.capitalize(), "side": side,
        }  # fmt: skip

    return Anatomy.model_validate(
        {
            "name": "legs",
            "title": "Legs",
            "modality": "CT",
            "regions": [
                region("knee_a", "knee_b", "knee", "a"),
                region("knee_b", "knee_a", "knee", "b"),
                region("hip", "hip", "hip", None),
            ],
            "types": [
                {"name": "bright", "title": "Bright spot"},
                {"name": "dark", "title": "Dark spot"},
            ],
            "other": {"name": "elsewhere", "title": "Elsewhere"},
            "unclear": {"name": "vague", "title": "Vague"},
            "impossible": [["hip", "dark"]],
            "window": {"level": 0, "width": 100},
            "volume_shape": [8, 16, 16],
            "tissue_threshold": -200.0,
            "atlas": {"kind": "none"},
            "lexicon": {},
        }
    )


@pytest.fixture
def make_cases(anatomy: Anatomy) -> Callable[..., EvaluationSet]:
    """``make_cases(seed, n=80)``: random truth, and scores that know something of it."""

    def make(seed: int, n: int = 80) -> EvaluationSet:
        rng = np.random.default_rng(seed)
        truth = rng.random((n, anatomy.n_regions + 2, anatomy.n_types)) < 0.25
        truth[:, :-2] &= anatomy.possible
        truth[:, -1] = False  # gold truth resolves what is unclear
        noise = rng.normal(size=(n, anatomy.n_regions, anatomy.n_types))
        scores = 1 / (1 + np.exp(-(2 * truth[:, :-2] - 1 + noise)))
        return EvaluationSet(
            scan_ids=tuple(f"s{i}" for i in range(n)),
            patient_ids=tuple(f"p{i}" for i in rng.integers(0, n // 2, size=n)),
            truth=truth.astype(np.float32),
            region_scores=np.round(scores, 2).astype(np.float32),
            scan_scores=np.round(scores.max(axis=1), 2).astype(np.float32),
            quality_ok=np.ones(n, dtype=np.bool_),
        )

    return make
