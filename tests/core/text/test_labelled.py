from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdl.anatomy import load_anatomy
from crossdl.errors import InputError
from crossdl.labels import ReportLabels
from crossdl.text.labelled import LabelledTexts, read_labelled, write_labelled

ANATOMY = load_anatomy("head_ct")
R, T = len(ANATOMY.label_names), ANATOMY.n_types
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
P = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1, width=32))


@st.composite
def labelled(draw: st.DrawFn) -> LabelledTexts:
    ids = draw(st.lists(TEXT.filter(bool), min_size=1, max_size=4, unique=True))
    n = len(ids)

    def columns(width: int) -> np.ndarray:
        row = st.one_of(
            st.lists(st.sampled_from([0.0, 1.0]), min_size=width, max_size=width),
            st.lists(P, min_size=width, max_size=width),
        )
        rows = draw(st.lists(row, min_size=n, max_size=n))
        return np.array(rows, dtype=np.float32).reshape(n, width)

    return LabelledTexts(
        tuple(ids),
        tuple(draw(st.lists(TEXT, min_size=n, max_size=n))),
        columns(R),
        columns(T),
        tuple(draw(st.lists(st.none() | TEXT.filter(bool), min_size=n, max_size=n))),
        draw(st.sampled_from(["sentence", "report"])),
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=labelled(), ending=st.sampled_from([".csv", ".jsonl"]))
def test_reading_gives_back_what_was_written(
    data: LabelledTexts, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"labels{ending}"
    write_labelled(path, data, ANATOMY)
    again = read_labelled(path, ANATOMY)
    assert (again.ids, again.texts, again.annotators) == (data.ids, data.texts, data.annotators)
    assert again.level == data.level
    assert again.regions.dtype == again.types.dtype == np.float32
    np.testing.assert_array_equal(again.regions, data.regions)
    np.testing.assert_array_equal(again.types, data.types)


def _lines(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_names_probabilities_and_unusable_rows(tmp_path: Path) -> None:
    path = _lines(
        tmp_path / "a.jsonl",
        {
            "id": 7,
            "sentence": "x",
            "regions": ["brain_stem"],
            "types": {"intra_hypo": 0.25},
            "annotator": "an",
            "source": "whatever else",
        },
        {"id": "8", "sentence": "knee", "regions": [], "types": [], "usable": 0},
        {"sentence": "y", "regions": [], "types": [], "usable": 1},
    )
    data = read_labelled(path, ANATOMY)
    assert (data.ids, data.texts, data.annotators) == (("7", "3"), ("x", "y"), ("an", None))
    assert data.regions[0, ANATOMY.label_names.index("brain_stem")] == data.regions.sum() == 1
    assert data.types[0, ANATOMY.type_names.index("intra_hypo")] == data.types.sum() == 0.25
    assert data.labels.sentences == data.texts and data.labels.regions is data.regions
    assert data.take([1, 0]).ids == ("3", "7") and data.take([]).regions.shape == (0, R)
    assert data.take(np.array([0])).types.tolist() == data.types[:1].tolist()


@pytest.mark.parametrize(
    "matrix",
    [
        {"brain_stem": {"intra_hypo": 0.25, "intra_hyper": 1}, "other": {"intra_hypo": 0.5}},
        [["brain_stem", "intra_hyper"], ["other", "intra_hypo"]],
    ],
)
def test_a_matrix_gives_any_over_types_and_any_over_regions(tmp_path: Path, matrix: object) -> None:
    path = _lines(tmp_path / "a.jsonl", {"id": "1", "findings": "x", "matrix": matrix})
    data = read_labelled(path, ANATOMY)
    soft = 0.5 if isinstance(matrix, dict) else 1.0
    assert data.level == "report"
    regions = dict(zip(ANATOMY.label_names, data.regions[0].tolist(), strict=True))
    types = dict(zip(ANATOMY.type_names, data.types[0].tolist(), strict=True))
    assert {k: v for k, v in regions.items() if v} == {"brain_stem": 1, "other": soft}
    assert {k: v for k, v in types.items() if v} == {"intra_hyper": 1, "intra_hypo": soft}


def test_csv_of_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    text = (
        'id,text,regions,types\r\na,"左侧, 额叶",brain_stem; other=0.5,\r\n\r\nb,,,intra_hypo\r\n'
    )
    path.write_bytes(text.encode("gb18030"))
    data = read_labelled(path, ANATOMY, column="text", encoding="gb18030")
    assert (data.ids, data.texts, data.level) == (("a", "b"), ("左侧, 额叶", ""), "report")
    assert data.regions.sum() == 1.5 and data.types.sum() == 1
    with pytest.raises(InputError, match=r"a\.csv: .*is not UTF-8 .*encoding"):
        read_labelled(path, ANATOMY)


GOOD = {"id": "1", "sentence": "x", "regions": [], "types": []}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (GOOD | {"regions": ["brain_stm"]}, "no label 'brain_stm'; did you mean 'brain_stem'"),
        (GOOD | {"types": {"intra_hypo": 1.5}}, "types.intra_hypo must be from 0 to 1, not 1.5"),
        (GOOD | {"types": {"intra_hypo": float("nan")}}, "types.intra_hypo must be from 0 to 1"),
        (GOOD | {"types": {"intra_hypo": "1"}}, "must be from 0 to 1, not '1'"),
        (GOOD | {"types": 3}, "'types' must be a list of names"),
        (GOOD | {"sentence": None}, "'sentence' must be a text"),
        (GOOD | {"usable": "maybe"}, "'usable' must be 0 or 1"),
        (GOOD | {"id": "0"}, "id '0' is already in line 1"),
        ({"id": "1", "sentence": "x", "regions": [], "type": []}, "'types'.*did you mean 'type'"),
        ({"id": "1", "sentence": "x", "matrix": [["other"]]}, "'matrix' must be region"),
        ({"id": "1", "sentence": "x", "matrix": {"oter": {}}}, None),
        ({"id": "1", "sentence": "x", "matrix": [["oter", "x"]]}, "did you mean 'other'"),
        ({"id": "1", "regions": [], "types": []}, "there is no 'sentence'"),
        ([], "is not an object"),
    ],
)
def test_mistakes_name_file_and_line(tmp_path: Path, row: object, said: str | None) -> None:
    path = _lines(tmp_path / "a.jsonl", GOOD | {"id": "0"}, row)
    if said is None:  # a region without types says nothing
        assert not read_labelled(path, ANATOMY).regions.any()
        return
    with pytest.raises(InputError, match=rf"^a\.jsonl: line 2: .*{said}"):
        read_labelled(path, ANATOMY)


def test_mistakes_of_whole_files(tmp_path: Path) -> None:
    def refused(name: str, text: str | None, said: str) -> None:
        path = tmp_path / name
        if text is not None:
            path.write_text(text, encoding="utf-8")
        with pytest.raises(InputError, match=said):
            read_labelled(path, ANATOMY)

    refused("gone.jsonl", None, "no such file")
    refused("a.xlsx", "", r"ending \.xlsx is not known")
    refused("a.jsonl", "\n", r"a\.jsonl: has no rows")
    refused("a.jsonl", "{", r"line 1: is not JSON")
    refused("a.jsonl", "[" * 100_000, r"line 1: is not JSON")
    refused("a.csv", "", r"a\.csv: has no rows")
    refused("a.csv", "id,id\n1,2\n", "more than one column is called 'id'")
    refused("a.csv", "id,sentence,regions,types\n1,x,\n", "row 1, line 2: has 3 fields")
    refused("a.csv", "id,sentence,regions,types\n1,x,a=b,\n", "'b' in 'a=b' is not a number")
    refused("a.csv", 'id,sentence\n1,"x\n', "a.csv: line 2")
    refused("a.csv", "id,text,regions,types\n1,x,,\n", "say which column holds the text: id, text")
    refused("a.csv", "sentence,findings\n1,x\n", "more than one of 'sentence' and 'findings'")


def test_labels_without_anatomy_and_names_that_no_csv_can_hold(tmp_path: Path) -> None:
    labels = ReportLabels(
        name="x", title="X", region_labels=("a", "b;c", "d=1"), type_labels=("t",)
    )
    data = LabelledTexts(
        ("1",),
        ("x" * 200_000,),
        np.array([[0, 1, 0.5]], dtype=np.float32),
        np.zeros((1, 1), dtype=np.float32),
        (None,),
    )
    write_labelled(tmp_path / "a.jsonl", data, labels)
    assert read_labelled(tmp_path / "a.jsonl", labels).regions.tolist() == [[0, 1, 0.5]]
    with pytest.raises(InputError, match=r"'b;c' does not fit into a \.csv"):
        write_labelled(tmp_path / "a.csv", data, labels)
    assert not (tmp_path / "a.csv").exists()
    fits = replace(data, regions=np.array([[0, 0, 1]], dtype=np.float32))
    write_labelled(tmp_path / "a.csv", fits, labels)
    assert read_labelled(tmp_path / "a.csv", labels).regions.tolist() == [[0, 0, 1]]


@pytest.mark.parametrize(
    "change", [{"ids": ("1", "1")}, {"ids": ("", "1")}, {"texts": ("x",)}, {"annotators": ("", "")}]
)
def test_columns_belong_together(change: dict[str, tuple[str, ...]]) -> None:
    zeros = np.zeros((2, 1), dtype=np.float32)
    data = LabelledTexts(("1", "2"), ("x", "y"), zeros, zeros, (None, None))
    with pytest.raises(ValueError, match=r"must be|differ|None"):
        replace(data, **change)
