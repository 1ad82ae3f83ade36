"""Pairing against a plain search; splits that are exact, stable and independent of the salt."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.ingest.pairing import Pair, choose, pair
from crossdl.ingest.reports import Report
from crossdl.ingest.rules import SplitRules
from crossdl.ingest.series import Scan
from crossdl.ingest.split import divide

START = datetime(2019, 1, 1)
SCAN = Scan("1.2", "a", "study", START, None, "", "", "", "", "", 5.0, 20, (), None, None)
REPORT = Report("a", START, "text", "", None, "", "digest", None)
MINUTES = st.integers(-3000, 3000)


def report(minutes: int, patient: str = "a", content: str = "digest") -> Report:
    time = START + timedelta(minutes=minutes)
    return replace(REPORT, patient=patient, time=time, content=content)


@given(
    st.lists(MINUTES, max_size=6),
    st.lists(st.tuples(MINUTES, st.sampled_from("ab")), max_size=8),
)
def test_the_nearest_report_is_taken(scans: list[int], reports: list[tuple[int, str]]) -> None:
    table = [report(minutes, patient, str(k)) for k, (minutes, patient) in enumerate(reports)]
    given_scans = [
        replace(SCAN, uid=str(k), time=START + timedelta(minutes=m)) for k, m in enumerate(scans)
    ]
    pairs, alone = pair(given_scans, table, 24.0)
    found = {p.scan.uid: p for p in pairs}
    assert found.keys() | alone.keys() == {s.uid for s in given_scans}
    for k, minutes in enumerate(scans):
        gaps = [abs(m - minutes) for m, patient in reports if patient == "a"]
        if not gaps:
            assert alone[str(k)] == "no_report"
        elif min(gaps) > 24 * 60:
            assert alone[str(k)] == "too_far"
        else:
            assert table[found[str(k)].report].patient == "a"
            assert abs(found[str(k)].hours) == pytest.approx(min(gaps) / 60)


@given(st.permutations([report(30, content="x"), report(30, content="y"), report(-30)]))
def test_ties_do_not_depend_on_the_order(table: list[Report]) -> None:
    (found,), _ = pair([SCAN], table, 24.0)
    assert table[found.report].content == "x" and found.hours == 0.5


def test_one_series_of_a_study_is_chosen() -> None:
    thick = replace(SCAN, uid="1", thickness=8.0, slices=20)
    many = replace(SCAN, uid="2", thickness=1.0, slices=160)
    other = replace(SCAN, uid="3", study="another", thickness=0.5, slices=12)
    pairs = [Pair(scan, 0, 0.0) for scan in (many, thick, other)]
    assert choose(pairs, "all") == {"1", "2", "3"}
    assert choose(pairs, "thickest") == {"1", "3"}
    assert choose(pairs, "most_slices") == {"2", "3"}


PATIENTS = st.sets(st.text(max_size=5), max_size=60)
RULES = st.builds(
    SplitRules, valid=st.floats(0, 0.4), test=st.floats(0, 0.4), seed=st.integers(0, 9)
)


@given(PATIENTS, RULES)
def test_fractions_are_exact(patients: set[str], rules: SplitRules) -> None:
    split = divide(patients, rules, {})
    assert split.keys() == patients
    names = list(split.values())
    assert names.count("valid") == min(round(rules.valid * len(patients)), len(patients))
    assert names.count("test") == min(
        round(rules.test * len(patients)), len(patients) - names.count("valid")
    )


@given(PATIENTS, PATIENTS, RULES)
def test_nobody_moves(first: set[str], more: set[str], rules: SplitRules) -> None:
    before = divide(first, rules, {})
    after = divide(first | more, rules, before)
    assert {p: after[p] for p in first} == before
    names = list(after.values())
    wanted = {name: round(getattr(rules, name) * len(after)) for name in ("valid", "test")}
    lacking = [name for name, count in wanted.items() if names.count(name) < count]
    assert not lacking or "train" not in {after[p] for p in more - first}


def test_the_seed_decides() -> None:
    patients = {str(k) for k in range(50)}
    first, second = (divide(patients, SplitRules(seed=seed), {}) for seed in (0, 1))
    assert first != second
