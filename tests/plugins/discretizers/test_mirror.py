"""Mirroring a sentence mirrors its labels and links; long texts take linear time."""

from __future__ import annotations

import json
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.clauses import link_by_clause
from crossdl.plugins.cohorts._phantom_report import ReportStyle, write_report
from crossdl.plugins.discretizers.lexicon import LexiconConfig, LexiconDiscretizer
from crossdl.reports import label_sentences, mirror_text, split_findings

from ..cohorts.phantom_stories import random_story  # noqa: TID252

ANATOMY = load_anatomy("head_ct")
RULES = LexiconDiscretizer(LexiconConfig(), ANATOMY)
LANGUAGES = ("zh", "en")
ROUGH = ReportStyle(error_rate=0.1, silent_rate=0.1, vague_rate=0.1, typo_rate=0.3)


def generated(language: str, seed: int) -> list[str]:
    """Sentences of a simulated report, of its findings and its impression."""
    story, truth = random_story(np.random.default_rng(seed), ANATOMY)
    rng = np.random.default_rng([seed, 1])
    written = write_report(story, truth, ANATOMY, language, rng, ROUGH)
    return [*(s.text for s in written.sentences), *split_findings(written.impression, ANATOMY)]


@cache
def many(language: str) -> tuple[str, ...]:
    """Different sentences of 500 simulated reports, always the same ones."""
    return tuple(dict.fromkeys(s for i in range(500) for s in generated(language, i)))


def check(sentences: list[str]) -> None:
    """Labels and links of the mirrored sentences are the mirrored ones."""
    mirrored = [mirror_text(s, ANATOMY) for s in sentences]
    assert [mirror_text(s, ANATOMY) for s in mirrored] == sentences
    one, two = label_sentences(RULES, sentences), label_sentences(RULES, mirrored)
    index = ANATOMY.mirror_index
    np.testing.assert_array_equal(two.regions, one.regions[:, index])
    np.testing.assert_array_equal(two.types, one.types)
    np.testing.assert_array_equal(RULES.link(two), RULES.link(one)[:, index])
    clauses = link_by_clause(RULES, one)[:, index]
    np.testing.assert_array_equal(link_by_clause(RULES, two), clauses)


@pytest.mark.parametrize("language", LANGUAGES)
def test_simulated_sentences(language: str) -> None:
    assert len(many(language)) > 1000
    check(list(many(language)))


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.sampled_from(LANGUAGES))
def test_any_simulated_report(seed: int, language: str) -> None:
    check(generated(language, seed))


@settings(max_examples=60)
@given(st.lists(st.integers(0, 999), min_size=2, max_size=30), st.sampled_from(LANGUAGES))
def test_sentences_run_together(chosen: list[int], language: str) -> None:
    """Also where a clause is too long to be read at once."""
    for joint in ("，", ", ", "; ", " "):
        check([joint.join(many(language)[i].strip("。. ") for i in chosen)])


def test_real_sentences(data_dir: Path) -> None:
    path = data_dir / "sentences" / "head_ct_sentences.jsonl"
    if not path.is_file():
        pytest.skip("no real sentences here")
    check([json.loads(line)["sentence"] for line in path.read_text("utf-8").splitlines()])


@pytest.mark.parametrize(
    "piece",
    [
        "左侧额叶出血，", "左侧额叶出血。", "低密度", "脑室出血", "未见", "（",
        "left frontal hemorrhage, ", "no hemorrhage. ", "hemorrhage ", "left ", "a", "(",
        "compress-", "F-T-P ", "intraventricular hemorrhage extension into the ",
    ],
)  # fmt: skip
def test_time_grows_with_length_alone(piece: str) -> None:
    """A megabyte takes seconds, so twice a quarter does, on a busy machine too."""
    text = piece * (250_000 // len(piece.encode()))
    begun = time.perf_counter()
    labels = RULES.label([f"{text}. 左额叶出血", f"{text}. Hemorrhage of the left frontal lobe"])
    assert labels.types.any()
    assert time.perf_counter() - begun < 20
