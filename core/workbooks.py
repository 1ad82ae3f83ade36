"""Reading tables from .xlsx files that may be damaged, or say more rows than they have."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from crossdl.errors import InputError

Cells = tuple[Any, ...]
_BLOCK = 1000  # rows read at a time
_EMPTY = 100_000  # rows in a row that may be empty
_UNPACKED = 2**30  # bytes that a file may unpack to, whatever its size
_RATIO = 200  # and how many times its size beyond that


def sheet_rows(path: Path) -> Iterator[Cells]:
    """Rows of the first worksheet, some at a time in memory.

    Empty rows are ``()``; others that are shorter than the first one are filled with None.

    Args:
        path: An .xlsx file.

    Raises:
        InputError: The file is damaged, or no .xlsx file.
    """
    rows, width = _rows(path), None
    while block := _next(path, rows):
        for row in block:
            width = len(row) if width is None else width
            empty = all(cell is None for cell in row)
            yield () if empty else (*row, *(None,) * (width - len(row)))


def _next(path: Path, rows: Iterator[Cells]) -> list[Cells]:
    """Some more rows; whatever goes wrong is an :class:`InputError`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # styles and extensions that do not matter here
            return list(islice(rows, _BLOCK))
    except (InputError, FileNotFoundError):
        raise
    except Exception as error:  # openpyxl, zipfile and expat raise many kinds
        raise InputError(
            f"{path.name}: cannot be read as an .xlsx file ({type(error).__name__}); open it and "
            "save it again, or save it as .csv"
        ) from error


def _rows(path: Path) -> Iterator[Cells]:
    from zipfile import ZipFile

    import openpyxl

    with ZipFile(path) as archive:
        unpacked = sum(part.file_size for part in archive.infolist())
    if unpacked > max(_UNPACKED, _RATIO * path.stat().st_size):
        raise InputError(f"{path.name}: unpacks to {unpacked / 2**30:.0f} GiB; save it as .csv")
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what the file says of its size may be wrong
        empty = 0
        for row in sheet.iter_rows(values_only=True):
            empty = empty + 1 if all(cell is None for cell in row) else 0
            if empty > _EMPTY:
                raise InputError(f"{path.name}: has more than {_EMPTY} empty rows; remove them")
            yield row
    finally:
        book.close()
