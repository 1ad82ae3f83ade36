from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.interfaces import DiscretizerConfig, ReportDiscretizer
from crossdl.reports import discretize_reports, label_reports, merge, mirror_text, split_findings
from crossdl.types import SentenceLabels

ANATOMY = load_anatomy("head_ct")


class Spy(ReportDiscretizer[DiscretizerConfig]):
    """Says that a sentence's first region and type are its length modulo their number."""

    def __init__(self) -> None:
        super().__init__(DiscretizerConfig(kind="spy"), ANATOMY)
        self.seen: list[str] = []

    def label(self, sentences: Sequence[str]) -> SentenceLabels:
        self.seen += sentences
        regions = np.zeros((len(sentences), len(ANATOMY.label_names)), dtype=np.float32)
        types = np.zeros((len(sentences), ANATOMY.n_types), dtype=np.float32)
        for i, sentence in enumerate(sentences):
            regions[i, len(sentence) % regions.shape[1]] = 1
            types[i, len(sentence) % types.shape[1]] = 1
        return SentenceLabels(tuple(sentences), regions, types)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("", []),
        (" \n 。；", []),
        ("左侧额叶出血。脑室正常；无骨折", ["左侧额叶出血", "脑室正常", "无骨折"]),
        ("额叶出血，左侧顶叶低密度，两侧对称", ["额叶出血", "左侧顶叶低密度", "两侧对称"]),
        ("颅骨完整，右侧头皮肿胀，双侧鼻窦清", ["颅骨完整", "右侧头皮肿胀", "双侧鼻窦清"]),
        ("1.左额叶出血2.5cm。\n2、脑室正常", ["左额叶出血2.5cm", "脑室正常"]),
        ("1、颅骨完整2、脑室正常", ["颅骨完整", "脑室正常"]),
        (
            "A 1.5 cm bleed in the left frontal lobe. No fracture.",
            ["A 1.5 cm bleed in the left frontal lobe", "No fracture"],
        ),
        ("1. Edema. 2. Shift is 0.4 mm.", ["Edema", "Shift is 0.4 mm"]),
        ("- no bleed\n- no edema", ["no bleed", "no edema"]),
        ("A bleed in the\nleft frontal lobe", ["A bleed in the left frontal lobe"]),
        ("Bleed; no edema", ["Bleed", "no edema"]),
        ("12345", []),
        ("Это голова", ["Это голова"]),
    ],
)
def test_split(text: str, sentences: list[str]) -> None:
    assert split_findings(text, ANATOMY) == sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("History: fall.\nFindings: Left bleed.\nImpression: Right bleed.", ["Left bleed"]),
        ("FINDINGS:\nLeft bleed. No shift.\nIMPRESSION:\nBleed.", ["Left bleed", "No shift"]),
        ("Left bleed.\nImpression: Right bleed.", ["Left bleed"]),
        ("Impression: Right bleed.", ["Right bleed"]),
        ("Technique: CT of the head.", []),
        ("影像所见：左侧额叶出血。诊断意见：脑出血。", ["左侧额叶出血"]),
        ("【所见】左侧额叶出血。【印象】脑出血。", ["左侧额叶出血"]),
        ("CT所见: 脑室正常\n印象: 未见异常", ["脑室正常"]),
        ("印象：未见异常", ["未见异常"]),
        ("No findings to suggest a bleed.", ["No findings to suggest a bleed"]),
    ],
)
def test_only_the_findings_section_is_used(text: str, sentences: list[str]) -> None:
    assert split_findings(text, ANATOMY) == sentences


@given(st.text(alphabet="左右额叶出血，。；、.; \n12aLleft(", max_size=60))
def test_split_loses_no_letter_and_leaves_nothing_empty(text: str) -> None:
    sentences = split_findings(text, ANATOMY)
    assert all(sentence.strip() == sentence != "" for sentence in sentences)
    kept = [c for c in "".join(sentences) if c.isalpha()]
    assert kept == [c for c in text if c.isalpha()]


def _labels(regions: list[list[float]], types: list[list[float]]) -> SentenceLabels:
    n = len(regions)
    r = np.zeros((n, len(ANATOMY.label_names)), dtype=np.float32)
    t = np.zeros((n, ANATOMY.n_types), dtype=np.float32)
    for i in range(n):
        r[i, : len(regions[i])] = regions[i]
        t[i, : len(types[i])] = types[i]
    return SentenceLabels(tuple(f"s{i}" for i in range(n)), r, t)


def test_merge_is_the_maximum_of_outer_products_with_its_evidence() -> None:
    labels = _labels([[0.9, 0, 0.51], [0.2, 0.8], [0.7]], [[0.6, 0.9], [0.9], [0.4, 0.7]])
    matrix = merge(labels, ANATOMY)
    expected = np.zeros((len(ANATOMY.label_names), ANATOMY.n_types), dtype=np.float32)
    expected[[0, 2], :2] = 1
    expected[1, 0] = 1
    np.testing.assert_array_equal(matrix.values, expected)
    assert matrix.evidence == {
        (0, 0): (0,), (0, 1): (0, 2), (2, 0): (0,), (2, 1): (0,), (1, 0): (1,)
    }  # fmt: skip
    cut = np.full(1, 0.85, dtype=np.float32)
    assert merge(replace(labels, thresholds=(cut, cut)), ANATOMY).values.sum() == 1


def test_merge_of_nothing_is_zero() -> None:
    matrix = merge(_labels([], []), ANATOMY)
    assert matrix.values.shape == (len(ANATOMY.label_names), ANATOMY.n_types)
    assert not matrix.values.any() and not matrix.evidence


def test_repeated_sentences_are_labelled_once() -> None:
    spy = Spy()
    reports = ["no bleed. no shift", None, "no shift. no bleed. no bleed", ""]
    matrices = discretize_reports(spy, reports)
    assert spy.seen == ["no bleed", "no shift"]
    assert matrices[1] is None
    assert matrices[0] is not None and matrices[2] is not None and matrices[3] is not None
    np.testing.assert_array_equal(matrices[0].values, matrices[2].values)
    assert not matrices[3].values.any()
    labels = label_reports(spy, reports)[2]
    assert labels is not None and labels.sentences == ("no shift", "no bleed", "no bleed")
    alone = spy.label(labels.sentences)
    np.testing.assert_array_equal(labels.regions, alone.regions)
    np.testing.assert_array_equal(labels.types, alone.types)


def test_mirror_text() -> None:
    assert mirror_text("左侧额叶，右枕叶", ANATOMY) == "右侧额叶，左枕叶"
    text = "Left frontal, RIGHT-sided L bright R leftover left-sided"
    mirrored = "Right frontal, LEFT-sided R bright L leftover right-sided"
    assert mirror_text(text, ANATOMY) == mirrored


@given(st.lists(st.sampled_from(["左", "右", "left", "Right", "L", "R", "额", " ", "x", "-"])))
def test_mirror_text_twice_is_the_text(words: list[str]) -> None:
    text = "".join(words)
    assert mirror_text(mirror_text(text, ANATOMY), ANATOMY) == text
