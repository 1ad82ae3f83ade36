"""Ischaemia beside another hypodensity: affirmed, denied, alone."""

from __future__ import annotations

import pytest

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.ingest.exclusions import Ischaemia
from crossdl.ingest.rules import ExclusionRules, default_rules, load_rules, parse_rules
from crossdl.reports import label_reports, merge

ANATOMY = load_anatomy("head_ct")
RULES = load_rules(None)[0]


def excluded(text: str, rules: ExclusionRules = RULES.exclusions) -> bool:
    discretizer = default_catalog().create("discretizer", RULES.discretizer, ANATOMY)
    (labels,) = label_reports(discretizer, [text])
    assert labels is not None
    return Ischaemia(rules, ANATOMY).with_hypodensity(labels.sentences, merge(labels, ANATOMY))


@pytest.mark.parametrize(
    "text",
    [
        "双侧半卵圆中心见缺血灶。右侧颞叶见片状低密度影。",
        "未见出血，左侧基底节区见缺血灶。右侧额叶见水肿。",
        "Ischemic lesion in the left basal ganglia. Edema in the right frontal lobe.",
        "Small vessel ischaemia is seen. Edema in the right frontal lobe.",
    ],
)
def test_both(text: str) -> None:
    assert excluded(text)


INFARCTS = (
    "左侧基底节区腔隙性梗死。左侧额叶软化灶。",
    "未见出血，左侧基底节区见腔梗。右侧额叶见水肿。",
    "Old lacunar infarct in the left basal ganglia. Edema in the right frontal lobe.",
)


@pytest.mark.parametrize("text", INFARCTS)
def test_infarcts_are_no_ischaemia_unless_the_hospital_says_so(text: str) -> None:
    assert not excluded(text)
    lines = default_rules().splitlines()
    shipped = next(k for k, line in enumerate(lines) if line.startswith("ischaemia = "))
    start = lines.index("# ischaemia = [")
    stop = lines.index("# ]", start) + 1
    lines[start:stop] = [line.removeprefix("# ") for line in lines[start:stop]]
    del lines[shipped]
    wider = parse_rules("\n".join(lines), "edited").exclusions
    assert excluded(text, wider)
    assert not excluded("右侧颞叶见片状低密度影。未见明显梗死及缺血改变。", wider)
    assert not excluded("No evidence of ischemia. Edema in the right frontal lobe.", wider)


@pytest.mark.parametrize(
    "text",
    [
        "双侧半卵圆中心见缺血灶。余脑实质未见异常密度影。",
        "右侧颞叶见片状低密度影。未见缺血灶。",
        "右侧颞叶见片状低密度影。未见明显缺血改变。",
        "右侧颞叶见片状低密度影。",
        "双侧半卵圆中心见缺血灶。左侧额叶见高密度影。",
        "No evidence of ischemia. Edema in the right frontal lobe.",
        "",
    ],
)
def test_not_both(text: str) -> None:
    assert not excluded(text)


def test_it_can_be_switched_off() -> None:
    rules = RULES.exclusions.model_copy(update={"with_types": ()})
    assert not excluded("双侧半卵圆中心见缺血灶。右侧颞叶见片状低密度影。", rules)
