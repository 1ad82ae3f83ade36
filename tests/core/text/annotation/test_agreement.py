from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.errors import InputError
from crossdl.labels import ReportLabels
from crossdl.text.annotation.agreement import kappa, measure, read_answered
from crossdl.text.annotation.report import write_agreement
from crossdl.text.scores import f1

LABELS = ReportLabels(name="x", title="X", region_labels=("a", "b"), type_labels=("t", "u"))


def _file(path: Path, who: str | None, **answers: str) -> Path:
    """Answers such as ``one="a t"``; ``"-"`` is not usable."""
    rows = [
        {
            "id": name,
            "sentence": f"text {name}",
            "regions": [x for x in said.split() if x in "ab"],
            "types": [x for x in said.split() if x in "tu"],
            "usable": 0 if said == "-" else 1,
        }
        | ({} if who is None else {"annotator": who})
        for name, said in answers.items()
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def test_against_numbers_worked_out_by_hand(tmp_path: Path) -> None:
    anna = _file(tmp_path / "1.jsonl", "anna", i="a t", j="a t", k="", l="b t", m="-", n="")
    ben = _file(tmp_path / "2.jsonl", None, i="a t", j="", k="", l="a t", m="a t", o="")
    answered = read_answered([anna, ben], LABELS)
    assert answered.annotators == ("anna", "2") and answered.partial == 2
    assert [item.id for item, _ in answered.agreed] == ["i", "k"]
    assert [item.id for item in answered.disputed] == ["j", "l", "m"]
    found = measure(answered, LABELS)
    assert (found.n, found.unusable, found.same) == (4, 1, 2 / 5)
    a, b, t, u = found.labels
    # a: anna 1100, ben 1001: half agree, half would by chance
    assert (a.positives, a.kappa, a.f1) == ((2, 2), 0.0, 0.5)
    # b: anna 0001, ben 0000
    assert (b.positives, b.kappa, b.f1) == ((1, 0), 0.0, 0.0)
    # t: anna 1101, ben 1001: 3/4 agree, by chance (3/4)(2/4) + (1/4)(2/4) = 1/2
    assert t.positives == (3, 2) and t.kappa == pytest.approx(0.5) and t.f1 == pytest.approx(0.8)
    assert (u.positives, u.kappa, u.f1) == ((0, 0), None, None)
    assert found.kappa == pytest.approx(0.5 / 3)
    assert found.micro_f1["regions"] == pytest.approx(2 / 5)
    assert found.micro_f1["types"] == pytest.approx(4 / 5)
    assert found.micro_f1["all labels"] == pytest.approx(6 / 10)


def test_three_are_compared_in_pairs(tmp_path: Path) -> None:
    files = [
        _file(tmp_path / "1.jsonl", "p", i="a", j=""),
        _file(tmp_path / "2.jsonl", "q", i="a", j=""),
        _file(tmp_path / "3.jsonl", "r", i="", j="a"),
    ]
    label = measure(read_answered(files, LABELS), LABELS).labels[0]
    assert label.positives == (1, 1, 1)
    assert label.kappa == pytest.approx((1 - 1 - 1) / 3) and label.f1 == pytest.approx(1 / 3)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30))
def test_kappa_and_f1_by_their_definitions(pairs: list[tuple[bool, bool]]) -> None:
    a, b = (np.array([pair[i] for pair in pairs], dtype=np.bool_) for i in (0, 1))
    n, both = len(pairs), sum(x and y for x, y in pairs)
    said = sum(map(sum, pairs))
    assert f1(a, b) == f1(b, a) == (2 * both / said if said else None)
    chance = 1.0 if not n else a.mean() * b.mean() + (1 - a.mean()) * (1 - b.mean())
    found = kappa(a, b)
    if not n or len({x for pair in pairs for x in pair}) == 1:
        assert found is None
    else:
        same = sum(x == y for x, y in pairs) / n
        assert found == pytest.approx((same - chance) / (1 - chance), abs=1e-9)


def test_the_page_has_every_disagreement(tmp_path: Path) -> None:
    files = [
        _file(tmp_path / "1.jsonl", "<p>", i="a t", j=""),
        _file(tmp_path / "2.jsonl", "q", i="", j=""),
    ]
    write_agreement(tmp_path / "page.html", read_answered(files, LABELS), LABELS)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "text i" in page and "text j" not in page and "nothing abnormal" in page
    assert "&lt;p&gt;" in page and "<p>," not in page


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    one = _file(tmp_path / "1.jsonl", "p", i="a")
    other = _file(tmp_path / "2.jsonl", "q", k="a")
    again = _file(tmp_path / "3.jsonl", "p", i="a")
    with pytest.raises(InputError, match="two annotators or more"):
        read_answered([one], LABELS)
    with pytest.raises(InputError, match="no text in common"):
        read_answered([one, other], LABELS)
    with pytest.raises(InputError, match=r"3\.jsonl: is by 'p', as another"):
        read_answered([one, again], LABELS)
    rows = other.read_text(encoding="utf-8").replace('"k"', '"i"')
    other.write_text(rows, encoding="utf-8")
    with pytest.raises(InputError, match="'i' is of different texts"):
        read_answered([one, other], LABELS)
