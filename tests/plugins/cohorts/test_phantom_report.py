from __future__ import annotations

import json
import re
import time
from functools import cache
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from crossdl.anatomy import load_anatomy
from crossdl.plugins.cohorts._phantom_findings import Finding, Kind, Story
from crossdl.plugins.cohorts._phantom_grammar import Dice
from crossdl.plugins.cohorts._phantom_language import language as grammar
from crossdl.plugins.cohorts._phantom_layout import tidy
from crossdl.plugins.cohorts._phantom_report import Report, ReportStyle, write_report
from crossdl.plugins.discretizers.lexicon import LexiconConfig, LexiconDiscretizer
from crossdl.reports import merge, mirror_text, split_findings
from crossdl.types import FloatArray, SentenceLabels

from .phantom_stories import mirrored, random_story

ANATOMY = load_anatomy("head_ct")
LANGUAGES = ("zh", "en")
FAULTLESS = ReportStyle(error_rate=0, silent_rate=0, vague_rate=0)
ROUGH = ReportStyle(error_rate=0.2, silent_rate=0.2, vague_rate=0.2, typo_rate=0.5)
seeds = st.integers(0, 2**32)
languages = st.sampled_from(LANGUAGES)


def report(
    story: Story, truth: FloatArray, language: str, seed: int, style: ReportStyle | None = None
) -> Report:
    rng = np.random.default_rng([seed, 1])
    return write_report(story, truth, ANATOMY, language, rng, style or ReportStyle())


def sample(language: str, seed: int, style: ReportStyle | None = None) -> Report:
    story, truth = random_story(np.random.default_rng(seed), ANATOMY)
    return report(story, truth, language, seed, style)


@cache
def usual(language: str, seed: int) -> Report:
    """A sample that several tests look at."""
    return sample(language, seed)


def merged(written: Report) -> FloatArray:
    labels = SentenceLabels(
        tuple(s.text for s in written.sentences),
        np.array([s.regions for s in written.sentences]).reshape(-1, ANATOMY.n_regions + 2),
        np.array([s.types for s in written.sentences]).reshape(-1, ANATOMY.n_types),
    )
    return merge(labels, ANATOMY).values


@settings(max_examples=120)
@given(seeds, languages)
def test_sentences_are_those_that_a_discretizer_sees(seed: int, language: str) -> None:
    written = sample(language, seed, ROUGH)
    assert split_findings(written.findings, ANATOMY) == [s.text for s in written.sentences]


@settings(max_examples=120)
@given(seeds, languages)
def test_without_flaws_the_sentences_say_exactly_the_truth(seed: int, language: str) -> None:
    story, truth = random_story(np.random.default_rng(seed), ANATOMY)
    written = report(story, truth, language, seed, FAULTLESS)
    assert not written.flaws
    assert np.array_equal(merged(written), truth)


@settings(max_examples=100)
@given(seeds, languages)
def test_the_mirrored_story_gives_the_mirrored_report(seed: int, language: str) -> None:
    story, truth = random_story(np.random.default_rng(seed), ANATOMY)
    other_story, other_truth = mirrored(story, truth, ANATOMY)
    one = report(story, truth, language, seed, ROUGH)
    two = report(other_story, other_truth, language, seed, ROUGH)
    assert mirror_text(one.findings, ANATOMY) == two.findings
    assert mirror_text(one.impression, ANATOMY) == two.impression
    for a, b in zip(one.sentences, two.sentences, strict=True):
        assert mirror_text(a.text, ANATOMY) == b.text
        assert np.array_equal(a.regions[ANATOMY.mirror_index], b.regions)
        assert np.array_equal(a.types, b.types)


@settings(max_examples=100)
@given(seeds, languages)
def test_regions_and_types_come_together(seed: int, language: str) -> None:
    for sentence in sample(language, seed, ROUGH).sentences:
        assert sentence.regions.any() == sentence.types.any()
        assert set(np.unique(np.concatenate([sentence.regions, sentence.types]))) <= {0.0, 1.0}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_difference_to_the_truth_is_a_flaw(language: str) -> None:
    """Cells missing or added are those of sentences with a flaw, and each flaw is one of them."""
    kinds = set()
    for seed in range(300):
        story, truth = random_story(np.random.default_rng(seed), ANATOMY)
        written = report(story, truth, language, seed, ROUGH)
        concerned = frozenset[tuple[int, int]]().union(*(f.cells for f in written.flaws))
        values = merged(written)
        missing = {(int(r), int(c)) for r, c in np.argwhere((values == 0) & (truth == 1))}
        assert missing <= concerned
        if np.any((values == 1) & (truth == 0)):
            assert any(f.sentence is not None for f in written.flaws)
        for flaw in written.flaws:
            kinds.add((flaw.kind, flaw.how))
            labels = None if flaw.sentence is None else written.sentences[flaw.sentence]
            if flaw.how == "omitted":
                assert labels is None
            else:
                assert labels is not None
                assert labels.types.any() == (flaw.how != "no density")
                assert labels.regions[-1] == (flaw.kind == "vague")
    assert kinds == {
        ("silent", "omitted"),
        ("silent", "no density"),
        ("wrong", "side"),
        ("wrong", "neighbour"),
        ("wrong", "missed type"),
        ("wrong", "ischaemia"),
        ("vague", "place"),
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_shares_of_flaws_are_those_asked_for(language: str) -> None:
    style = ReportStyle(error_rate=0.1, silent_rate=0.05, vague_rate=0.2)
    truth = np.zeros((19, 4), dtype=np.float32)
    truth[2, 0] = truth[2, 2] = 1.0
    story = Story((Finding("haematoma", frozenset({(2, 0), (2, 2)}), 30.0, "acute"),))
    kinds = [f.kind for i in range(1500) for f in report(story, truth, language, i, style).flaws]
    for kind, share in (("wrong", 0.1), ("silent", 0.05), ("vague", 0.2)):
        assert kinds.count(kind) / 1500 == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize(
    ("language", "kind", "types", "place", "words"),
    [
        ("zh", "epidural", ("extra_hyper",), "left_frontal_lobe", "梭形|双凸|凸透镜|半月"),
        ("zh", "subdural", ("extra_hyper",), "left_frontal_lobe", "新月|弧形|带状|硬膜下"),
        ("zh", "subarachnoid", ("extra_hyper",), "left_frontal_lobe", "脑沟"),
        ("zh", "intraventricular", ("extra_hyper",), "left_lateral_ventricle", "侧脑室"),
        ("zh", "subdural", ("extra_hyper", "extra_hypo"), "left_frontal_lobe", "混杂|高低"),
        ("zh", "infarct", ("intra_hypo",), "left_basal_ganglia", "低|减"),
        (
            "en",
            "epidural",
            ("extra_hyper",),
            "left_frontal_lobe",
            "lentif|biconv|lens|lentic|epid|extrad",
        ),
        ("en", "subdural", ("extra_hyper",), "left_frontal_lobe", "subdural|SDH|extra-axial"),
        ("en", "subarachnoid", ("extra_hyper",), "left_frontal_lobe", "sulc|subarach|SAH"),
        ("en", "subdural", ("extra_hyper", "extra_hypo"), "left_frontal_lobe", "mixed|on.chronic"),
        ("en", "encephalomalacia", ("intra_hypo",), "left_frontal_lobe", "malac|density"),
    ],
)
def test_wording_fits_the_kind(
    language: str, kind: str, types: tuple[str, ...], place: str, words: str
) -> None:
    row = ANATOMY.region_names.index(place)
    cells = frozenset((row, ANATOMY.type_names.index(name)) for name in types)
    truth = np.zeros((19, 4), dtype=np.float32)
    truth[tuple(zip(*cells, strict=True))] = 1.0
    style = ReportStyle(error_rate=0, silent_rate=0, vague_rate=0, typo_rate=0)
    for seed in range(40):
        written = report(
            Story((Finding(kind, cells, 40.0),)),  # type: ignore[arg-type]
            truth,
            language,
            seed,
            style,
        )
        said = " ".join(s.text for s in written.sentences if s.types.any())
        assert re.search(words, said, re.IGNORECASE), said


def test_a_report_depends_on_its_seed_alone() -> None:
    for language in LANGUAGES:
        assert sample(language, 5).findings == sample(language, 5).findings
        assert len({sample(language, i).findings for i in range(50)}) > 45


@pytest.mark.parametrize("language", LANGUAGES)
def test_abnormal_sentences_vary_and_normal_ones_repeat(language: str) -> None:
    abnormal, normal = [], []
    for seed in range(600):
        for sentence in usual(language, seed).sentences:
            (abnormal if sentence.types.any() else normal).append(sentence.text)
    assert len(set(abnormal)) > 720
    assert len(set(abnormal)) / len(abnormal) > 0.9
    assert 0.05 < len(set(normal)) / len(normal) < 0.45


def _bare(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


def test_no_real_sentence_is_written(data_dir: Path) -> None:
    path = data_dir / "sentences" / "head_ct_sentences.jsonl"
    if not path.is_file():
        pytest.skip("no real sentences here")
    lines = path.read_text(encoding="utf-8").splitlines()
    real = {_bare(json.loads(line)["sentence"]) for line in lines}
    written = set()
    for seed in range(600):
        for language in LANGUAGES:
            one = usual(language, seed)
            impression = split_findings(one.impression, ANATOMY)
            written |= {_bare(text) for text in [*(s.text for s in one.sentences), *impression]}
    assert sorted(real & written) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_rules_written_apart_mostly_agree_with_the_labels(language: str) -> None:
    """The lexicon reads nine labels in ten as the grammar meant them; a wrong label would not."""
    sentences = {s.text: s for i in range(250) for s in usual(language, i).sentences}
    read = LexiconDiscretizer(LexiconConfig(), ANATOMY).label(list(sentences))
    found = np.concatenate([read.regions, read.types], axis=1) > 0.5
    meant = np.array([[*s.regions, *s.types] for s in sentences.values()]) > 0.5
    assert 2 * np.sum(found & meant) / (found.sum() + meant.sum()) > 0.88


def test_a_report_takes_no_time() -> None:
    cases = [random_story(np.random.default_rng(i), ANATOMY) for i in range(200)]
    best = {}
    for language in LANGUAGES:
        report(*cases[0], language, 0)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            for i, case in enumerate(cases):
                report(*case, language, i)
            times.append((time.perf_counter() - start) / len(cases))
        best[language] = min(times)
    assert max(best.values()) < 0.004, best  # about 0.5 ms on a quiet machine


def test_rates_that_exceed_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="must not exceed 1"):
        ReportStyle(error_rate=0.5, silent_rate=0.4, vague_rate=0.2)


def test_a_scan_without_findings_has_a_report_without_labels() -> None:
    empty = np.zeros((ANATOMY.n_regions + 2, ANATOMY.n_types), dtype=np.float32)
    for language in LANGUAGES:
        written = report(Story(), empty, language, 3)
        assert written.sentences and not merged(written).any()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_statement_that_can_be_made_has_words(language: str) -> None:
    """Any kind with any types anywhere, though no lesion is like that: told, and told truly."""
    rows = {"frontal_lobe", "centrum_ovale", "lateral_ventricle", "brain_stem"}
    chosen = [i for i, r in enumerate(ANATOMY.regions) if r.part in rows] + [ANATOMY.n_regions]
    for kind in get_args(Kind):
        for bits in range(1, 2**ANATOMY.n_types):
            columns = [j for j in range(ANATOMY.n_types) if bits >> j & 1]
            cells = frozenset((row, column) for row in chosen for column in columns)
            truth = np.zeros((ANATOMY.n_regions + 2, ANATOMY.n_types), dtype=np.float32)
            truth[np.ix_(chosen, columns)] = 1.0
            for style in (FAULTLESS, ReportStyle(vague_rate=1, error_rate=0, silent_rate=0)):
                written = report(Story((Finding(kind, cells, 30.0),)), truth, language, bits, style)
                if style is FAULTLESS:
                    assert np.array_equal(merged(written), truth)
                else:
                    assert np.array_equal(merged(written)[-1], truth[0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_way_of_writing_is_one_sentence(language: str) -> None:
    """Each text of the grammar by itself survives the division into sentences."""
    words = grammar(language)
    slots = dict.fromkeys(
        ("where", "adj", "blob", "patch", "dx", "age", "sided", "side", "toward", "absent"), "x"
    )
    slots |= dict.fromkeys(("hu", "ml", "shift", "n", "smm"), "7")
    slots |= {f"{name}{unit}": "1.7" for name in "abct" for unit in ("mm", "cm")}
    tables = (words.silent, words.confounders, words.overcalled, words.effect, words.impression)
    texts = [t for table in tables for ways in table.values() for t in ways.forms]
    texts += [t for topic in words.topics for t in (*topic.template, *topic.forms)]
    texts += [
        t for key in words.keys for ways in [words.ways(*key)] for t in ways.forms + ways.many
    ]
    assert len(texts) > 150
    dice = Dice(np.random.default_rng(0))
    for text in texts:
        for _ in range(12):
            said = tidy(words.rules.say(text, dice, slots))
            assert split_findings(f"{said}\n", ANATOMY) == [said]
