from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from crossdl.anatomy import load_anatomy
from crossdl.lexicon import Lexicon, any_of

MINIMAL: dict[str, Any] = {
    "detect": "[a-z]",
    "word_edges": True,
    "sides": {"left": ["left", "L"], "right": ["right", "R"]},
    "joins": " and ",
    "clause_breaks": [";"],
    "item_breaks": [","],
    "sentence_breaks": [";"],
}


def test_minimal_lexicon_is_valid() -> None:
    assert Lexicon.model_validate(MINIMAL).sides["left"] == ("left", "L")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detect": "("}, "not a regular expression"),
        ({"detect": ""}, "must not be empty"),
        ({"outside": ["ok", "[a-"]}, "not a regular expression"),
        ({"negation": {"before": ["*"]}}, "not a regular expression"),
        ({"sides": {"left": ["left"], "right": ["right", "R"]}}, "as many words"),
        ({"sides": {"left": ["left"], "right": ["left"]}}, "unique"),
        ({"side": {}}, "Extra inputs"),
        ({"findings": [{"patterns": ["x"], "typ": []}]}, "Extra inputs"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Lexicon.model_validate(MINIMAL | change)


def test_side_words_respect_edges_and_capitals() -> None:
    left = Lexicon.model_validate(MINIMAL).side_patterns["left"]
    found = [m[0] for p in left for m in p.finditer("LEFT leftover l L left-sided cleft")]
    assert found == ["LEFT", "left", "L"]


def test_unknown_names_are_all_reported() -> None:
    lexicon = Lexicon.model_validate(
        MINIMAL
        | {
            "parts": [{"part": "lung", "patterns": ["lung"], "admits": ["dense"]}],
            "places": [{"label": "elsewhere", "patterns": ["x"]}],
            "findings": [{"patterns": ["y"], "types": [["bright", "dark"]], "place": "nowhere"}],
            "compartments": [{"patterns": ["z"], "admits": ["outer"]}],
        }
    )
    problems = lexicon.unknown_names({"left"}, {"heart"}, {"other"}, {"bright"})
    named = ["right", "lung", "dense", "elsewhere", "dark", "nowhere", "outer"]
    assert len(problems) == len(named)
    assert all(repr(name) in problem for name, problem in zip(named, problems, strict=True))


def test_shipped_lexicons_name_only_what_the_anatomy_has() -> None:
    anatomy = load_anatomy("head_ct")
    sides = {r.side for r in anatomy.regions if r.side is not None}
    for lexicon in anatomy.lexicon.values():
        labels = [anatomy.other.name, anatomy.unclear.name]
        assert lexicon.unknown_names(sides, anatomy.parts, labels, anatomy.type_names) == []
        assert set(lexicon.sides) == sides
        assert {part.part for part in lexicon.parts} == set(anatomy.parts)


def test_any_of_nothing_finds_nothing() -> None:
    assert any_of([]).search("anything") is None
    assert any_of(["b", "c"]).search("ABC") is not None
