"""What the worker process does with an input. Everything here runs under limits."""

from __future__ import annotations

import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

GIB = 2**30
ADDRESSES = 4 * GIB
"""Most address space of the worker."""
RESIDENT_MB = 1500.0
"""Most memory that inputs of some kilobytes may make it use."""


def begin() -> None:
    """Sets the worker's limits, after importing what the readers need."""
    import openpyxl
    import pandas  # noqa: F401
    import pydicom
    import torch

    from crossdl.anatomy import load_anatomy

    torch.set_num_threads(1)
    load_anatomy("head_ct")
    _ = openpyxl.__name__, pydicom.__name__
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))


def attempt(reader: str, folder: str) -> tuple[str, str, float]:
    """Reads an input.

    Returns:
        "read", "refused", or the kind and place of the error; the traceback or message; the
        largest resident size of the process, MB.
    """
    from crossdl.errors import CrossDLError

    try:
        READERS[reader](Path(folder))
        what, detail = "read", ""
    except CrossDLError as error:
        what, detail = "refused", str(error)
    except BaseException as error:
        place = traceback.extract_tb(sys.exc_info()[2])[-1]
        what = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
        detail = traceback.format_exc(limit=-12)
    resident = _largest_resident_mb()
    if resident > RESIDENT_MB:
        what, detail = "memory", f"{resident:.0f} MB resident"
    return what, detail, resident


def _largest_resident_mb() -> float:
    """Of this program alone (Linux); ``ru_maxrss`` would count what its parent used, too."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def _series(folder: Path) -> None:
    """A series to a volume and on to the network's input."""
    import numpy as np

    from crossdl.anatomy import load_anatomy
    from crossdl.io.dicom import read_series
    from crossdl.preprocessing import preprocess

    volume = read_series(folder, "CT")
    assert volume.array.dtype == np.float32 and np.isfinite(volume.array).all()
    assert volume.array.shape == volume.grid.shape
    image = preprocess(volume, load_anatomy("head_ct"), (16, 32, 32)).image
    assert image.shape == (16, 32, 32)


def _headers(folder: Path) -> None:
    """What the index keeps of the files; it must never raise."""
    import json

    from crossdl.errors import CrossDLError
    from crossdl.ingest.headers import read_header

    for path in sorted(folder.iterdir()):
        try:
            json.dumps(read_header(path).values, allow_nan=False).encode("utf-8")
        except CrossDLError as error:
            raise AssertionError("the index must go on at a damaged file") from error


def _rows(folder: Path) -> None:
    """A file of sentences or reports."""
    from crossdl.report_files import read_rows

    (path,) = folder.iterdir()
    for row in read_rows(path, column=None, encoding=None):
        assert isinstance(row.text, str)
        row.text.encode("utf-8")


def _reports(folder: Path) -> None:
    """A hospital's table of reports, by the shipped rules."""
    from crossdl.ingest.reports import read_reports
    from crossdl.ingest.rules import load_rules

    (path,) = folder.iterdir()
    rules, _ = load_rules(None)
    for report in read_reports(path, rules):
        report.content.encode("utf-8", "surrogatepass")


def _rules(folder: Path) -> None:
    """A file of rules."""
    from crossdl.ingest.rules import load_rules

    load_rules(folder / "rules.toml")


def _faulty(folder: Path) -> None:
    """Does what no reader may do: shows that it would be noticed."""
    match (folder / "input").read_bytes():
        case b"raise":
            raise ValueError("not a CrossDLError")
        case b"die":
            os._exit(3)
        case b"hang":
            time.sleep(60)
        case b"grow":
            bytearray(2 * ADDRESSES)


READERS: dict[str, Callable[[Path], None]] = {
    "series": _series,
    "headers": _headers,
    "rows": _rows,
    "reports": _reports,
    "rules": _rules,
    "faulty": _faulty,
}
