"""Tables of reports as hospitals write them, and what broken ones get to hear."""

from __future__ import annotations

import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdl.errors import InputError
from crossdl.ingest.reports import Report, parse_time, read_reports
from crossdl.ingest.rules import load_rules

RULES = load_rules(None)[0]
FORMATS = RULES.reports.time_formats
HEADER = [
    "患者编号",
    "检查时间",
    "EXAM_CLASS",
    "EXAM_SUB_CLASS",
    "EXAM_PARA",
    "检查所见",
    "年龄",
    "性别",
]
ROW = ["007", "2019年3月4日 10:05", "ct", "头颈", "头颅平扫", "左侧额叶，高密度影。", "45岁", "女"]


def read(path: Path) -> list[Report]:
    return list(read_reports(path, RULES))


def as_csv(path: Path, rows: list[list[Any]], encoding: str = "utf-8") -> Path:
    text = "\n".join(",".join(map(str, row)) for row in rows) + "\n"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_encodings_are_found(tmp_path: Path, encoding: str) -> None:
    (row,) = read(as_csv(tmp_path / "r.csv", [HEADER, ROW], encoding))
    assert (row.patient, row.time) == ("007", datetime(2019, 3, 4, 10, 5))
    assert (row.findings, row.age, row.sex, row.reason) == (ROW[5], 45.0, "F", None)


def test_the_three_formats_agree(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for line in (HEADER, ROW, [None] * 8):
        book.active.append(line)
    book.save(tmp_path / "r.xlsx")
    lines = json.dumps(dict(zip(HEADER, ROW, strict=True)), ensure_ascii=False) + "\n\n"
    (tmp_path / "r.jsonl").write_text(lines, encoding="utf-8")
    expected = read(as_csv(tmp_path / "r.csv", [HEADER, ROW]))
    assert read(tmp_path / "r.xlsx") == read(tmp_path / "r.jsonl") == expected


def test_spreadsheet_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    for patient, time in ((7, datetime(2019, 3, 4, 10)), (7.0, date(2019, 3, 4)), (8, 43528.5)):
        book.active.append([patient, time, *ROW[2:]])
    book.save(tmp_path / "r.xlsx")
    rows = read(tmp_path / "r.xlsx")
    assert [r.patient for r in rows] == ["7", "7", "8"]
    midnight = datetime(2019, 3, 4)
    assert [r.time for r in rows] == [
        midnight.replace(hour=10),
        midnight,
        midnight.replace(hour=12),
    ]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [(2, "MR", "require_exam_class"), (3, "胸部", "require_exam_sub_class"),
     (4, "头颅平扫+CTP", "exclude_parameters"), (4, "Orbit CT", "exclude_parameters"),
     (0, " ", "no_patient"), (1, "2019-13-01", "no_time"), (5, " 。", "no_findings")],
)  # fmt: skip
def test_reports_are_refused_with_a_reason(
    tmp_path: Path, column: int, value: str, reason: str
) -> None:
    row = [*ROW[:column], value, *ROW[column + 1 :]]
    (found,) = read(as_csv(tmp_path / "r.csv", [HEADER, row]))
    assert found.reason == reason and found.findings == ""


def test_equal_rows_count_once(tmp_path: Path) -> None:
    rows = read(as_csv(tmp_path / "r.csv", [HEADER, ROW, [*ROW[:6], "46岁", "女"], ROW]))
    assert [row.reason for row in rows] == [None, None, "duplicate"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("r.csv", ",".join(HEADER[1:]).encode(), "no column for patient"),
        ("r.csv", "患者编号,检查时间,检查所见\n1,2,3,4\n".encode(), "line 2 has 4 fields"),
        ("r.csv", b'PATIENT_ID,"', "line 1"),
        ("r.csv", b"", "empty"),
        ("r.csv", b"\xff\xff,\x80\n", "encoding"),
        ("r.xlsx", b"PK no zip", "cannot be read"),
        ("r.jsonl", b'{"PATIENT_ID": 1\n', "line 1 is not JSON"),
        ("r.jsonl", b"[1]\n", "line 1 is not an object"),
        ("r.jsonl", b"[" * 100_000, "line 1 is not JSON"),
        ("r.doc", b"", ".doc"),
    ],
)
def test_broken_tables(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    if name == "r.csv" and said == "no column for patient":
        content += b"\n" + ",".join(ROW[1:]).encode()
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=said):
        read(tmp_path / name)


@pytest.mark.parametrize(
    "text",
    ["2019-03-04 10:05:00", "2019/03/04 10:05", "20190304100500", "2019-03-04T10:05:00+08:00",
     "20190304 100500", "2019年03月04日 10:05", "2019年3月4日10时5分"],
)  # fmt: skip
def test_times(text: str) -> None:
    assert parse_time(text, FORMATS) == datetime(2019, 3, 4, 10, 5)


@pytest.mark.parametrize("text", ["", "未知", "201903041", "2019030410", "0000-00-00", "12", None])
def test_no_times(text: str | None) -> None:
    assert parse_time(text, FORMATS) is None


@given(st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1)), st.sampled_from(FORMATS))
def test_written_times_are_read_back(when: datetime, pattern: str) -> None:
    text = when.strftime(pattern)
    assert parse_time(text, FORMATS) == datetime.strptime(text, pattern)


@given(st.binary(max_size=300), st.sampled_from([".csv", ".jsonl", ".xlsx"]))
def test_any_bytes_end_in_rows_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, ending: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{ending}"
    path.write_bytes(content)
    try:
        rows = read(path)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert all(isinstance(row, Report) for row in rows)
