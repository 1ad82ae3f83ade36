"""Region maps of a whole cohort: cached per scan, failures that cost one scan.

Every finished scan is in the cache at once; a killed run does not redo it, and two runs or cells
of a study with the same segmenter share it. So do segmenters of which one is a step of the other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from crossdl import cache as stages
from crossdl.anatomy import load_anatomy
from crossdl.catalog import Catalog
from crossdl.config import ComponentConfig
from crossdl.errors import CrossDLError
from crossdl.interfaces import Attempt, CohortSource, RegionSegmenter
from crossdl.progress import progress_bar
from crossdl.region_files import copy_regions, read_regions
from crossdl.segmentation_steps import Job, Step, try_steps
from crossdl.types import Quality, RegionMap, ScanRecord
from crossdl.worker_parts import Origin

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

    A step of the segmenter on which the worker dies or hangs has failed; the worker is replaced,
    the scan goes on with the segmenter's next step if there is one, and the other scans go on.

    Args:
        records: Scans of ``cohort``.
        cohort: Config of the cohort they come from.
        segmenter: Config of the segmenter.
        anatomy: Name or path of the anatomy.
        catalog: Where the kinds come from; workers rebuild it.
        workers: Number of processes, None for one per core.
        timeout_s: Seconds after which a step on a scan is given up, starting the tool included.
        on_done: Called with the scan's name when it is finished or has failed, and with the
            folder of its region map or None; not called for scans that were finished before.
    """
    table = load_anatomy(anatomy)
    source: CohortSource[Any] = catalog.create("cohort", cohort, table)
    chosen: RegionSegmenter[Any] = catalog.create("segmenter", segmenter, table)
    shared = Origin.of(catalog, anatomy), cohort.model_dump_json()
    steps = [
        Step(step.title, Job(*shared, step.config.model_dump_json()), _dependencies(catalog, step))
        for step in chosen.steps
    ]
    dependencies = _dependencies(catalog, chosen)
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

        def decide(scan_id: str, attempts: Sequence[Attempt]) -> bool:
            try:
                picked = chosen.pick(scan_id, attempts)
                if picked is None:
                    return False
                index, quality = picked
                came_from = stages.location(_STAGE, steps[index].key(keys[scan_id]["scan"]))
                at = _adopt(keys[scan_id], came_from, quality)
            except CrossDLError as error:
                failures[scan_id], at = str(error), None
            bar.advance(task)
            if on_done is not None:
                on_done(scan_id, at)
            return True

        scans = {scan_id: keys[scan_id]["scan"] for scan_id in pending}
        try_steps(_STAGE, steps, scans, decide, workers=workers, timeout_s=timeout_s)
    folders = {s: stages.location(_STAGE, key) for s, key in keys.items() if s not in failures}
    return CohortRegions(folders, failures)


def _adopt(key: Mapping[str, Any], came_from: Path, quality: Quality) -> Path:
    """Stores a step's regions as the segmenter's; they are there already if it is the only step."""

    def make(folder: Path) -> None:
        copy_regions(came_from, folder, quality)

    return stages.stored(_STAGE, key, make)


def _dependencies(catalog: Catalog, segmenter: RegionSegmenter[Any]) -> dict[str, Any]:
    """What the labels depend on besides the scan."""
    found = {"segmenter": segmenter.fingerprint()}
    path = catalog.entry("segmenter", segmenter.config.kind).path
    if path is not None:  # a user's own file, which has no version
        found["source"] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
