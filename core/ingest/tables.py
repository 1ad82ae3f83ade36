"""The public tables of a cohort: their columns, and writing them the same way every time."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.files import replacing
from crossdl.ingest.flow import FLOW_COLUMNS, FlowRow

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
COLUMNS: dict[str, dict[str, str]] = {
    "scans": {
        "scan": "string", "patient": "string", "report": "string", "split": "string",
        "hours_apart": "double", "age_years": "double", "sex": "string", "manufacturer": "string",
        "model": "string", "kernel": "string", "description": "string", "spacing_mm": "double",
        "thickness_mm": "double", "slices": "int64", "tilt_degrees": "double",
        "shape": "list<int64>", "volume": "string", "affine": "list<double>",
        "source_digest": "string", "warnings": "list<string>",
    },
    "reports": {
        "report": "string", "patient": "string", "sentences": "int64", "findings": "string",
        "impression": "string",
    },
    "labels": {
        "scan": "string", "region": "string", "type": "string", "probability": "double",
    },
    "splits": {"patient": "string", "split": "string", "scans": "int64"},
    "dropped": {
        "what": "string", "id": "string", "step": "string", "reason": "string",
        "detail": "string",
    },
}  # fmt: skip
"""Table → column → type."""


def write_table(folder: Path, name: str, rows: Iterable[Row], leave_out: Sequence[str] = ()) -> str:
    """Writes ``NAME.parquet``.

    Args:
        folder: The cohort.
        name: One of :data:`COLUMNS`.
        rows: Rows in their final order.
        leave_out: Columns that the cohort does not have.

    Returns:
        SHA-256 of the file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {c: kind for c, kind in COLUMNS[name].items() if c not in leave_out}
    schema = pa.schema([(column, _type(kind)) for column, kind in columns.items()])
    table = pa.Table.from_pylist([{c: row.get(c) for c in columns} for row in rows], schema)
    with replacing(folder / f"{name}.parquet") as working:
        pq.write_table(table, working, compression="zstd")
        return _sha256(working)


def write_flow(folder: Path, rows: Sequence[FlowRow]) -> str:
    """Writes ``flow.csv``; returns its SHA-256."""
    with replacing(folder / "flow.csv") as working:
        with working.open("w", encoding="utf-8", newline="") as file:
            lines = csv.writer(file, lineterminator="\n")
            lines.writerow(FLOW_COLUMNS)
            lines.writerows([getattr(row, column) for column in FLOW_COLUMNS] for row in rows)
        return _sha256(working)


def _type(name: str) -> pa.DataType:
    import pyarrow as pa

    if name.startswith("list<"):
        return pa.list_(_type(name[5:-1]))
    return {"string": pa.string(), "double": pa.float64(), "int64": pa.int64()}[name]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
