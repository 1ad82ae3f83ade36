"""Ischaemia beside another hypodensity: affirmed, denied, alone."""

from __future__ import annotations

import pytest

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.ingest.exclusions import Ischaemia
from crossdl.ingest.rules import ExclusionRules, load_rules
from crossdl.reports import label_reports, merge

ANATOMY = load_anatomy("head_ct")
RULES = load_rules(None)[0]


def excluded(text: str, rules: ExclusionRules = RULES.exclusions) -> bool:
    discretizer = default_catalog().create("discretizer", RULES.discretizer, ANATOMY)
    (labels,) = label_reports(discretizer, [text], ANATOMY)
    assert labels is not None
    return Ischaemia(rules, ANATOMY).with_hypodensity(labels.sentences, merge(labels, ANATOMY))


@pytest.mark.parametrize(
    "text",
    [
        "双侧半卵圆中心见缺血灶。右侧颞叶见片状低密度影。",
        "左侧基底节区腔隙性梗死。左侧额叶软化灶。",
        "未见出血，左侧基底节区见腔梗。右侧额叶见水肿。",
        "Old lacunar infarct in the left basal ganglia. Edema in the right frontal lobe.",
    ],
)
def test_both(text: str) -> None:
    assert excluded(text)


@pytest.mark.parametrize(
    "text",
    [
        "双侧半卵圆中心见缺血灶。余脑实质未见异常密度影。",
        "右侧颞叶见片状低密度影。未见缺血灶。",
        "右侧颞叶见片状低密度影。未见明显梗死及缺血改变。",
        "右侧颞叶见片状低密度影。",
        "双侧半卵圆中心见缺血灶。左侧额叶见高密度影。",
        "No evidence of acute infarct. Edema in the right frontal lobe.",
        "",
    ],
)
def test_not_both(text: str) -> None:
    assert not excluded(text)


def test_it_can_be_switched_off() -> None:
    rules = RULES.exclusions.model_copy(update={"with_types": ()})
    assert not excluded("双侧半卵圆中心见缺血灶。右侧颞叶见片状低密度影。", rules)
