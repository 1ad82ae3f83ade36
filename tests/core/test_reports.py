from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.interfaces import DiscretizerConfig, ReportDiscretizer
from crossdl.reports import (
    discretize_reports,
    find_sentences,
    label_reports,
    merge,
    mirror_text,
    split_findings,
)
from crossdl.splitting import visible
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
        (
            "Dr. Li saw it. Left vs. right, approx. 2 cm.",
            ["Dr. Li saw it", "Left vs. right, approx. 2 cm"],
        ),
        (
            "See Fig. 2 and No. 3. Is it new? No. Left bleed s/p op.",
            ["See Fig. 2 and No. 3", "Is it new", "No", "Left bleed s/p op"],
        ),
        (
            "At 9 a.m. and 5 p.m. today. Seen at 9 a.m. No bleed, i.e. none.",
            ["At 9 a.m. and 5 p.m. today", "Seen at 9 a.m", "No bleed, i.e. none"],
        ),
        (
            "Lt. frontal bleed. Rt. MCA infarct. Same on the Lt. No shift",
            ["Lt. frontal bleed", "Rt. MCA infarct", "Same on the Lt", "No shift"],
        ),
        ("Shift of 5. No mass!! none?", ["Shift of 5", "No mass", "none"]),
        ("a) no bleed\nb) no shift\n\uf0b7 no mass", ["no bleed", "no shift", "no mass"]),
        (
            "左额叶见高密度影（CT值约40），大小约2.5cm。",
            ["左额叶见高密度影（CT值约40），大小约2.5cm"],
        ),
        (
            "第3、4脑室正常，三、四脑室正常。三、四脑室正常",
            ["第3、4脑室正常，三、四脑室正常", "三、四脑室正常"],
        ),
        ("１．左额叶出血２．５cm\u3000２．右额叶正常．", ["左额叶出血２．５cm", "右额叶正常"]),
        ("①左额叶出血②右额叶正常｡", ["左额叶出血", "右额叶正常"]),
        ("1.左额叶出血2.右额叶正常", ["左额叶出血", "右额叶正常"]),
        ("一、左额叶出血。（二）右额叶正常", ["左额叶出血", "右额叶正常"]),
        (
            "左额叶 bleed seen by Dr. Li. 右侧正常. CT normal",
            ["左额叶 bleed seen by Dr. Li", "右侧正常", "CT normal"],
        ),
        ("左额叶出血\n右额叶正常 CT\nnormal", ["左额叶出血", "右额叶正常 CT normal"]),
        ("\ufeff左\x00额叶\x07出血\u2028右\u200b枕叶正常\x85\r\n", ["左 额叶 出血", "右 枕叶正常"]),
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
        ("\u3000影像所见：\u3000左额叶出血。\r\n\u3000印象：脑出血", ["左额叶出血"]),
        ("一、检查所见：左额叶出血。二、诊断意见：脑出血", ["左额叶出血"]),
        ("检查所见如下：左额叶出血。影像学诊断\n脑出血", ["左额叶出血"]),
        ("**CT Head Findings:** Left bleed.\nConclusions: Right bleed.", ["Left bleed"]),
        ("FINDINGS/IMPRESSION: Left bleed.", ["Left bleed"]),
        ("1. Findings: Left bleed.\n2. Final diagnosis: bleed", ["Left bleed"]),
        ("印象：未见异常", ["未见异常"]),
        ("No findings to suggest a bleed.", ["No findings to suggest a bleed"]),
    ],
)
def test_only_the_findings_section_is_used(text: str, sentences: list[str]) -> None:
    assert split_findings(text, ANATOMY) == sentences


TEXTS = st.one_of(
    st.text(alphabet="左右两额叶出血，。；、.; \n12aLleft(", max_size=60),
    st.lists(
        st.sampled_from(
            ["左", "右额叶", "双侧", " Left ", " right ", " L ", "Rt.", "Lt. ", "出血", " bleed",
             " 2.5", " 1、", "(2) ", "- ", "Dr. ", "No. ", "a.m. ", "所见：", "Findings:\n",
             "印象:", "三、", "\nImpression: ", "。", "；", "，", ". ", "!", "\n", "\r\n", "\u3000",
             "\x00", "\u200b", "① ", " １．"]
        ),
        max_size=25,
    ).map("".join),
)  # fmt: skip


@given(st.one_of(TEXTS, st.text(max_size=80)))
def test_sentences_are_slices_in_order(text: str) -> None:
    at = 0
    for sentence in find_sentences(text, ANATOMY):
        assert at <= sentence.start < sentence.end <= len(text)
        assert sentence.text == " ".join(visible(text)[sentence.start : sentence.end].split())
        edges = sentence.text[0] + sentence.text[-1]
        assert not set(edges) & set(" ,，.、")
        at = sentence.end


@settings(max_examples=300)
@given(TEXTS)
def test_mirrored_texts_have_mirrored_sentences(text: str) -> None:
    mirrored = [mirror_text(s, ANATOMY) for s in split_findings(text, ANATOMY)]
    assert split_findings(mirror_text(text, ANATOMY), ANATOMY) == mirrored


LONG = {
    "reports": "左侧额叶出血，右侧2.5cm。Dr. A said a vs. b.\n1、左额叶出血（CT值约40）\n",
    "blanks": " ",
    "lines": "\n",
    "Windows lines": "a\r\n",
    "commas": "，",
    "dots": ".",
    "marks": "!",
    "dashes": "-",
    "numbers": "1、 ",
    "brackets": "(1) ",
    "headers": "Findings:\n",
    "words": "history ",
    "one sentence": "左",
    "zeros": "\x00",
}


@pytest.mark.parametrize("unit", LONG.values(), ids=LONG)
def test_a_megabyte_takes_time_in_proportion(unit: str) -> None:
    """Two seconds at most; ten times of it would be a pattern that goes back and forth."""
    text = "左a." + unit * (1_000_000 // len(unit)) + "x左"
    started = time.process_time()
    find_sentences(text, ANATOMY)
    assert time.process_time() - started < 4


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
