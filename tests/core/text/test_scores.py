from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score, roc_auc_score

from crossdl.labels import ReportLabels
from crossdl.text.scores import languages, score
from crossdl.types import SentenceLabels

LABELS = ReportLabels(name="x", title="X", region_labels=("a", "b", "c"), type_labels=("t", "u"))


def labels(values: np.ndarray) -> SentenceLabels:
    v = values.astype(np.float32)
    return SentenceLabels(tuple(f"s{i}" for i in range(len(v))), v[:, :3], v[:, 3:])


def test_against_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y = rng.random((80, 5)) < 0.4
    p = rng.random((80, 5)).astype(np.float32)
    found = score(labels(y), labels(p), LABELS)
    said = p > 0.5
    assert found.micro["all"] == f1_score(y.ravel(), said.ravel())
    assert found.micro["regions"] == f1_score(y[:, :3].ravel(), said[:, :3].ravel())
    assert np.isclose(found.macro["types"], f1_score(y[:, 3:], said[:, 3:], average="macro"))
    for j, name in enumerate("abctu"):
        assert found.labels[name].f1 == f1_score(y[:, j], said[:, j])
        assert np.isclose(found.labels[name].auroc, roc_auc_score(y[:, j], p[:, j]), atol=1e-12)
        assert found.labels[name].positives == y[:, j].sum()
    assert found.exact == (y == said).all(axis=1).sum()


def test_what_is_undefined_is_none() -> None:
    nothing = score(labels(np.zeros((3, 5))), labels(np.zeros((3, 5))), LABELS)
    assert nothing.micro["all"] is None and nothing.macro["types"] is None
    assert nothing.labels["a"].f1 is None and nothing.labels["a"].auroc is None
    assert nothing.exact == 3
    assert languages(labels(np.zeros((2, 5))), LABELS) == ["-", "-"]
