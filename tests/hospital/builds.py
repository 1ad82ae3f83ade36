"""Runs ``crossdl cohort build`` as a user does, and as a power cut ends it."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import Hospital


@dataclass(frozen=True)
class Ran:
    """How a command went.

    Attributes:
        code: Exit code; negative for a signal.
        output: What it printed, both streams.
        seconds: How long it took.
        memory_mb: Largest sum of the resident sizes of all its processes, 0 if not measured.
    """

    code: int
    output: str
    seconds: float
    memory_mb: float


def build(
    hospital: Hospital,
    out: Path,
    *options: str,
    reports: Path | None = None,
    kill: Callable[[], bool] | None = None,
    measure: bool = False,
) -> Ran:
    """Runs the command.

    Args:
        hospital: Where the files are.
        out: The cohort.
        options: More of the command line.
        reports: Another table of reports.
        kill: Asked every few milliseconds whether all processes get SIGKILL now.
        measure: Whether to watch memory.
    """
    command = [
        sys.executable, "-m", "crossdl", "cohort", "build", "--dicom", str(hospital.folder),
        "--reports", str(reports or hospital.workbook), "--out", str(out), *options,
    ]  # fmt: skip
    start, peak = time.perf_counter(), 0.0
    log = out.with_name(f"{out.name}.log")
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command, stdout=stream, stderr=stream, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        )  # fmt: skip
        while process.poll() is None:
            if kill is not None and kill():
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                break
            if measure:
                peak = max(peak, _resident_mb(process.pid))
            time.sleep(0.1 if measure and kill is None else 0.005)
    seconds = time.perf_counter() - start
    return Ran(process.returncode, log.read_text("utf-8", "replace"), seconds, peak)


def after(seconds: float) -> Callable[[], bool]:
    """True from some seconds after the first question on."""
    begun: list[float] = []

    def due() -> bool:
        begun.append(time.monotonic())
        del begun[1:-1]
        return begun[-1] - begun[0] >= seconds

    return due


def once(ready: Callable[[], bool], seconds: float) -> Callable[[], bool]:
    """True some seconds after something has become true."""
    wait = after(seconds)
    seen: list[bool] = []

    def due() -> bool:
        if not seen and ready():
            seen.append(True)
        return bool(seen) and wait()

    return due


def volumes(out: Path) -> int:
    """Number of finished volumes of a cohort."""
    return sum(not path.name.startswith(".") for path in (out / "volumes").glob("*/*.npy"))


def contents(out: Path) -> dict[str, str]:
    """SHA-256 by path of everything in a cohort that may be shared."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.relative_to(out).parts[0] != "private"
    }


def shared_bytes(out: Path, others: Sequence[str] = ()) -> bytes:
    """All that may be shared, one after the other, and other texts."""
    files = [out / name for name in contents(out) if not name.endswith(".npy")]
    names = "\n".join(contents(out)).encode()
    return b"\n".join([names, *(f.read_bytes() for f in files), *(o.encode() for o in others)])


def _resident_mb(group: int) -> float:
    """Sum of the resident sizes of a process group (Linux)."""
    total = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group:
            total += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    return total / 2**20
