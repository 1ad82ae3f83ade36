"""How fast whole cohorts are segmented by one and two workers, and whether memory stays flat.

``python benchmarks/segment_cohort.py`` segments 24 phantoms with each number of workers, then 100
with the last; ``--memory-scans 0`` leaves that out. Phantoms are drawn before anything is timed,
into a folder that is removed. Rates are those of workers that run already: from the scan that
gives every worker its first to the last, and mean nothing where other programs keep the cores busy:
the load before each run, in running programs, is printed. Memory is read from ``/proc`` (Linux)
after each scan.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from rich.console import Console
from rich.table import Table

from crossdl.anatomy import load_anatomy
from crossdl.cache import cache_dir
from crossdl.catalog import default_catalog
from crossdl.config import ComponentConfig
from crossdl.progress import track
from crossdl.segmentation import segment_cohort
from crossdl.types import ScanRecord


def worker_memory() -> dict[int, tuple[float, float]]:
    """Process id of each worker → its memory now and its peak, MB."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = dict(
                line.split(":", 1) for line in (folder / "status").read_text().splitlines()
            )
            command = (folder / "cmdline").read_bytes()
        except (OSError, ValueError):  # it ended meanwhile
            continue
        if int(status["PPid"]) == os.getpid() and b"spawn_main" in command:
            now, peak = (float(status[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM"))
            found[int(folder.name)] = (now, peak)
    return found


class Run:
    """One run over scans: when they were finished, and the memory of every worker then."""

    def __init__(
        self, records: list[ScanRecord], cohort: ComponentConfig, segmenter: ComponentConfig
    ) -> None:
        """Takes the scans."""
        self._records, self._cohort, self._segmenter = records, cohort, segmenter
        self.times: list[float] = []
        self.memory: dict[int, list[tuple[float, float]]] = {}
        self.failures: dict[str, str] = {}

    def go(self, workers: int, folder: Path) -> Run:
        """Segments with an empty cache of regions."""
        with tempfile.TemporaryDirectory(dir=folder) as cache:
            for place in folder.iterdir():
                if place.is_dir() and place != Path(cache):
                    Path(cache, place.name).symlink_to(place)
            os.environ["CROSSDL_CACHE"] = cache
            found = segment_cohort(
                self._records,
                cohort=self._cohort,
                segmenter=self._segmenter,
                anatomy="head_ct",
                catalog=default_catalog(),
                workers=workers,
                on_done=self._done,
            )
            os.environ["CROSSDL_CACHE"] = str(folder)
        self.failures = dict(found.failures)
        return self

    def _done(self, scan_id: str, folder: Path | None) -> None:
        self.times.append(time.monotonic())
        for pid, memory in worker_memory().items():
            self.memory.setdefault(pid, []).append(memory)

    def rate(self, workers: int) -> float:
        """Scans per minute of running workers."""
        return 60 * (len(self.times) - workers) / (self.times[-1] - self.times[workers - 1])


def drift(memory: list[tuple[float, float]]) -> float:
    """MB more after 100 scans, by a straight line without the first tenth; NaN of few scans."""
    now = np.array([mb for mb, _ in memory])[len(memory) // 10 :]
    if len(now) < 20:
        return float("nan")
    return float(100 * np.polyfit(np.arange(len(now)), now, 1)[0])


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=24)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--memory-scans", type=int, default=100)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--matrix", type=int, default=192)
    asked = parser.parse_args()
    catalog, anatomy = default_catalog(), load_anatomy("head_ct")
    count = max(asked.scans, asked.memory_scans)
    patients = {"train": 1, "valid": 1, "test": max(1, count - 2)}
    cohort = catalog.parse(
        "cohort",
        {"kind": "phantom", "patients": patients, "matrix": asked.matrix, "repeat_rate": 0.0},
    )
    segmenter = catalog.parse("segmenter", {"kind": "elastix", "preset": asked.preset})
    head = cache_dir() / "mni_head"
    with tempfile.TemporaryDirectory() as folder:
        if head.is_dir():
            Path(folder, "mni_head").symlink_to(head)
        os.environ["CROSSDL_CACHE"] = folder
        source = catalog.create("cohort", cohort, anatomy)
        records = list(source.records())[:count]
        for record in track(records, "drawing phantoms"):
            source.volume(record)
        catalog.create("segmenter", segmenter, anatomy).fingerprint()  # makes the atlas
        rates = Table("workers", "scans", "failed", "load", "scans/min", "times one")
        first = 0.0
        for workers in asked.workers:
            load = os.getloadavg()[0]
            run = Run(records[: asked.scans], cohort, segmenter).go(workers, Path(folder))
            first = first or run.rate(workers)
            cells = (load, run.rate(workers), run.rate(workers) / first)
            numbers = (workers, asked.scans, len(run.failures))
            rates.add_row(*map(str, numbers), *(f"{cell:.2f}" for cell in cells))
        Console().print(rates)
        if asked.memory_scans:
            workers = asked.workers[-1]
            run = Run(records[: asked.memory_scans], cohort, segmenter).go(workers, Path(folder))
            table = Table("worker", "peak MB", "first MB", "last MB", "MB per 100", title="Memory")
            for number, memory in enumerate(run.memory.values(), start=1):
                values = (max(p for _, p in memory), memory[0][0], memory[-1][0], drift(memory))
                table.add_row(str(number), *(f"{value:.0f}" for value in values))
            Console().print(table, f"{asked.memory_scans} scans by {workers} workers together")


if __name__ == "__main__":
    main()
