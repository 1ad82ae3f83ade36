"""The file of rules: what ships, and what its mistakes get to hear."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossdl.errors import ConfigError
from crossdl.ingest.rules import default_rules, load_rules, parse_rules

MISTAKES = {
    ("min_slices = 10", "min_slice = 10"): "series.min_slice: unknown field; did you mean",
    ("min_slices = 10", "min_slices = 1"): "series.min_slices",
    ('anatomy = "head_ct"', 'anatomy = "hed_ct"'): "head_ct",
    ('"intra_hypo", "extra_hypo"', '"intra_hippo"'): "did you mean 'intra_hypo'",
    ('kind = "lexicon"', 'kind = "lexikon"'): "did you mean 'lexicon'",
    ("valid = 0.05", "valid = 0.97"): "valid \\+ test",
    ("max_hours = 24.0", "max_hours = 0"): "pairing.max_hours",
    ("description_patterns = []", "description_patterns = ['(']"): "not a regular expression",
    ("time = [", "times = ["): "reports.columns.times",
    ('findings = ["FINDINGS"', 'findings = []\nx = ["FINDINGS"'): "reports.columns.x",
    ("[pairing]", "[pairing"): "not valid TOML",
}


def test_shipped_rules_are_those_of_the_paper() -> None:
    rules, text = load_rules(None)
    assert text == default_rules()
    series = rules.series
    assert len(series.descriptions) == 18 and series.accepts(" HeadSeq 4.8 H31s ")
    assert not series.accepts("HEAD 0.6") and series.public("HEAD 0.6") is None
    assert (series.min_slices, rules.pairing.max_hours) == (10, 24.0)
    assert {"鼻窦", "颞颌关节", "CTP"} <= set(rules.reports.exclude["parameters"])
    assert not (rules.privacy.keep_findings or rules.privacy.keep_impression)


@pytest.mark.parametrize("kernel", ["H60s", "H70h", "Hr68h", "J70h", "B80f", "BONE", "BONEPLUS",
    "EDGE", "FC30", "FC81", "YC", "D"])  # fmt: skip
def test_bone_kernels(kernel: str) -> None:
    assert load_rules(None)[0].series.is_bone_kernel(kernel)


@pytest.mark.parametrize("kernel", ["H31s", "H23s", "H30s", "T20s", "J40s", "STANDARD", "SOFT",
    "FC21", "FC64", "UB", "B", "C", "BRAIN", "", "Hr38s"])  # fmt: skip
def test_other_kernels(kernel: str) -> None:
    assert not load_rules(None)[0].series.is_bone_kernel(kernel)


def test_bone_windows() -> None:
    series = load_rules(None)[0].series
    assert series.is_bone_window(450, 1500) and series.is_bone_window(600, 4000)
    assert not series.is_bone_window(35, 90) and not series.is_bone_window(150, 600)
    assert not series.is_bone_window(None, 2000)


@pytest.mark.parametrize(("change", "said"), MISTAKES.items(), ids=[a for (_, a) in MISTAKES])
def test_mistakes_are_named(change: tuple[str, str], said: str) -> None:
    text = default_rules()
    assert change[0] in text
    with pytest.raises(ConfigError, match=said) as error:
        parse_rules(text.replace(*change), "mine.toml")
    assert str(error.value).startswith("mine.toml: ")


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cohort rules"):
        load_rules(tmp_path / "none.toml")
    (tmp_path / "other.toml").write_bytes("anatomy = '检查所见'".encode("gb18030"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_rules(tmp_path / "other.toml")


def test_patient_numbers_get_their_zeros_back() -> None:
    text = default_rules().replace("patient_digits = 0", "patient_digits = 8")
    key = parse_rules(text, "mine").pairing.patient_key
    assert [key(t) for t in ("4711", " 00004711 ", "A12")] == ["00004711", "00004711", "A12"]
