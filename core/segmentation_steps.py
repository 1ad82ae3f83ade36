"""The steps of a segmenter over many scans, in worker processes.

Registration tools crash, hang and take seconds to load, so scans are segmented in long-lived
processes of their own, one task per scan and step.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossdl import cache as stages
from crossdl.errors import CrossDLError
from crossdl.interfaces import Attempt, RegionSegmenter
from crossdl.region_files import read_quality, write_regions
from crossdl.worker_parts import Origin, cohort_of, component, reason_of_failure
from crossdl.workers import failure_of, worker_pool


@dataclass(frozen=True)
class Job:
    """Everything a worker needs to build cohort and segmenter for itself; hashable.

    Attributes:
        origin: Of both.
        cohort: Config, as JSON.
        segmenter: Config, as JSON.
    """

    origin: Origin
    cohort: str
    segmenter: str


@dataclass(frozen=True)
class Step:
    """One way to segment any of the scans.

    Attributes:
        title: What lists of attempts call it.
        job: For the workers.
        dependencies: What its labels depend on besides the scan.
    """

    title: str
    job: Job
    dependencies: Mapping[str, Any]

    def key(self, scan: str) -> dict[str, Any]:
        """Cache key of a scan, given by its fingerprint."""
        return {**self.dependencies, "scan": scan}


def try_steps(
    stage: str,
    steps: Sequence[Step],
    scans: Mapping[str, str],
    decide: Callable[[str, Sequence[Attempt]], bool],
    *,
    workers: int | None,
    timeout_s: float,
) -> None:
    """Tries step after step on every scan until it is decided; regions go to the cache.

    Workers read the scans themselves, so no voxels pass between processes.

    Args:
        stage: Name of the cached stage.
        steps: In their order.
        scans: Name → fingerprint.
        decide: Gets a scan and what became of its first steps, and says whether that is all.
        workers: Number of processes, None for one per core.
        timeout_s: Seconds after which a step on a scan is given up.
    """
    if not scans:
        return
    attempts: dict[str, list[Attempt]] = {scan_id: [] for scan_id in scans}
    running: dict[Future[str | None], str] = {}
    with worker_pool(min(workers or os.cpu_count() or 1, len(scans))) as pool:

        def go_on(scan_id: str) -> None:
            while not decide(scan_id, attempts[scan_id]):
                step = steps[len(attempts[scan_id])]
                key = step.key(scans[scan_id])
                if not stages.location(stage, key).is_dir():
                    task = [stage, step.job, scan_id, key]
                    running[pool.schedule(_segment_one, args=task, timeout=timeout_s)] = scan_id
                    return
                attempts[scan_id].append(_ended(stage, step, key, None))

        for scan_id in scans:
            go_on(scan_id)
        while running:
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                scan_id = running.pop(future)
                step = steps[len(attempts[scan_id])]
                reason = failure_of(future, timeout_s)
                ended = _ended(stage, step, step.key(scans[scan_id]), reason)
                attempts[scan_id].append(ended)
                go_on(scan_id)


def _ended(stage: str, step: Step, key: Mapping[str, Any], reason: str | None) -> Attempt:
    if reason is None:
        try:
            return Attempt(step.title, read_quality(stages.location(stage, key)))
        except CrossDLError as error:
            reason = str(error)
    return Attempt(step.title, None, reason)


def _segment_one(stage: str, job: Job, scan_id: str, key: Mapping[str, Any]) -> str | None:
    """In a worker: one scan into the cache; returns why that failed, or None."""

    def work() -> None:
        cohort, records = cohort_of(job.origin, job.cohort)
        segmenter: RegionSegmenter[Any] = component(job.origin, "segmenter", job.segmenter)
        volume = cohort.volume(records[scan_id])

        def make(folder: Path) -> None:
            write_regions(folder, segmenter.segment(volume))

        stages.stored(stage, key, make)

    return reason_of_failure(work)
