from __future__ import annotations

import zipfile
from pathlib import Path

import openpyxl
import pytest

import crossdl.workbooks
from crossdl.errors import InputError
from crossdl.workbooks import sheet_rows

SHEET = "xl/worksheets/sheet1.xml"


def _book(path: Path, rows: list[list[object]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(path)
    return path


def _changed(path: Path, part: str, old: bytes, new: bytes) -> Path:
    """The workbook with one part's bytes replaced."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old in parts[part]
    parts[part] = parts[part].replace(old, new, 1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path


def test_rows_are_as_wide_as_the_first(tmp_path: Path) -> None:
    path = _book(tmp_path / "a.xlsx", [["id", "text", "x"], ["1"], [], ["2", "左侧", 3, 4]])
    assert list(sheet_rows(path)) == [
        ("id", "text", "x"),
        ("1", None, None),
        (),
        ("2", "左侧", 3, 4),
    ]


def test_what_a_sheet_says_of_its_size_is_not_believed(tmp_path: Path) -> None:
    path = _book(tmp_path / "a.xlsx", [["id"], ["1"]])
    _changed(path, SHEET, b'ref="A1:A2"', b'ref="A1:XFD1048576"')
    assert list(sheet_rows(path)) == [("id",), ("1",)]


def test_a_row_far_below_is_refused_or_reached(tmp_path: Path) -> None:
    path = _book(tmp_path / "a.xlsx", [["id"], ["1"]])
    _changed(path, SHEET, b'<row r="2"', b'<row r="90000"')
    rows = list(sheet_rows(path))
    assert len(rows) == 90000 and (rows[0], rows[-1]) == (("id",), ("1",))
    assert not any(rows[1:-1])
    _changed(path, SHEET, b'<row r="90000"', b'<row r="99999999999"')
    with pytest.raises(InputError, match="more than 100000 empty rows"):
        list(sheet_rows(path))


def test_a_wide_first_row_costs_nothing_in_empty_ones(tmp_path: Path) -> None:
    path = _book(tmp_path / "a.xlsx", [["id"], ["1"]])
    _changed(path, SHEET, b'r="A1"', b'r="XFD1"')
    _changed(path, SHEET, b'<row r="2"', b'<row r="90000"')
    rows = list(sheet_rows(path))
    assert (len(rows[0]), len(rows), rows[1], rows[-1][0]) == (16384, 90000, (), "1")


def test_what_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossdl.workbooks, "_UNPACKED", 2**20)
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(SHEET, bytes(2**23))
    with pytest.raises(InputError, match="unpacks to 0 GiB"):
        list(sheet_rows(path))


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (SHEET, b"<sheetData>", b"<sheetData"),
        (SHEET, b'r="A2"', b'r="ZZZZZZ2"'),
        (SHEET, b'r="A2"', b'r="?"'),
        ("xl/workbook.xml", b"<sheets>", b"<!--"),
        ("docProps/core.xml", b">", b"\x00"),
        ("[Content_Types].xml", b"sheet.main+xml", b"chart+xml"),
    ],
)
def test_damage_is_an_error_that_names_the_file(
    tmp_path: Path, part: str, old: bytes, new: bytes
) -> None:
    path = _changed(_book(tmp_path / "a.xlsx", [["id"], ["1"]]), part, old, new)
    with pytest.raises(InputError, match=r"a\.xlsx: cannot be read"):
        list(sheet_rows(path))
