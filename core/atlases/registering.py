"""Scans carried to one reference in worker processes, each cached, failures that cost one scan."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from crossdl import cache as stages
from crossdl.atlases.carry import carry
from crossdl.errors import CrossDLError
from crossdl.files import write_json
from crossdl.progress import progress_bar
from crossdl.registration.segmenter import RegistrationSegmenter
from crossdl.types import Grid, Volume
from crossdl.worker_parts import Origin, cohort_of, component, reason_of_failure
from crossdl.workers import failure_of, worker_pool

_STAGE = "atlas_scans"

_CODE = 1
"""Raised whenever this package carries scans differently; part of cache keys."""


@dataclass(frozen=True)
class Source:
    """One scan of a cohort.

    Attributes:
        cohort: Config of the cohort, as JSON.
        name: Of the scan there.
    """

    cohort: str
    name: str


@dataclass(frozen=True)
class Job:
    """Everything a worker needs besides the scan; hashable.

    Attributes:
        origin: Of cohorts and segmenter.
        segmenter: Config, as JSON.
        reference: ``.npz`` file with the reference's ``array`` and ``affine``.
        target: Fingerprint of that.
    """

    origin: Origin
    segmenter: str
    reference: str = ""
    target: str = ""


@dataclass(frozen=True)
class Registered:
    """What became of the scans, by name.

    Attributes:
        files: ``.npy`` files of int16 HU on the grid, see :mod:`crossdl.atlases.carry`.
        measures: Of each registration.
        fingerprints: Of the scans.
        failures: One sentence why a scan is not among them.
    """

    files: Mapping[str, Path]
    measures: Mapping[str, Mapping[str, Any]]
    fingerprints: Mapping[str, str]
    failures: Mapping[str, str]


def carry_all(
    scans: Sequence[Source],
    job: Job,
    grid: Grid,
    tool: Mapping[str, Any],
    *,
    workers: int | None,
    timeout_s: float,
) -> Registered:
    """Carries scans to the reference of ``job``.

    Args:
        scans: Their names must differ.
        job: For the workers.
        grid: Of the results.
        tool: What the registration depends on besides the config: versions, parameter files.
        workers: Processes; None is one per core.
        timeout_s: Seconds after which a scan is given up.
    """
    failures: dict[str, str] = {}
    prints: dict[str, str] = {}
    for scan in scans:
        try:
            cohort, records = cohort_of(job.origin, scan.cohort)
            prints[scan.name] = cohort.fingerprint(records[scan.name])
        except (CrossDLError, OSError) as error:
            failures[scan.name] = str(error)
    shared = {
        "code": _CODE, "tool": dict(tool), "segmenter": json.loads(job.segmenter),
        "anatomy": job.origin.anatomy, "reference": job.target, "shape": list(grid.shape),
        "affine": grid.affine.tolist(),
    }  # fmt: skip
    keys = {name: {**shared, "scan": print_} for name, print_ in prints.items()}
    places = {name: stages.location(_STAGE, key) for name, key in keys.items()}
    pending = [s for s in scans if s.name in keys and not places[s.name].is_dir()]
    with progress_bar() as bar:
        task = bar.add_task("registering", total=len(scans), completed=len(scans) - len(pending))
        if pending:
            with worker_pool(min(workers or os.cpu_count() or 1, len(pending))) as pool:
                futures: dict[Future[str | None], str] = {
                    pool.schedule(
                        _carry_one, args=[job, scan, grid, keys[scan.name]], timeout=timeout_s
                    ): scan.name
                    for scan in pending
                }
                for future in as_completed(futures):
                    reason = failure_of(future, timeout_s)
                    if reason is not None:
                        failures[futures[future]] = reason
                    bar.advance(task)
    done = [s.name for s in scans if s.name not in failures]
    return Registered(
        files={name: places[name] / "scan.npy" for name in done},
        measures={
            name: json.loads((places[name] / "measures.json").read_text("utf-8")) for name in done
        },
        fingerprints=prints,
        failures={s.name: failures[s.name] for s in scans if s.name in failures},
    )


def _carry_one(job: Job, scan: Source, grid: Grid, key: Mapping[str, Any]) -> str | None:
    """In a worker: one scan into the cache; returns why that failed, or None."""

    def work() -> None:
        cohort, records = cohort_of(job.origin, scan.cohort)
        segmenter: RegistrationSegmenter[Any] = component(job.origin, "segmenter", job.segmenter)
        volume = cohort.volume(records[scan.name])

        def make(folder: Path) -> None:
            result = carry(volume, _reference(job.reference), segmenter, grid)
            np.save(folder / "scan.npy", result.hu, allow_pickle=False)
            write_json(folder / "measures.json", dict(result.measures))

        stages.stored(_STAGE, key, make)

    return reason_of_failure(work)


@cache
def _reference(path: str) -> Volume:
    with np.load(path, allow_pickle=False) as stored:
        array, affine = stored["array"], stored["affine"]
    return Volume(array, Grid(array.shape, affine), "reference")
