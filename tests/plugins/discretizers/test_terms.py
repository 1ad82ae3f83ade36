from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.lexicon import Lexicon
from crossdl.plugins.discretizers._terms import Span, Terms, find, needles

from .test_readings import table

LEXICONS = load_anatomy("head_ct").lexicon
TEXTS = [sentence for sentence, _, _ in table()]


@pytest.mark.parametrize(
    ("pattern", "needed"),
    [
        ("Frontal", {"frontal"}),
        (r"\bleft\b", {"left"}),
        ("额(?!骨)", {"额"}),
        ("h(?:a?emorrhage|aematoma)s?", {"emorrhage", "aematoma"}),
        ("[前后]角", {"角"}),
        ("[前后]", {"前", "后"}),
        ("(?:low)?dens", {"dens"}),
        (r"(?:low\s+)+dens", {"dens"}),
        ("a|b*", set()),
        (r"\d+", set()),
        ("(?=left)", {"left"}),
        ("(?-i:SAH)", {"sah"}),
    ],
)
def test_needles(pattern: str, needed: set[str]) -> None:
    assert needles(pattern) == needed


def _patterns(lexicon: Lexicon) -> list[str]:
    tables = (*lexicon.parts, *lexicon.places, *lexicon.findings, *lexicon.compartments)
    negation = lexicon.negation
    lists = [table.patterns for table in tables]
    lists += [negation.before, negation.after, negation.ends, lexicon.ignored, lexicon.both]
    return [pattern for patterns in lists for pattern in (*patterns, *lexicon.outside)]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_text_that_a_pattern_fits_is_passed_over(language: str) -> None:
    for pattern in dict.fromkeys(_patterns(LEXICONS[language])):
        needed, compiled = needles(pattern), re.compile(pattern, re.IGNORECASE)
        for text in TEXTS:
            if needed and not any(needle in text.casefold() for needle in needed):
                assert compiled.search(text) is None, (pattern, text)


def test_nearly_every_pattern_has_needles() -> None:
    patterns = [p for lexicon in LEXICONS.values() for p in _patterns(lexicon)]
    assert sum(not needles(p) for p in patterns) / len(patterns) < 0.02


@given(st.text("abcAB", max_size=12))
def test_the_first_match_wins_and_the_longest_of_those(text: str) -> None:
    terms = Terms()
    terms.add("x", ["a", "ab+", "bc"], "first")
    terms.add("x", [re.compile("ab")], "second")
    found = find(terms.active(text).get("x", ()), text)
    at = 0
    for span, _ in found:
        assert at <= span.start < span.end
        at = span.end
    if "abb" in text.lower():
        assert any(span.end - span.start >= 3 for span, _ in found)
    assert (found == []) == (re.search("a|bc", text, re.IGNORECASE) is None)


def test_earlier_terms_win_where_equal_text_is_found() -> None:
    terms = Terms()
    terms.add("x", ["left"], 1)
    terms.add("x", ["LEFT"], 2)
    assert find(terms.active("Left")["x"], "Left") == [(Span(0, 4), 1)]
    assert "x" not in terms.active("right")
