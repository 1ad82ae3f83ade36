from __future__ import annotations

from pathlib import Path

import openpyxl
import pytest

from crossdl.errors import InputError
from crossdl.report_files import ReportRow, read_rows


def _file(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode("utf-8"))
    return path


def _book(folder: Path, rows: list[list[object]], name: str = "reports.xlsx") -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(folder / name)
    return folder / name


def _read(path: Path, column: str | None = None, encoding: str | None = None) -> list[ReportRow]:
    return list(read_rows(path, column=column, encoding=encoding))


def test_txt_is_a_sentence_a_line(tmp_path: Path) -> None:
    path = _file(tmp_path, "a.txt", "\ufeffLeft bleed\r\n\r\n 左额叶出血\n")
    assert _read(path) == [
        ReportRow(0, None, "Left bleed", "sentence"),
        ReportRow(1, None, "", "sentence"),
        ReportRow(2, None, "左额叶出血", "sentence"),
    ]


def test_csv_takes_the_known_column_and_ids(tmp_path: Path) -> None:
    path = _file(tmp_path, "a.csv", 'id,findings\n7,"one, two\nthree"\n,four\n')
    assert _read(path) == [
        ReportRow(0, "7", "one, two\nthree", "findings"),
        ReportRow(1, None, "four", "findings"),
    ]
    assert _read(_file(tmp_path, "b.csv", "sentence\nx\n"))[0].kind == "sentence"


def test_named_column_holds_findings_unless_called_sentence(tmp_path: Path) -> None:
    path = _file(tmp_path, "a.csv", "报告,sentence\n一,二\n")
    assert _read(path, "报告") == [ReportRow(0, None, "一", "findings")]
    assert _read(path, "sentence") == [ReportRow(0, None, "二", "sentence")]


def test_xlsx(tmp_path: Path) -> None:
    path = _book(tmp_path, [["id", "findings"], [3, "左额叶出血。"], [None, None], ["x", 5]])
    assert _read(path) == [
        ReportRow(0, "3", "左额叶出血。", "findings"),
        ReportRow(1, None, "", "findings"),
        ReportRow(2, "x", "5", "findings"),
    ]


def test_jsonl_rows_choose_their_key(tmp_path: Path) -> None:
    path = _file(
        tmp_path, "a.jsonl", '{"id": 1, "sentence": "a"}\n\n{"findings": null}\n{"findings": "b"}'
    )
    assert _read(path) == [
        ReportRow(0, "1", "a", "sentence"),
        ReportRow(1, None, "", "findings"),
        ReportRow(2, None, "b", "findings"),
    ]
    assert _read(_file(tmp_path, "b.jsonl", '{"text": "c"}'), "text")[0].text == "c"


@pytest.mark.parametrize(
    ("name", "data", "column", "message"),
    [
        ("a.txt", "", None, "a.txt: has no rows"),
        ("a.csv", "", None, "a.csv: has no rows"),
        ("a.csv", "findings\n", None, "a.csv: has no rows"),
        ("a.xlsx", b"", None, "a.xlsx: has no rows"),
        ("a.xlsx", b"not a book", None, "cannot be read as an .xlsx"),
        ("a.jsonl", "\n", None, "a.jsonl: has no rows"),
        ("a.pdf", "x", None, r"ending \.pdf is not known; .*\.txt, \.csv, \.xlsx, \.jsonl"),
        ("a.txt", "x", "text", "no columns"),
        ("a.csv", "text,note\na,b\n", None, "neither .* its columns are text, note"),
        ("a.csv", "sentence,findings\na,b\n", None, "both of .* sentence, findings"),
        ("a.csv", "report,note\na,b\n", "repotr", "are report, note; did you mean 'report'"),
        ("a.csv", "findings,findings\na,b\n", None, "more than one column"),
        ("a.csv", "findings,id\na, b, c\n", None, "line 2 has 3 fields and the header 2"),
        ("a.csv", 'findings\n"a', None, "a.csv: line 2"),
        ("a.jsonl", '{"sentence": "a"}\n{"sentence": }', None, "line 2 is not JSON"),
        ("a.jsonl", '["a"]', None, "line 1 is not an object"),
        ("a.jsonl", '{"text": "a"}', None, "has no key 'sentence' or 'findings'.* are text"),
        ("a.jsonl", '{"sentence": "a", "findings": "b"}', None, "both of the keys"),
        ("a.jsonl", '{"report": "a"}', "repord", "did you mean 'report'"),
        ("a.jsonl", '{"sentence": 5}', None, "must be a text"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, name: str, data: str | bytes, column: str | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        _read(_file(tmp_path, name, data), column)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        _read(tmp_path / "a.txt")
    with pytest.raises(InputError, match="is a folder"):
        _read(tmp_path)


def test_gb18030_is_recognised_and_read_on_request(tmp_path: Path) -> None:
    path = _file(tmp_path, "reports.csv", "id,findings\n1,左侧额叶出血。\n".encode("gb18030"))
    message = (
        "reports.csv: line 2 is not UTF-8 (byte 0xD7); the file reads as GB18030: "
        "pass --encoding gb18030"
    )
    with pytest.raises(InputError) as error:
        _read(path)
    assert str(error.value) == message
    assert _read(path, encoding="gb18030")[0].text == "左侧额叶出血。"


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        ("左额叶".encode("utf-16"), None, "reads as UTF-16: pass --encoding utf-16"),
        (b"abc\xff\xff", None, "line 1 is not UTF-8 .byte 0xFF.; give the file's encoding"),
        ("左".encode("gb18030"), "ascii", "line 1 is not ASCII .byte 0xD7."),
        (b"abc", "utf-88", "--encoding utf-88: is not known"),
        (b"abc", "hex", "--encoding hex: is not known"),
        (b"abc", "utf-16,utf-8", "cannot be mixed"),
        ("abc左".encode("utf-16-le"), None, "reads as UTF-16: pass --encoding utf-16-le"),
        ("abc左".encode("utf-16-be"), None, "reads as UTF-16: pass --encoding utf-16-be"),
        (b"\xff\xfea", "utf-16", "is not utf-16 "),
    ],
)
def test_other_encodings(tmp_path: Path, data: bytes, encoding: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        _read(_file(tmp_path, "a.txt", data), encoding=encoding)


def test_xlsx_has_no_encoding(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no encoding"):
        _read(_book(tmp_path, [["findings"], ["a"]]), encoding="utf-8")


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    rows = ["id,findings", "1,左侧额叶出血，中线居中。", "2,右侧枕叶出血。", "3,脑室正常。"]
    parts = [row.encode("gb18030" if row[0] == "2" else "utf-8") for row in rows]
    return _file(tmp_path, "mixed.csv", b"\r\n".join(parts))


def test_mixed_encodings_are_named_and_read_on_request(mixed: Path) -> None:
    with pytest.raises(InputError) as error:
        _read(mixed)
    assert str(error.value) == (
        "mixed.csv: line 3 is not UTF-8 (byte 0xD3) but reads as GB18030, as 1 line(s) do, and "
        "2 are UTF-8: pass --encoding utf-8,gb18030 to read each as what it is"
    )
    rows = _read(mixed, encoding="utf-8,gb18030")
    assert [r.text for r in rows] == ["左侧额叶出血，中线居中。", "右侧枕叶出血。", "脑室正常。"]


def test_bad_rows_are_kept_with_their_problem(mixed: Path, tmp_path: Path) -> None:
    rows = list(read_rows(mixed, column=None, encoding=None, keep_bad=True))
    assert [(r.index, r.id, r.problem is None) for r in rows] == [
        (0, "1", True), (1, None, False), (2, "3", True)
    ]  # fmt: skip
    assert "line 3 is not UTF-8" in str(rows[1].problem)
    table = _file(tmp_path, "a.csv", 'findings,id\na,1\n"b\nc",2,3\n"d"x,4\ne,5\n')
    rows = list(read_rows(table, column=None, encoding=None, keep_bad=True))
    assert [r.id for r in rows] == ["1", None, None, "5"]
    assert "line 4 has 3 fields" in str(rows[1].problem)
    assert "line 5: " in str(rows[2].problem)
    lines = _file(tmp_path, "a.jsonl", '{"findings": "a"}\n{"findings": \n{"findings": "b"}\n')
    rows = list(read_rows(lines, column=None, encoding=None, keep_bad=True))
    assert [r.text for r in rows] == ["a", "", "b"]
    assert "line 2 is not JSON" in str(rows[1].problem)


def test_a_megabyte_in_a_cell_and_nul_bytes_are_read(tmp_path: Path) -> None:
    text = "左额叶出血。" * 170_000
    (row,) = _read(_file(tmp_path, "a.csv", f'findings\n"{text}"\n'))
    assert row.text == text
    (row,) = _read(_file(tmp_path, "b.csv", "findings\n左额叶\x00出血\n"))
    assert row.text == "左额叶\x00出血"


def test_rows_come_before_the_file_is_read_to_its_end(tmp_path: Path) -> None:
    path = _file(tmp_path, "a.csv", b"findings\n" + b"no bleed\n" * 1000 + b"\xff\n")
    rows = read_rows(path, column=None, encoding=None)
    assert next(rows).text == "no bleed"
    with pytest.raises(InputError, match="line 1002"):
        list(rows)
