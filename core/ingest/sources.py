"""The private table that leads from a scan back to its files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path

from crossdl.errors import InputError
from crossdl.files import replacing

_ROWS = 100_000  # written at a time


def write_sources(path: Path, rows: Iterable[Mapping[str, str]], root: Path) -> None:
    """Writes ``sources.parquet``: scan, series (UID), patient (PatientID), path.

    Paths are relative to ``root``, the folder of the DICOM files, which stands in the file's
    metadata; bytes that are no text appear as backslash escapes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [(name, pa.string()) for name in ("scan", "series", "patient", "path")]
    schema = pa.schema(columns, metadata={"root": _escaped(str(root))})
    stream = iter(rows)
    with replacing(path) as working, pq.ParquetWriter(working, schema) as writer:
        while block := list(islice(stream, _ROWS)):
            safe = [{k: _escaped(v) for k, v in row.items()} for row in block]
            writer.write_table(pa.Table.from_pylist(safe, schema))


def read_sources(path: Path, root: Path | None = None) -> dict[str, list[Path]]:
    """Reads what :func:`write_sources` wrote.

    Args:
        path: ``sources.parquet``.
        root: Folder of the DICOM files if it is no longer where it was.

    Returns:
        Scan → its files.

    Raises:
        InputError: The table is missing, as in a cohort that was shared, or damaged.
    """
    import pyarrow.parquet as pq

    if not path.is_file():
        raise InputError(f"{path}: is missing, so source scans cannot be read from this cohort")
    try:
        table = pq.read_table(path, columns=["scan", "path"])
        folder = root or Path(_unescaped(table.schema.metadata[b"root"].decode()))
        names, files = (table[column].to_pylist() for column in ("scan", "path"))
    except (OSError, ValueError, KeyError, TypeError) as error:  # pyarrow's are ValueErrors
        raise InputError(f"{path}: is damaged; run `crossdl cohort build` again") from error
    found: dict[str, list[Path]] = {}
    for scan, file in zip(names, files, strict=True):
        found.setdefault(scan, []).append(folder / _unescaped(file))
    return found


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()


def _unescaped(text: str) -> str:
    """With bytes that are no text as the file system's functions expect them."""
    return re.sub(r"\\udc([0-9a-f]{2})", lambda found: chr(0xDC00 + int(found[1], 16)), text)
