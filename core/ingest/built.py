"""Reading the files of a built cohort folder."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.ingest.flow import FLOW_COLUMNS, FlowRow
from crossdl.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd

IndexArray = npt.NDArray[np.int64]
FORMAT = 1
"""Format of cohort folders that this version reads."""
_AGAIN = "build the cohort again with `crossdl cohort build`"


def read_facts(folder: Path) -> dict[str, Any]:
    """``cohort.json`` of a cohort folder.

    Raises:
        InputError: There is no cohort here, or of a format that this version does not know.
    """
    path = folder / "cohort.json"
    if not path.is_file():
        what = "has no cohort.json, so it is no finished cohort" if folder.is_dir() else "not found"
        raise InputError(f"{folder}: {what}; give the folder that `crossdl cohort build` wrote")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        found = facts["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: is damaged; {_AGAIN}") from error
    if found != FORMAT:
        raise InputError(
            f"{path}: is of format {found!r}, this version of crossdl reads {FORMAT}; {_AGAIN}"
        )
    return dict(facts)


def built_anatomy(folder: Path) -> Anatomy:
    """The anatomy that a cohort was built for.

    Raises:
        InputError: As :func:`read_facts`, or the anatomy in it is damaged.
    """
    try:
        return Anatomy.model_validate(read_facts(folder).get("anatomy"))
    except ValidationError as error:
        raise InputError(f"{folder / 'cohort.json'}: its anatomy is damaged; {_AGAIN}") from error


def read_cohort_table(folder: Path, name: str, columns: Sequence[str] = ()) -> pd.DataFrame:
    """One of the parquet tables of a cohort folder.

    Args:
        folder: The cohort.
        name: Of the file.
        columns: Columns that it must have.

    Raises:
        InputError: The table is missing, damaged or lacks a column.
    """
    import pandas as pd

    path = folder / name
    if not path.is_file():
        raise InputError(f"{path}: is missing; {_AGAIN}")
    try:
        table = pd.read_parquet(path)
    except Exception as error:  # pyarrow raises many kinds for damaged files
        raise InputError(f"{path}: is damaged; {_AGAIN}") from error
    lost = [column for column in columns if column not in table.columns]
    if lost:
        raise InputError(f"{path}: has no column {lost[0]!r}; {_AGAIN}")
    return table


def label_matrices(folder: Path, scans: Sequence[str], anatomy: Anatomy) -> FloatArray:
    """The labels of a cohort folder.

    Args:
        folder: The cohort.
        scans: n scans in the wanted order.
        anatomy: The one it was built for.

    Returns:
        ``(n, N + 2, M)`` probabilities.

    Raises:
        InputError: The table is missing or damaged, or has names that scans or anatomy have not.
    """
    name = "labels.parquet"
    table = read_cohort_table(folder, name, ("scan", "region", "type", "probability"))
    places = tuple(
        _positions(folder / name, known, table[column])
        for known, column in (
            (scans, "scan"),
            (anatomy.label_names, "region"),
            (anatomy.type_names, "type"),
        )
    )
    shape = (len(scans), len(anatomy.label_names), anatomy.n_types)
    matrices = np.zeros(shape, dtype=np.float32)
    matrices[places] = table["probability"].to_numpy(dtype=np.float32)
    return matrices


def read_flow(folder: Path) -> list[FlowRow]:
    """The rows of ``flow.csv``.

    Raises:
        InputError: The file is missing or damaged.
    """
    path = folder / "flow.csv"
    if not path.is_file():
        raise InputError(f"{path}: is missing; {_AGAIN}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [
                FlowRow(row["step"], row["reason"], *(int(row[c]) for c in FLOW_COLUMNS[2:]))
                for row in csv.DictReader(file, strict=True)
            ]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: is damaged; {_AGAIN}") from error


def _positions(path: Path, known: Sequence[str], names: pd.Series) -> IndexArray:
    """Index of every name among the known ones."""
    import pandas as pd

    found = pd.Index(known).get_indexer(names)
    for k in np.flatnonzero(found < 0):
        raise InputError(f"{path}: {names.iloc[k]!r} is not known to the cohort; {_AGAIN}")
    return np.asarray(found, dtype=np.int64)
