from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from crossdl.labels import ReportLabels
from crossdl.text.scores import Counts, f1, languages, score
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


def either(n: int, k: int) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Truth and statements with whole columns of one class among them."""
    rare = st.sampled_from([0.0, 0.1, 0.5, 1.0])
    columns = st.lists(st.tuples(rare, rare), min_size=k, max_size=k)

    def draw(rates: list[tuple[float, float]], seed: int) -> tuple[np.ndarray, np.ndarray]:
        u = np.random.default_rng(seed).random((2, n, k))
        return tuple(u < np.array(rates).T[:, None])  # type: ignore[return-value]

    return st.builds(draw, columns, st.integers(0, 2**20))


@given(st.integers(1, 12).flatmap(lambda n: either(n, 4)))
def test_counts_against_scikit_learn(pair: tuple[np.ndarray, np.ndarray]) -> None:
    y, said = pair
    found = Counts.of(y, said)
    options = {"average": None, "zero_division": np.nan}
    pooled = {"zero_division": np.nan}
    for name, measure in (
        ("f1", f1_score),
        ("precision", precision_score),
        ("recall", recall_score),
    ):
        np.testing.assert_array_equal(getattr(found, name), measure(y, said, **options))
        one = measure(y.ravel(), said.ravel(), **pooled)
        np.testing.assert_array_equal(getattr(found.pooled, name), one)
    assert f1(y, said) == f1(said, y)


@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            either(n, 3),
            arrays(np.int64, n, elements=st.integers(0, 2)),
            arrays(np.float64, (3, 4), elements=st.integers(0, 3)),
        )
    )
)
def test_weighted_counts_are_those_of_repeated_texts(
    drawn: tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray],
) -> None:
    (y, said), owner, weights = drawn
    found = Counts.by_group(y, said, owner, len(weights)).weighted(weights)
    for r in range(weights.shape[1]):
        times = weights[owner, r].astype(int)
        one = Counts.of(np.repeat(y, times, axis=0), np.repeat(said, times, axis=0))
        for name in ("both", "true", "stated", "f1", "precision", "recall"):
            np.testing.assert_array_equal(getattr(found, name)[:, r], getattr(one, name))
        np.testing.assert_array_equal(found.pooled.f1[r], one.pooled.f1)
