from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.errors import InputError
from crossdl.text.sampling import count_texts, draw, uncertainty
from crossdl.types import SentenceLabels

WORDS = [f"sentence {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(200)]
COUNTS = {word: 1 + i % 5 for i, word in enumerate(WORDS)}


def test_counting_joins_blanks_and_leaves_out_what_is_excluded() -> None:
    counts = count_texts(["a  b", "a b", " ", "c", "c ", "d"], exclude=["d", "c\n", "never seen"])
    assert counts == {"a b": 2}


@given(st.permutations(WORDS[:30]), st.integers(0, 5), st.sampled_from(["unique", "frequency"]))
def test_a_draw_depends_on_seed_and_texts_alone(order: list[str], seed: int, weight: str) -> None:
    counts = {word: COUNTS[word] for word in order}
    options = {"seed": seed, "weight": weight}
    found = draw(counts, 10, **options)  # type: ignore[arg-type]
    assert found == draw({w: COUNTS[w] for w in WORDS[:30]}, 10, **options)  # type: ignore[arg-type]
    assert len({x.text for x in found}) == len({x.id for x in found}) == 10
    assert all(x.count == COUNTS[x.text] and x.drawn == "random" for x in found)
    assert found != draw(counts, 10, seed=seed + 1, weight=weight)  # type: ignore[arg-type]


def test_more_than_there_are_gives_all() -> None:
    assert sorted(x.text for x in draw(COUNTS, 999, seed=0)) == sorted(WORDS)
    scores = dict.fromkeys(WORDS, 1.0)
    assert sorted(x.text for x in draw(COUNTS, 999, seed=0, scores=scores)) == sorted(WORDS)
    assert draw({}, 3, seed=0) == [] == draw({}, 3, seed=0, scores={})


def test_weights() -> None:
    """First draws follow the counts, or do not look at them."""
    counts = {"often": 9, "rare": 1}
    first = {
        weight: Counter(draw(counts, 1, seed=s, weight=weight)[0].text for s in range(600))  # type: ignore[arg-type]
        for weight in ("unique", "frequency")
    }
    assert 0.42 < first["unique"]["often"] / 600 < 0.58
    assert 0.86 < first["frequency"]["often"] / 600 < 0.94


def test_uncertain_ones_come_with_a_random_share() -> None:
    scores = {word: float(i) for i, word in enumerate(WORDS)}
    found = draw(COUNTS, 20, seed=1, scores=scores, random_share=0.25)
    by = {kind: [x for x in found if x.drawn == kind] for kind in ("random", "uncertainty")}
    assert (len(by["random"]), len(by["uncertainty"])) == (5, 15)
    chance = {x.text for x in by["random"]}
    best = [word for word in reversed(WORDS) if word not in chance][:15]
    assert {x.text for x in by["uncertainty"]} == set(best)
    assert all(x.uncertainty == scores[x.text] for x in found)
    assert chance == {x.text for x in draw(COUNTS, 5, seed=1)}
    weighted = draw(
        {"a": 10, "b": 1}, 1, seed=0, weight="frequency", scores={"a": 1, "b": 5}, random_share=0
    )
    assert weighted[0].text == "a"


def test_of_one_template_one_is_taken_first() -> None:
    scores = {"about 3 mm": 9.0, "about 12.5 mm": 8.0, "about 4 mm": 7.0, "else": 1.0}
    counts = dict.fromkeys(scores, 1)

    def texts(n: int) -> set[str]:
        return {x.text for x in draw(counts, n, seed=0, scores=scores, random_share=0)}

    assert texts(2) == {"about 3 mm", "else"}
    assert texts(3) == {"about 3 mm", "else", "about 12.5 mm"}


def test_uncertainty_is_the_sum_of_the_entropies() -> None:
    regions = np.array([[0, 1], [0.5, 0.5], [0.25, 0]], dtype=np.float32)
    types = np.array([[1], [0.5], [0]], dtype=np.float32)
    quarter = -(0.25 * math.log2(0.25) + 0.75 * math.log2(0.75))
    found = uncertainty(SentenceLabels(("a", "b", "c"), regions, types))
    np.testing.assert_allclose(found, [0, 3, quarter])


def test_a_discretizer_that_is_never_in_doubt_is_refused() -> None:
    with pytest.raises(InputError, match="draw at random"):
        draw({"a": 1}, 1, seed=0, scores={"a": 0.0})
