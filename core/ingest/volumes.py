"""Scans → 8-bit volumes on disk, in worker processes that may die or hang."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.errors import InputError
from crossdl.ingest.database import Database
from crossdl.ingest.pseudonyms import Pseudonyms
from crossdl.progress import progress_bar
from crossdl.workers import worker_pool

VERSION = 1
"""Raised whenever reading or preprocessing changes what it makes of a scan."""
VOLUME_REASONS = ("unreadable", "took_too_long", "worker_died", "program_error")
"""Why a scan has no volume: it was refused, or its worker was stopped, died or raised."""
_REMEDY = ("pass --allow-missing-slices", "set series.allow_missing_slices in the rules")
_TELLING = re.compile(r"[\d\W]")
"""Part of a path that is more than a word."""


@dataclass(frozen=True)
class Job:
    """All that a worker needs.

    Attributes:
        scan: Pseudonym; what messages call the scan.
        paths: The slices' files.
        anatomy: Name or path of the anatomy.
        target: The .npy file to write.
        identifiers: Of series, study and patient; no message may hold one.
        allow_missing_slices: Whether to interpolate over them.
    """

    scan: str
    paths: tuple[str, ...]
    anatomy: str
    target: str
    identifiers: tuple[str, ...]
    allow_missing_slices: bool


@dataclass(frozen=True)
class Outcome:
    """What became of a scan.

    Attributes:
        problem: One of :data:`VOLUME_REASONS`, or None.
        detail: A sentence for a person, or None.
        facts: Columns of the table of scans; empty where there is a problem.
    """

    problem: str | None
    detail: str | None
    facts: Mapping[str, Any]


def signature(
    files: Sequence[tuple[str, bytes, int, int]], anatomy: Anatomy, *, allow_missing_slices: bool
) -> str:
    """Changes whenever the slices' files (SOP, path, size, mtime), anatomy, rule or code do."""
    content = [[sop, path.hex(), size, mtime] for sop, path, size, mtime in files]
    grid = [list(anatomy.volume_shape), anatomy.window.low, anatomy.window.high]
    key = [VERSION, allow_missing_slices, grid, anatomy.tissue_threshold, anatomy.modality, content]
    return hashlib.sha256(json.dumps(key).encode()).hexdigest()


def volume_path(scan: str) -> str:
    """Path of a scan's volume relative to the cohort."""
    return f"volumes/{scan[1:3]}/{scan}.npy"


def make_volumes(
    jobs: Sequence[tuple[Job, str]],
    database: Database,
    pseudonyms: Pseudonyms,
    *,
    removed: Collection[str],
    workers: int,
    timeout_s: float,
) -> dict[str, Outcome]:
    """Makes the volumes that are not there yet.

    Args:
        jobs: Jobs with their signature.
        database: Remembers what is finished; what failed is tried again by the next build.
        pseudonyms: For the digest of the source.
        removed: Scans that were excluded later and need no file.
        workers: Number of processes.
        timeout_s: Seconds after which a scan is given up.

    Returns:
        Scan → outcome.
    """
    outcomes: dict[str, Outcome] = {}
    pending: dict[str, tuple[Job, str]] = {}
    for job, key in jobs:
        known = database.volume(job.scan, key)
        if known is not None and (job.scan in removed or Path(job.target).is_file()):
            outcomes[job.scan] = Outcome(None, None, known)
        else:
            pending[job.scan] = (job, key)
    with progress_bar() as bar:
        task = bar.add_task("preparing scans", total=len(jobs), completed=len(outcomes))
        for name, result in _run([job for job, _ in pending.values()], workers, timeout_s):
            job, key = pending[name]
            outcome = without_identity(result, job)
            if outcome.problem is None:
                facts = dict(outcome.facts)
                facts["source_digest"] = pseudonyms.digest(facts.pop("content").encode())
                database.add_volume(name, key, facts)
                outcome = Outcome(None, None, facts)
            else:
                Path(job.target).unlink(missing_ok=True)
            outcomes[name] = outcome
            bar.advance(task)
    return outcomes


def _run(jobs: Sequence[Job], workers: int, timeout_s: float) -> Iterator[tuple[str, Outcome]]:
    """Yields ``(scan, outcome)`` as scans are finished; few are queued at a time."""
    if not jobs:
        return
    from concurrent.futures import FIRST_COMPLETED, Future, wait

    from pebble import ProcessExpired

    waiting, running = list(reversed(jobs)), dict[Future[Outcome], Job]()
    with worker_pool(min(workers, len(jobs))) as pool:
        while waiting or running:
            while waiting and len(running) < 4 * workers:
                job = waiting.pop()
                running[pool.schedule(prepare, args=[job], timeout=timeout_s)] = job
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job = running.pop(future)
                try:
                    outcome = future.result()
                except TimeoutError:
                    outcome = Outcome("took_too_long", f"more than {timeout_s:g} s", {})
                except ProcessExpired as error:
                    outcome = Outcome("worker_died", f"exit code {error.exitcode}", {})
                yield job.scan, outcome


def prepare(job: Job) -> Outcome:
    """In a worker: reads, preprocesses and writes one scan."""
    import numpy as np
    import torch

    from crossdl.files import replacing
    from crossdl.io.dicom import read_series_files
    from crossdl.preprocessing import preprocess

    torch.set_num_threads(1)
    anatomy = load_anatomy(job.anatomy)
    paths = [Path(path) for path in job.paths]
    try:
        volume = read_series_files(
            paths,
            anatomy.modality,
            name=job.scan,
            allow_missing_slices=job.allow_missing_slices,
        )
        ready = preprocess(volume, anatomy, anatomy.volume_shape)
        with replacing(Path(job.target)) as working, working.open("wb") as file:
            np.save(file, ready.image, allow_pickle=False)
        content = hashlib.sha256(b"".join(_content(path) for path in paths)).hexdigest()
    except InputError as error:
        return Outcome("unreadable", str(error).replace(*_REMEDY), {})
    except OSError as error:
        return Outcome("program_error", f"{type(error).__name__}: {error.strerror}", {})
    except Exception as error:  # costs this scan, not the build; the text may hold anything
        return Outcome("program_error", type(error).__name__, {})
    meta = volume.meta
    depth, height, width = volume.grid.spacing
    known = [float(t) for t in meta["slice_thickness_mm"] if t]
    facts = {
        "spacing_mm": round((height + width) / 2, 4),
        "thickness_mm": round(median(known) if known else depth, 4),
        "slices": len(meta["slice_positions_mm"]),
        "tilt_degrees": round(float(meta["tilt_degrees"]), 2),
        "shape": [int(n) for n in volume.array.shape],
        "affine": [round(float(x), 9) for x in ready.grid.affine.ravel()],
        "warnings": [str(text) for text in meta["warnings"]],
        "content": content,
    }
    return Outcome(None, None, facts)


def _content(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def without_identity(outcome: Outcome, job: Job) -> Outcome:
    """Withholds a sentence that holds an identifier or a file's name of the scan.

    Messages are made without them; this is the second lock.
    """
    names = set(job.identifiers)
    for path in job.paths:
        names |= {part for part in Path(path).parts if len(part) > 4 and _TELLING.search(part)}
    names = {name.casefold() for name in names if len(name) > 2}

    def clean(text: str) -> str:
        found = any(name in text.replace(job.scan, "").casefold() for name in names)
        return "withheld, as it names a file or an identifier" if found else text

    detail = None if outcome.detail is None else clean(outcome.detail)
    facts = dict(outcome.facts)
    if "warnings" in facts:
        facts["warnings"] = [clean(text) for text in facts["warnings"]]
    return Outcome(outcome.problem, detail, facts)
