"""Region maps of a whole cohort: worker processes, cached per scan, failures that cost one scan.

Registration tools crash, hang and take seconds to load, so scans are segmented in long-lived
processes of their own. Every finished scan is in the cache at once; a killed run does not redo
it, and two runs or cells of a study with the same segmenter share it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from crossdl import cache as stages
from crossdl.anatomy import load_anatomy
from crossdl.catalog import Catalog
from crossdl.config import ComponentConfig
from crossdl.errors import CrossDLError, InputError
from crossdl.files import write_json
from crossdl.interfaces import CohortSource, RegionSegmenter
from crossdl.progress import progress_bar
from crossdl.types import Grid, Quality, RegionMap, ScanRecord
from crossdl.workers import worker_pool

_STAGE = "regions"


@dataclass(frozen=True)
class CohortRegions:
    """What became of the scans.

    Attributes:
        folders: Scan → where :func:`read_regions` finds its region map; the folder's name
            changes whenever the regions would.
        failures: Scan → one sentence why it has none.
    """

    folders: Mapping[str, Path]
    failures: Mapping[str, str]

    @property
    def regions(self) -> Mapping[str, Callable[[], RegionMap]]:
        """Scan → function that reads its region map."""
        return {scan_id: partial(read_regions, at) for scan_id, at in self.folders.items()}


@dataclass(frozen=True)
class _Job:
    """Everything a worker needs to build cohort and segmenter for itself; hashable."""

    plugin_paths: tuple[str, ...]
    anatomy: str
    cohort: str
    segmenter: str


def segment_cohort(
    records: Sequence[ScanRecord],
    *,
    cohort: ComponentConfig,
    segmenter: ComponentConfig,
    anatomy: str,
    catalog: Catalog,
    workers: int | None = None,
    timeout_s: float = 900.0,
    on_done: Callable[[str, Path | None], None] | None = None,
) -> CohortRegions:
    """Segments scans in worker processes, each at most once.

    A scan whose worker dies or hangs is recorded as failed; its worker is replaced and the other
    scans go on. Workers read the scans themselves, so no voxels pass between processes.

    Args:
        records: Scans of ``cohort``.
        cohort: Config of the cohort they come from.
        segmenter: Config of the segmenter.
        anatomy: Name or path of the anatomy.
        catalog: Where the kinds come from; workers rebuild it.
        workers: Number of processes, None for one per core.
        timeout_s: Seconds after which a scan is given up, starting the tool included.
        on_done: Called with the scan's name when it is finished or has failed, and with the
            folder of its region map or None; not called for scans that were finished before.
    """
    job = _Job(
        tuple(map(str, catalog.plugin_paths)),
        anatomy,
        cohort.model_dump_json(),
        segmenter.model_dump_json(),
    )
    table = load_anatomy(anatomy)
    source: CohortSource[Any] = catalog.create("cohort", cohort, table)
    dependencies = _dependencies(catalog, catalog.create("segmenter", segmenter, table))
    failures: dict[str, str] = {}
    keys: dict[str, dict[str, Any]] = {}
    for record in records:
        try:
            keys[record.scan_id] = {**dependencies, "scan": source.fingerprint(record)}
        except CrossDLError as error:
            failures[record.scan_id] = str(error)
    pending = [s for s, key in keys.items() if not stages.location(_STAGE, key).is_dir()]
    with progress_bar() as bar:
        task = bar.add_task(
            "registering", total=len(records), completed=len(records) - len(pending)
        )

        def finished(scan_id: str, reason: str | None) -> None:
            if reason is not None:
                failures[scan_id] = reason
            bar.advance(task)
            if on_done is not None:
                at = stages.location(_STAGE, keys[scan_id]) if reason is None else None
                on_done(scan_id, at)

        _run_all(job, {s: keys[s] for s in pending}, workers, timeout_s, finished)
    folders = {s: stages.location(_STAGE, key) for s, key in keys.items() if s not in failures}
    return CohortRegions(folders, failures)


def write_regions(folder: Path, regions: RegionMap) -> None:
    """Writes ``regions.npz`` (labels, affine) and ``quality.json`` into a folder."""
    np.savez_compressed(folder / "regions.npz", labels=regions.labels, affine=regions.grid.affine)
    quality = {"values": dict(regions.quality.values), "flags": list(regions.quality.flags)}
    write_json(folder / "quality.json", quality)


def read_regions(folder: Path) -> RegionMap:
    """Reads what :func:`write_regions` wrote.

    Raises:
        InputError: Files are missing or damaged.
    """
    try:
        with np.load(folder / "regions.npz", allow_pickle=False) as stored:
            labels, affine = stored["labels"], stored["affine"]
        return RegionMap(labels, Grid(labels.shape, affine), read_quality(folder))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise InputError(f"{folder}: the cached regions are damaged; remove it") from error


def read_quality(folder: Path) -> Quality:
    """The quality of what :func:`write_regions` wrote, without its labels.

    Raises:
        InputError: The file is missing or damaged.
    """
    try:
        quality = json.loads((folder / "quality.json").read_text(encoding="utf-8"))
        return Quality(quality["values"], tuple(quality["flags"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: the cached regions are damaged; remove it") from error


def _run_all(
    job: _Job,
    keys: Mapping[str, Mapping[str, Any]],
    workers: int | None,
    timeout_s: float,
    finished: Callable[[str, str | None], None],
) -> None:
    """Runs the scans that are not in the cache; ``finished`` gets each scan with its failure."""
    if not keys:
        return
    from pebble import ProcessExpired

    count = min(workers or os.cpu_count() or 1, len(keys))
    with worker_pool(count) as pool:
        futures: dict[Future[str | None], str] = {
            pool.schedule(_segment_one, args=[job, scan_id, key], timeout=timeout_s): scan_id
            for scan_id, key in keys.items()
        }
        for future in as_completed(futures):
            try:
                reason = future.result()
            except TimeoutError:
                reason = f"took longer than {timeout_s:g} s and was stopped"
            except ProcessExpired as error:
                reason = f"the worker process died (exit code {error.exitcode})"
            finished(futures[future], reason)


def _segment_one(job: _Job, scan_id: str, key: Mapping[str, Any]) -> str | None:
    """In a worker: one scan into the cache; returns why that failed, or None."""
    try:
        cohort, records, segmenter = _tools(job)
        volume = cohort.volume(records[scan_id])

        def make(folder: Path) -> None:
            write_regions(folder, segmenter.segment(volume))

        stages.stored(_STAGE, key, make)
    except CrossDLError as error:
        return str(error)
    except Exception as error:  # a plugin may raise anything; the other scans go on
        return f"{type(error).__name__}: {error}"
    return None


@cache
def _tools(
    job: _Job,
) -> tuple[CohortSource[Any], Mapping[str, ScanRecord], RegionSegmenter[Any]]:
    """In a worker: cohort, its records by name, and the segmenter, made once."""
    catalog = Catalog([Path(p) for p in job.plugin_paths])
    table = load_anatomy(job.anatomy)
    cohort: CohortSource[Any] = catalog.create(
        "cohort", catalog.parse("cohort", json.loads(job.cohort)), table
    )
    segmenter: RegionSegmenter[Any] = catalog.create(
        "segmenter", catalog.parse("segmenter", json.loads(job.segmenter)), table
    )
    return cohort, {r.scan_id: r for r in cohort.records()}, segmenter


def _dependencies(catalog: Catalog, segmenter: RegionSegmenter[Any]) -> dict[str, Any]:
    """What the labels depend on besides the scan."""
    found = {"segmenter": segmenter.fingerprint()}
    path = catalog.entry("segmenter", segmenter.config.kind).path
    if path is not None:  # a user's own file, which has no version
        found["source"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
