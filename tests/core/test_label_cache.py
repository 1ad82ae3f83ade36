from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.interfaces import DiscretizerConfig, ReportDiscretizer
from crossdl.label_cache import LabelCache
from crossdl.plugins.discretizers.lexicon import LexiconConfig, LexiconDiscretizer
from crossdl.reports import label_sentences
from crossdl.types import SentenceLabels

ANATOMY = load_anatomy("head_ct")
RULES = LexiconDiscretizer(LexiconConfig(), ANATOMY)
BY_LINKING = {
    linking: LexiconDiscretizer(LexiconConfig.model_validate({"linking": linking}), ANATOMY)
    for linking in ("sentence", "clause")
}
SENTENCES = [
    "左侧额叶出血",
    "右枕叶低密度，左额叶出血",
    "no bleed",
    "",
    "\ud800",
    "Edema of the pons",
]


class CountingConfig(DiscretizerConfig):
    kind: Literal["counting"] = "counting"


class Counting(ReportDiscretizer[CountingConfig]):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(CountingConfig(), ANATOMY)
        self.seen: list[str] = []

    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        self.seen += sentences
        return RULES.label(sentences)


@given(
    calls=st.lists(st.lists(st.sampled_from(SENTENCES), max_size=8), max_size=6),
    size=st.integers(0, 5),
    linking=st.sampled_from(sorted(BY_LINKING)),
)
def test_cached_equals_uncached(calls: list[list[str]], size: int, linking: str) -> None:
    discretizer = BY_LINKING[linking]
    cache = LabelCache(discretizer, size=size)
    for sentences in calls:
        found, plain = cache.label(sentences), label_sentences(discretizer, sentences)
        assert found.sentences == plain.sentences
        np.testing.assert_array_equal(found.regions, plain.regions)
        np.testing.assert_array_equal(found.types, plain.types)
        np.testing.assert_array_equal(found.cells, plain.cells)
        assert (found.links is None) == (plain.links is None)
        assert found.regions.dtype == found.types.dtype == np.float32


def test_each_sentence_is_labelled_once_while_it_is_remembered() -> None:
    spy = Counting()
    cache = LabelCache(spy, size=2)
    cache.label(["a", "b", "a"])
    cache.label(["b", "a"])
    assert spy.seen == ["a", "b"]
    cache.label(["c"])  # forgets b, which was used before a
    cache.label(["a"])
    assert spy.seen == ["a", "b", "c"]
    cache.label(["b"])
    assert spy.seen == ["a", "b", "c", "b"]


def test_reports_get_their_own_sentences() -> None:
    cache = LabelCache(RULES)
    first, none, empty, last = cache.label_each([["a", "b"], None, [], ["b"]])
    assert none is None
    assert first is not None and first.sentences == ("a", "b")
    assert empty is not None and empty.regions.shape == (0, len(ANATOMY.label_names))
    assert last is not None and last.sentences == ("b",)
