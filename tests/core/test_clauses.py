from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from crossdl.anatomy import load_anatomy
from crossdl.clauses import link_by_clause, split_clauses
from crossdl.labels import ReportLabels
from crossdl.plugins.discretizers.lexicon import LexiconConfig, LexiconDiscretizer
from crossdl.reports import label_sentences
from crossdl.types import BoolArray, SentenceLabels

ANATOMY = load_anatomy("head_ct")
TWO = "左额叶出血；右枕叶见低密度影"


def _discretizer(linking: Literal["sentence", "clause"]) -> LexiconDiscretizer:
    return LexiconDiscretizer(LexiconConfig(linking=linking), ANATOMY)


def _cells(cells: BoolArray) -> set[tuple[str, str]]:
    return {(ANATOMY.label_names[r], ANATOMY.type_names[t]) for r, t in np.argwhere(cells)}


@pytest.mark.parametrize(
    ("sentence", "clauses"),
    [
        ("左额叶出血；右枕叶正常", ["左额叶出血", "右枕叶正常"]),
        ("Left bleed; no shift.", ["Left bleed", "no shift"]),
        ("左额叶出血，右枕叶正常", ["左额叶出血", "右枕叶正常"]),
        ("Bleed of the pons, with edema", ["Bleed of the pons", "with edema"]),
        ("Это голова; да", ["Это голова; да"]),
        ("左；", ["左"]),
        ("", [""]),
    ],
)
def test_clauses(sentence: str, clauses: list[str]) -> None:
    assert split_clauses(sentence, ANATOMY) == clauses


def test_label_sets_without_lexicon_have_whole_sentences() -> None:
    labels = ReportLabels(name="x", title="X", region_labels=("a",), type_labels=("b",))
    assert split_clauses("a; b", labels) == ["a; b"]


@pytest.mark.parametrize(
    "sentence",
    [
        "左额叶出血，右额叶梗死灶呈低密度",
        "左额叶出血，右侧梗死呈低密度",
        "Haemorrhage in the left frontal lobe, oedema in the right frontal lobe",
        "Haemorrhage in the left frontal lobe, oedema in the right",
        "Haemorrhage in the left frontal lobe; there is low density on the right",
    ],
)
def test_the_lexicon_links_within_a_sentence(sentence: str) -> None:
    left, right = ("left_frontal_lobe", "intra_hyper"), ("right_frontal_lobe", "intra_hypo")
    assert _cells(label_sentences(_discretizer("clause"), [sentence]).cells[0]) == {left, right}
    by_sentence = _cells(label_sentences(_discretizer("sentence"), [sentence]).cells[0])
    assert by_sentence == {(r, t) for r, _ in (left, right) for _, t in (left, right)}


def _linked(sentence: str) -> set[tuple[str, str]]:
    discretizer = _discretizer("sentence")
    labels = label_sentences(discretizer, [sentence])
    links = link_by_clause(discretizer, labels)
    assert links.shape == (1, len(ANATOMY.label_names), ANATOMY.n_types)
    assert not (links & ~labels.cells).any(), "a link of labels that the sentence does not state"
    return _cells(links[0])


def test_clauses_pair_what_they_state() -> None:
    assert _linked(TWO) == {
        ("left_frontal_lobe", "intra_hyper"), ("right_occipital_lobe", "intra_hypo")
    }  # fmt: skip


@pytest.mark.parametrize(
    ("sentence", "hypodense"),
    [
        ("Haemorrhage in the left frontal lobe, oedema in the right", {"right"}),
        ("左额叶出血，右侧见低密度影", {"right"}),
        (
            "Haemorrhage in the left frontal lobe, oedema on the left, and right frontal SDH",
            {"left"},
        ),
        ("Haemorrhage in the left frontal lobe, oedema on both sides", {"left", "right"}),
    ],
)
def test_a_side_alone_means_the_place_before(sentence: str, hypodense: set[str]) -> None:
    """Whatever a discretizer makes of a clause that names a side but no place."""
    discretizer = _discretizer("sentence")
    rows = [ANATOMY.label_names.index(f"{side}_frontal_lobe") for side in ("left", "right")]
    regions = np.zeros((1, len(ANATOMY.label_names)), dtype=np.float32)
    regions[0, rows] = 1.0
    types = discretizer.label([sentence]).types
    links = link_by_clause(discretizer, SentenceLabels((sentence,), regions, types))
    found = {region for region, kind in _cells(links[0]) if kind == "intra_hypo"}
    assert found == {f"{side}_frontal_lobe" for side in hypodense}


def test_one_clause_is_paired_as_by_the_sentence() -> None:
    assert len(_linked("左额叶、右枕叶出血伴水肿")) == 4


def test_every_label_of_the_sentence_stays_linked() -> None:
    for sentence in (TWO, "左额叶、右枕叶；见出血及水肿", "出血；水肿；左额叶；右枕叶"):
        discretizer = _discretizer("sentence")
        labels = label_sentences(discretizer, [sentence])
        links = link_by_clause(discretizer, labels)
        np.testing.assert_array_equal(links.any(axis=2), labels.cells.any(axis=2))
        np.testing.assert_array_equal(links.any(axis=1), labels.cells.any(axis=1))


def test_nothing_to_link() -> None:
    discretizer = _discretizer("sentence")
    empty: SentenceLabels = label_sentences(discretizer, [])
    assert link_by_clause(discretizer, empty).shape == (0, len(ANATOMY.label_names), 4)
    assert not link_by_clause(discretizer, label_sentences(discretizer, ["脑室正常"])).any()
