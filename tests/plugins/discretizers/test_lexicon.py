from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.plugins.discretizers.lexicon import LexiconConfig, LexiconDiscretizer
from crossdl.reports import mirror_text

ANATOMY = load_anatomy("head_ct")
RULES = LexiconDiscretizer(LexiconConfig(), ANATOMY)


def read(sentence: str) -> tuple[set[str], set[str]]:
    labels = RULES.label([sentence])
    regions = {n for n, p in zip(ANATOMY.label_names, labels.regions[0], strict=True) if p}
    types = {n for n, p in zip(ANATOMY.type_names, labels.types[0], strict=True) if p}
    return regions, types


def expand(regions: str) -> set[str]:
    """``"LR frontal_lobe"`` → both names; other words are names already."""
    names: set[str] = set()
    for entry in regions.split(","):
        side, _, part = entry.strip().rpartition(" ")
        sides = {"L": ["left_"], "R": ["right_"], "LR": ["left_", "right_"], "": [""]}[side]
        names |= {s + part for s in sides if part}
    return names


@pytest.mark.parametrize(
    ("sentence", "regions", "types"),
    [
        # sides
        ("左侧额叶见片状低密度影", "L frontal_lobe", "intra_hypo"),
        ("双侧枕叶见低密度影", "LR occipital_lobe", "intra_hypo"),
        ("颞叶见多发低密度影", "LR temporal_lobe", "intra_hypo"),
        ("颞叶见单发低密度影", "unclear", "intra_hypo"),
        ("左、右侧额叶见低密度影", "LR frontal_lobe", "intra_hypo"),
        ("Left and right frontal hypodensities", "LR frontal_lobe", "intra_hypo"),
        ("Hypodensity in the frontal lobes bilaterally", "LR frontal_lobe", "intra_hypo"),
        ("Low density of the temporal lobe on the left", "L temporal_lobe", "intra_hypo"),
        ("A hyperdense focus in the cerebellum", "unclear", "intra_hyper"),
        (
            "Edema of the right frontal and temporal lobes",
            "R frontal_lobe, R temporal_lobe",
            "intra_hypo",
        ),
        (
            "左侧丘脑、右侧尾状核、顶叶见低密度影",
            "other, R basal_ganglia, R parietal_lobe",
            "intra_hypo",
        ),
        # compounds
        (
            "右额顶颞部硬膜下见高密度影",
            "R frontal_lobe,R parietal_lobe,R temporal_lobe",
            "extra_hyper",
        ),
        ("Left parieto-occipital hematoma", "L parietal_lobe,L occipital_lobe", "intra_hyper"),
        ("Bifrontal hygromas", "LR frontal_lobe", "extra_hypo"),
        # compartments
        ("左侧额叶脑实质外高密度影", "L frontal_lobe", "extra_hyper"),
        ("右侧侧脑室后角内见高密度影", "R lateral_ventricle", "extra_hyper"),
        ("右侧颞部颅板下见梭形高密度影", "R temporal_lobe", "extra_hyper"),
        ("Hyperdense left frontal subdural collection", "L frontal_lobe", "extra_hyper"),
        (
            "Left frontal hemorrhage with subarachnoid hemorrhage",
            "L frontal_lobe",
            "intra_hyper,extra_hyper",
        ),
        ("Blood in the third ventricle", "other", "extra_hyper"),
        ("Acute on chronic right frontal SDH", "R frontal_lobe", "extra_hyper,extra_hypo"),
        ("左侧颞叶混杂密度影", "L temporal_lobe", "intra_hyper,intra_hypo"),
        # places that are labels without voxels
        ("双侧侧脑室前角旁见低密度影", "other", "intra_hypo"),
        ("鞍上池密度增高", "other", "extra_hyper"),
        ("Hyperdensity along the falx", "other", "extra_hyper"),
        ("术区见低密度影", "unclear", "intra_hypo"),
        ("Diffuse cerebral edema", "unclear", "intra_hypo"),
        ("左侧苍白球出血破入脑室", "L basal_ganglia,unclear", "intra_hyper,extra_hyper"),
        # linking
        ("右侧顶叶梗死，左侧颞叶软化灶", "L temporal_lobe", "intra_hypo"),
        ("左侧丘脑血肿，周围见水肿", "other", "intra_hyper,intra_hypo"),
        ("软化灶（左侧枕叶），右侧顶骨骨折", "L occipital_lobe", "intra_hypo"),
        ("Infarct in the left pons, right frontal bleed", "R frontal_lobe", "intra_hyper"),
        (
            "Edema in the left frontal, parietal, and occipital lobes, without shift",
            "L frontal_lobe,L parietal_lobe,L occipital_lobe",
            "intra_hypo",
        ),
        ("Hematoma, left temporal lobe", "L temporal_lobe", "intra_hyper"),
        (
            "Left temporal bleed, with mass effect on the right lateral ventricle",
            "L temporal_lobe",
            "intra_hyper",
        ),
        # denial and doubt
        ("双侧额叶未见出血", "", ""),
        ("脑干未见异常，左侧小脑见低密度影", "L cerebellum", "intra_hypo"),
        ("不除外左侧枕叶出血", "L occipital_lobe", "intra_hyper"),
        ("左侧顶叶低密度灶未见强化", "L parietal_lobe", "intra_hypo"),
        ("No bleed, edema, or fluid in the left frontal lobe", "", ""),
        ("No bleed, but edema in the left frontal lobe", "L frontal_lobe", "intra_hypo"),
        ("Left frontal hemorrhage is not seen", "", ""),
        ("Suspicious for a right temporal bleed", "R temporal_lobe", "intra_hyper"),
        ("Left frontal hematoma with no significant change", "L frontal_lobe", "intra_hyper"),
        # not a type, or not in the head
        ("双侧苍白球见点状高密度钙化灶", "", ""),
        ("右侧额叶缺血灶", "", ""),
        ("左侧颞部皮下血肿", "", ""),
        ("右侧上颌窦见低密度影", "", ""),
        ("Left parietal scalp hematoma", "", ""),
        ("Low density in the right frontal sinus", "", ""),
        ("中线结构左移", "", ""),
        ("", "", ""),
        ("Кровоизлияние", "", ""),
    ],
)
def test_reading(sentence: str, regions: str, types: str) -> None:
    wanted = {t for t in types.split(",") if t}
    assert read(sentence) == (expand(regions), wanted)


ZH = ["左侧", "右", "双侧", "额叶", "颞顶叶", "基底节区", "侧脑室", "小脑", "脑干", "丘脑", "见"]
ZH += ["低密度影", "出血", "硬膜下血肿", "梗死", "未见", "周围", "，", "、", "。", "左移", "及"]
EN = ["left", "Right", "bilateral", "L", "frontal", "parieto-occipital", "cerebellum", "ventricle"]
EN += ["pons", "hypodensity", "hemorrhage", "subdural", "infarct", "no", "in the", "and", ",", "."]
EN += ["shift to the right", "with edema", "lobe", "on the left", "a", "("]


@given(st.one_of(
    st.lists(st.sampled_from(ZH), max_size=14).map("".join),
    st.lists(st.sampled_from(EN), max_size=14).map(" ".join),
))  # fmt: skip
def test_mirrored_text_gives_mirrored_labels(sentence: str) -> None:
    labels = RULES.label([sentence, mirror_text(sentence, ANATOMY)])
    np.testing.assert_array_equal(labels.regions[1], labels.regions[0][ANATOMY.mirror_index])
    np.testing.assert_array_equal(labels.types[1], labels.types[0])


@given(st.lists(st.sampled_from(ZH + EN), max_size=14).map(" ".join))
def test_regions_and_types_come_together(sentence: str) -> None:
    labels = RULES.label([sentence])
    assert labels.regions.any() == labels.types.any()
    assert set(np.unique(labels.regions)) <= {0.0, 1.0}


def test_labels_do_not_depend_on_neighbours() -> None:
    sentences = ["左侧额叶出血", "", "Edema of the pons", "左侧额叶出血"]
    together = RULES.label(sentences)
    alone = [RULES.label([s]) for s in sentences]
    assert together.sentences == tuple(sentences)
    np.testing.assert_array_equal(together.regions, np.vstack([a.regions for a in alone]))
    np.testing.assert_array_equal(together.types, np.vstack([a.types for a in alone]))
    assert together.regions.dtype == together.types.dtype == np.float32


def test_another_anatomy_needs_no_code() -> None:
    rules = LexiconDiscretizer(LexiconConfig(), Anatomy.model_validate(_lung()))
    labels = rules.label(["nodule in the port lung", "nodule in the lung", "no nodule", "nodule"])
    np.testing.assert_array_equal(
        labels.regions, [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]
    )
    np.testing.assert_array_equal(labels.types, [[1], [1], [0], [1]])


def test_a_lexicon_that_does_not_fit_is_refused() -> None:
    table = _lung()
    table["lexicon"]["en"]["findings"][0]["types"] = [["mas"]]
    with pytest.raises(ValueError, match=r"lexicon\.en\.findings\.0\.types: there is no 'mas'"):
        Anatomy.model_validate(table)


def _lung() -> dict[str, Any]:
    sides = {"port": "starboard", "starboard": "port"}
    return {
        "name": "chest",
        "title": "Chest",
        "modality": "CT",
        "regions": [
            {"name": f"{side}_lung", "title": side, "part": "lung", "part_title": "Lung",
             "side": side, "mirror": f"{mirror}_lung"}
            for side, mirror in sides.items()
        ],
        "types": [{"name": "mass", "title": "Mass"}],
        "other": {"name": "other", "title": "Other"},
        "unclear": {"name": "unclear", "title": "Unclear"},
        "window": {"level": 0, "width": 1},
        "volume_shape": [2, 2, 2],
        "tissue_threshold": 0,
        "atlas": {"kind": "none"},
        "lexicon": {
            "en": {
                "detect": "[a-z]",
                "word_edges": True,
                "sides": {side: [side] for side in sides},
                "joins": " and ",
                "clause_breaks": [";"],
                "item_breaks": [","],
                "sentence_breaks": [";"],
                "parts": [{"part": "lung", "patterns": ["lung"]}],
                "findings": [{"patterns": ["nodule"], "types": [["mass"]]}],
                "negation": {"before": ["no "]},
            }
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def real(data_dir: Path) -> list[dict[str, Any]]:
    file = data_dir / "sentences" / "head_ct_sentences.jsonl"
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("language", ["zh", "en"])
def test_real_sentences(real: list[dict[str, Any]], language: str) -> None:
    rows = [row for row in real if row["language"] == language]
    labels = RULES.label([row["sentence"] for row in rows])
    said = np.hstack([labels.regions, labels.types]) > 0.5
    names = (*ANATOMY.label_names, *ANATOMY.type_names)
    truth = np.array([[n in row["regions"] + row["types"] for n in names] for row in rows])
    hits, wrong = int((truth & said).sum()), int((truth != said).sum())
    assert 2 * hits / (2 * hits + wrong) >= 0.97


def test_real_sentences_mirrored(real: list[dict[str, Any]]) -> None:
    labels = RULES.label([row["sentence"] for row in real])
    mirrored = RULES.label([mirror_text(row["sentence"], ANATOMY) for row in real])
    np.testing.assert_array_equal(mirrored.regions, labels.regions[:, ANATOMY.mirror_index])
    np.testing.assert_array_equal(mirrored.types, labels.types)
