"""The private table that leads from a scan back to its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from crossdl.files import replacing

_ROWS = 100_000  # written at a time


def write_sources(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Writes ``sources.parquet``: scan, series (UID), patient (PatientID), path.

    Paths are relative to the folder of the DICOM files; bytes that are no text appear as
    backslash escapes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in ("scan", "series", "patient", "path")])
    stream = iter(rows)
    with replacing(path) as working, pq.ParquetWriter(working, schema) as writer:
        while block := list(islice(stream, _ROWS)):
            safe = [
                {k: v.encode("utf-8", "backslashreplace").decode() for k, v in row.items()}
                for row in block
            ]
            writer.write_table(pa.Table.from_pylist(safe, schema))
