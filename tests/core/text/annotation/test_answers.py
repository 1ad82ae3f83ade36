from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from crossdl.errors import InputError
from crossdl.labels import ReportLabels
from crossdl.text.annotation.answers import NOT_USABLE, Answer, AnswerBook, Item, read_items
from crossdl.text.labelled import read_labelled

LABELS = ReportLabels(name="x", title="X", region_labels=("a", "b"), type_labels=("t", "u"))
ITEMS = [Item(str(i), "sentence", f"text {i}") for i in range(3)]


def _answer(regions: str = "", types: str = "") -> Answer:
    return Answer(frozenset(regions.split()), frozenset(types.split()))


def test_every_answer_is_a_whole_file_that_training_reads(tmp_path: Path) -> None:
    path = tmp_path / "new" / "anna.jsonl"
    book = AnswerBook(path, " anna ", ITEMS, LABELS)
    assert not path.exists() and book.open == [0, 1, 2]
    book.save(ITEMS[2], _answer("b a", "t"))
    book.save(ITEMS[1], NOT_USABLE)
    book.save(ITEMS[0], _answer("a"))
    book.save(ITEMS[0], _answer())
    data = read_labelled(path, LABELS)
    assert (data.ids, data.annotators) == (("0", "2"), ("anna", "anna"))
    assert data.regions.tolist() == [[0, 0], [1, 1]] and data.types.tolist() == [[0, 0], [1, 0]]
    again = AnswerBook(path, "anna", [*ITEMS, Item("3", "sentence", "new")], LABELS)
    assert again.answers == book.answers and again.open == [3]


def test_an_answer_that_cannot_be_written_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = AnswerBook(tmp_path / "a.jsonl", "anna", ITEMS, LABELS)
    book.save(ITEMS[0], _answer("a", "t"))
    before = book.path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            book.save(ITEMS[1], _answer())
    assert book.path.read_bytes() == before and [*tmp_path.iterdir()] == [book.path]
    assert book.open == [1, 2]
    book.save(ITEMS[1], _answer())
    assert book.open == [2]


def test_answers_of_a_larger_sample_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    AnswerBook(path, "anna", ITEMS, LABELS).save(ITEMS[2], _answer("a", "t"))
    AnswerBook(path, "anna", ITEMS[:2], LABELS).save(ITEMS[0], _answer())
    assert read_labelled(path, LABELS).ids == ("2", "0")


def test_two_forms_at_once_are_noticed(tmp_path: Path) -> None:
    first, second = (AnswerBook(tmp_path / "a.jsonl", "anna", ITEMS, LABELS) for _ in range(2))
    first.save(ITEMS[0], _answer())
    with pytest.raises(InputError, match="changed by another program"):
        second.save(ITEMS[1], _answer())
    assert read_labelled(first.path, LABELS).ids == ("0",)


def test_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    AnswerBook(path, "anna", ITEMS, LABELS).save(ITEMS[0], _answer())
    with pytest.raises(InputError, match="was labelled by 'anna', not 'ben'"):
        AnswerBook(path, "ben", ITEMS, LABELS)
    with pytest.raises(InputError, match="'0' is another text"):
        AnswerBook(path, "anna", [Item("0", "sentence", "changed")], LABELS)
    with pytest.raises(InputError, match=r"as \.jsonl"):
        AnswerBook(tmp_path / "a.csv", "anna", ITEMS, LABELS)
    with pytest.raises(InputError, match="--annotator"):
        AnswerBook(path, " ", ITEMS, LABELS)
    with pytest.raises(InputError, match="is a folder"):
        (tmp_path / "b.jsonl").mkdir()
        AnswerBook(tmp_path / "b.jsonl", "anna", ITEMS, LABELS)


def test_known_answers_are_written_but_not_asked(tmp_path: Path) -> None:
    given = {"anna": _answer("a", "t"), "ben": _answer("a b", "t")}
    disputed = Item("1", "sentence", "text 1", None, given)
    assert disputed.agreed == _answer("a", "t")
    agreed = Item("0", "sentence", "text 0", None, dict.fromkeys(given, _answer("b", "u")))
    for _ in range(2):  # starting again keeps both
        book = AnswerBook(
            tmp_path / "gold.jsonl", "carl", [disputed], LABELS, [(agreed, _answer("b", "u"))]
        )
        book.write()
        assert book.open == ([0] if not book.answers else [])
        book.save(disputed, _answer("a", "t"))
    data = read_labelled(book.path, LABELS)
    assert (data.ids, data.annotators) == (("0", "1"), ("anna+ben", "carl"))
    # what they once agreed on and now do not is asked
    later = Item("0", "sentence", "text 0", None, given)
    assert AnswerBook(book.path, "carl", [later], LABELS).open == [0]


def test_samples_are_read_with_their_suggestions(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    rows = [
        {"id": "1", "findings": "x", "suggestion": {"regions": ["a"], "types": {"t": 0.9, "u": 0}}},
        {"id": "2", "findings": "y", "count": 3},
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert read_items(path, LABELS) == [
        Item("1", "findings", "x", _answer("a", "t")),
        Item("2", "findings", "y"),
    ]
    path.write_text(json.dumps(rows[0] | {"suggestion": ["a"]}), encoding="utf-8")
    with pytest.raises(InputError, match="'suggestion' must have"):
        read_items(path, LABELS)
