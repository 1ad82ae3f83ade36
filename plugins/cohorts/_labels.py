"""``labels.csv`` of the NIfTI cohort: abnormal cells of every scan, in long or wide form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.hints import did_you_mean, suggest
from crossdl.plugins.cohorts._tables import column, read_table
from crossdl.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd

LONG = ("scan", "region", "type", "value")
"""Columns of the long form; without ``value`` every row is an abnormal cell."""


def read_labels_table(
    path: Path, scans: Mapping[str, str], anatomy: Anatomy, encoding: str
) -> dict[str, FloatArray]:
    """Reads which cells of which scans are abnormal.

    Long form: columns ``scan,region,type`` and perhaps ``value``, a row per cell; cells of a scan
    without a row are 0, and a row with neither region nor type says that a scan is normal. Wide
    form: ``scan`` and a column ``region/type`` per cell, a row per scan; an empty cell or a cell
    without a column is NaN, nobody assessed it.

    Args:
        path: .csv or .xlsx.
        scans: scan_id by what the table may call a scan: its file name, or that without ending.
        anatomy: Names of regions and types; *other* and *unclear* are regions here.
        encoding: As for :func:`read_table`.

    Returns:
        By scan_id ``(N + 2, M)`` float32 of 0, 1 and NaN, for the scans the table has.

    Raises:
        InputError: A name is unknown, a value is not 0 or 1, or a cell is given twice.
    """
    table = read_table(path, encoding)
    names = column(path, table, LONG[0])
    ids = []
    for row, name in enumerate(names, start=2):
        if name not in scans:
            raise InputError(
                f"{path}: row {row} is of scan {name!r}, which the cohort does not have"
                f"{did_you_mean(name, scans)}"
            )
        ids.append(scans[name])
    if "region" in table.columns or "type" in table.columns:
        return _long(path, table, ids, anatomy)
    return _wide(path, table, ids, anatomy)


def _long(
    path: Path, table: pd.DataFrame, ids: Sequence[str], anatomy: Anatomy
) -> dict[str, FloatArray]:
    regions, types = column(path, table, "region"), column(path, table, "type")
    given = table["value"].tolist() if "value" in table.columns else ["1"] * len(ids)
    shape = (len(anatomy.label_names), anatomy.n_types)
    found = {scan: np.zeros(shape, dtype=np.float32) for scan in ids}
    seen: set[tuple[str, int, int]] = set()
    for row, (scan, region, kind, value) in enumerate(
        zip(ids, regions, types, given, strict=True), start=2
    ):
        if not region and not kind:
            continue  # a scan without any abnormal cell
        cell = _cell(f"{path}: row {row}", region, kind, anatomy)
        if (scan, *cell) in seen:
            raise InputError(f"{path}: row {row} gives {region}/{kind} of its scan a second time")
        seen.add((scan, *cell))
        found[scan][cell] = _value(f"{path}: row {row}", value, cell, anatomy)
    return found


def _wide(
    path: Path, table: pd.DataFrame, ids: Sequence[str], anatomy: Anatomy
) -> dict[str, FloatArray]:
    cells: dict[tuple[int, int], str] = {}
    for name in table.columns:
        if name == LONG[0]:
            continue
        region, slash, kind = name.partition("/")
        if not slash:
            raise InputError(
                f"{path}: column {name!r} is neither {', '.join(LONG[1:])} nor a cell such as "
                f"{anatomy.region_names[0]}/{anatomy.type_names[0]}"
            )
        cells[_cell(f"{path}: column {name!r}", region.strip(), kind.strip(), anatomy)] = name
    if not cells:
        raise InputError(
            f"{path}: has no labels; it needs the columns {', '.join(LONG[1:3])}, or a column per "
            f"cell such as {anatomy.region_names[0]}/{anatomy.type_names[0]}"
        )
    shape = (len(anatomy.label_names), anatomy.n_types)
    found: dict[str, FloatArray] = {}
    for place, scan in enumerate(ids):
        if scan in found:
            raise InputError(f"{path}: row {place + 2} is of scan {scan!r} a second time")
        found[scan] = np.full(shape, np.nan, dtype=np.float32)
        for cell, name in cells.items():
            text = table[name].iloc[place]
            if text:
                where = f"{path}: row {place + 2}, column {name!r}"
                found[scan][cell] = _value(where, text, cell, anatomy)
    return found


def _cell(where: str, region: str, kind: str, anatomy: Anatomy) -> tuple[int, int]:
    """Row and column of a cell."""
    for what, name, known in (
        ("region", region, anatomy.label_names),
        ("type", kind, anatomy.type_names),
    ):
        if name not in known:
            raise InputError(f"{where}: there is no {what} {name!r}{suggest(name, known)}")
    return anatomy.label_names.index(region), anatomy.type_names.index(kind)


def _value(where: str, text: str, cell: tuple[int, int], anatomy: Anatomy) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if value not in (0.0, 1.0):
        raise InputError(f"{where} has the value {text!r}; it must be 0 or 1")
    if value and cell[0] < anatomy.n_regions and not anatomy.possible[cell]:
        names = f"{anatomy.label_names[cell[0]]}/{anatomy.type_names[cell[1]]}"
        raise InputError(f"{where}: {names} cannot occur in {anatomy.title}; correct the label")
    return value
