"""What cohorts made of files share: reading their tables, and drawing patients into splits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.errors import InputError
from crossdl.hints import did_you_mean
from crossdl.types import SPLITS, Split

if TYPE_CHECKING:
    import pandas as pd

AUTO = "auto"
"""Encoding of a text table: UTF-8 where it is, else GB18030."""
_TRIED = {AUTO: ("utf-8-sig", "gb18030"), "utf-8": ("utf-8-sig",)}


def read_table(path: Path, encoding: str = AUTO) -> pd.DataFrame:
    """Reads a .csv or .xlsx file with a header row; all cells as text without blanks around it.

    Args:
        path: The file.
        encoding: Of a .csv file: ``"auto"`` takes UTF-8 where it is, else GB18030.

    Raises:
        InputError: The file is unreadable or has no rows.
    """
    excel = path.suffix.lower() == ".xlsx"
    table = _read_xlsx(path) if excel else _read_csv(path, encoding)
    if table.empty:
        raise InputError(f"{path}: has no rows; fill the table in")
    table.columns = [str(name).strip() for name in table.columns]
    twice = table.columns[table.columns.duplicated() & (table.columns != "")]
    if len(twice):
        raise InputError(f"{path}: has two columns {twice[0]!r}; rename one")
    return table.map(lambda cell: str(cell).strip())


def _read_xlsx(path: Path) -> pd.DataFrame:
    import pandas as pd

    from crossdl.workbooks import sheet_rows

    rows = sheet_rows(path)
    header = [_text(cell) for cell in next(rows, ())]
    body = [[_text(cell) for cell in row[: len(header)]] for row in rows]
    return pd.DataFrame([line for line in body if any(line)], columns=header, dtype=str)


def _text(cell: Any) -> str:
    """A cell as text; a number that Excel made of a whole number loses its ``.0``."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    return "" if cell is None else str(cell)


def _read_csv(path: Path, encoding: str) -> pd.DataFrame:
    import pandas as pd

    for name in _TRIED.get(encoding, (encoding,)):
        try:
            return pd.read_csv(path, dtype=str, keep_default_na=False, encoding=name)
        except UnicodeDecodeError:
            continue
        except LookupError as error:
            raise InputError(
                f"{path}: encoding {encoding!r} is not known; use auto, utf-8 or gb18030"
            ) from error
        except Exception as error:  # pandas raises many kinds
            raise _unreadable(path, error) from error
    tried = "neither UTF-8 nor GB18030" if encoding == AUTO else f"not {encoding}"
    raise InputError(
        f"{path}: is {tried} text; save it as CSV UTF-8 or .xlsx, or name its encoding"
    )


def _unreadable(path: Path, error: Exception) -> InputError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return InputError(f"{path}: cannot be read as a table: {reason}; save it as CSV UTF-8 or .xlsx")


def column(path: Path, table: pd.DataFrame, name: str, field: str = "") -> list[str]:
    """Cells of a column that must be there.

    Args:
        path: What the message names.
        table: Of :func:`read_table`.
        name: Of the column.
        field: Config field that names the column, if one does.

    Raises:
        InputError: There is no such column.
    """
    if name not in table.columns:
        raise InputError(
            f"{path}: has no column {name!r}{f' ({field})' if field else ''}"
            f"{did_you_mean(name, table.columns)}; its columns are {', '.join(table.columns)}"
        )
    cells: list[str] = table[name].tolist()
    return cells


def flags(path: Path, table: pd.DataFrame, name: str) -> list[float]:
    """Cells of a column of 0 and 1; NaN where a cell is empty.

    Raises:
        InputError: There is no such column, or a cell holds something else.
    """
    known = {"0": 0.0, "0.0": 0.0, "1": 1.0, "1.0": 1.0, "": np.nan}
    cells = column(path, table, name)
    for row, cell in zip(table.index, cells, strict=True):
        if cell not in known:
            raise InputError(f"{path}: row {row + 2} has {cell!r} as {name}; it must be 0 or 1")
    return [known[cell] for cell in cells]


def draw_splits(
    patients: Iterable[str], *, valid_fraction: float, test_fraction: float, seed: int
) -> dict[str, Split]:
    """Draws validation and test patients; the others are for training.

    A fraction above 0 gives at least one patient as soon as there are three.

    Returns:
        The split of every patient; it does not depend on the order they are given in.
    """
    names: Sequence[str] = sorted(set(patients))
    order = np.random.default_rng(seed).permutation(len(names))
    fewest = 1 if len(names) >= len(SPLITS) else 0
    n_valid, n_test = (
        max(fewest, round(fraction * len(names))) if fraction else 0
        for fraction in (valid_fraction, test_fraction)
    )
    drawn: dict[str, Split] = {}
    for place, index in enumerate(order):
        drawn[names[index]] = (
            "valid" if place < n_valid else "test" if place < n_valid + n_test else "train"
        )
    return drawn
