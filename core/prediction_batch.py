"""Predictions of many scans in worker processes, and one table of their scores.

Each worker reads, predicts and writes whole scans, so reading and writing of one scan overlap
with the network on another, and a crash costs one scan.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl import __version__
from crossdl.anatomy import Anatomy
from crossdl.catalog import Catalog
from crossdl.errors import CrossDLError
from crossdl.files import replacing
from crossdl.interfaces import CohortSource
from crossdl.models import model_digest, shipped_model
from crossdl.prediction_files import is_finished, write_prediction
from crossdl.predictors import Predictor, load_predictor
from crossdl.progress import progress_bar
from crossdl.region_files import read_regions
from crossdl.types import ScanRecord
from crossdl.worker_parts import Origin, cohort_of, reason_of_failure
from crossdl.workers import failure_of, worker_pool

if TYPE_CHECKING:
    from crossdl.segmentation import CohortRegions

MOST_WORKERS = 8
"""Processes unless more are asked for; each takes a gigabyte, and some of a graphics card's."""


@dataclass(frozen=True)
class Method:
    """How scans are predicted; hashable.

    Attributes:
        models: Model folders.
        flip: Whether the mirror image counts as well.
    """

    models: tuple[Path, ...]
    flip: bool = False

    @classmethod
    def of(cls, models: Sequence[Path], flip: bool) -> Method:
        """With the shipped demonstrator where no model is given."""
        return cls(tuple(models) or (shipped_model(),), flip)

    def key(self) -> dict[str, Any]:
        """Changes whenever predictions would.

        Raises:
            InputError: A folder holds no model.
        """
        models = [model_digest(folder) for folder in self.models]
        return {"models": models, "flip": self.flip, "crossdl": __version__}

    def load(self, catalog: Catalog) -> Predictor:
        """Reads the models; see :func:`crossdl.predictors.load_predictor`."""
        return load_predictor(self.models, flip=self.flip, catalog=catalog)


@dataclass(frozen=True)
class _Job:
    """Everything a worker needs to build cohort and models for itself; hashable."""

    origin: Origin
    cohort: str
    method: Method
    maps: bool
    threads: int


def predict_cohort(
    source: CohortSource[Any],
    records: Sequence[ScanRecord],
    folder: Path,
    method: Method,
    *,
    anatomy: str,
    catalog: Catalog,
    regions: CohortRegions | None = None,
    maps: bool = True,
    workers: int | None = None,
    timeout_s: float = 900.0,
) -> dict[str, str]:
    """Predicts scans into ``folder/SCAN``; those that are finished there are left as they are.

    Args:
        source: The cohort.
        records: Its scans.
        folder: Where the folders of the scans are.
        method: Models.
        anatomy: Name or path of the cohort's anatomy.
        catalog: Where kinds come from; workers rebuild it.
        regions: Coarse regions of the scans, for models that need them.
        maps: Whether to write images, or only scores.
        workers: Number of processes, None for one per core but not more than
            :data:`MOST_WORKERS`.
        timeout_s: Seconds after which a scan is given up, loading the models included.

    Returns:
        Scan → one sentence why it failed; its old prediction, if it had one, is gone.
    """
    failures = dict(regions.failures) if regions is not None else {}
    folders = regions.folders if regions is not None else {}
    made_from: dict[str, dict[str, Any]] = {}
    shared = method.key()
    for scan, record in ((r.scan_id, r) for r in records if r.scan_id not in failures):
        try:
            made_from[scan] = {"scan": source.fingerprint(record), **shared}
            if scan in folders:
                made_from[scan]["regions"] = folders[scan].name
        except CrossDLError as error:
            failures[scan] = str(error)
    pending = [s for s, key in made_from.items() if not is_finished(folder / s, key, maps=maps)]
    cores = os.cpu_count() or 1
    count = max(1, min(workers or min(cores, MOST_WORKERS), len(pending)))
    origin, cohort = Origin.of(catalog, anatomy), source.config.model_dump_json()
    job = _Job(origin, cohort, method, maps, max(1, cores // count))
    with progress_bar() as bar:
        done = len(records) - len(pending)
        task = bar.add_task("predicting", total=len(records), completed=done)
        if pending:
            with worker_pool(count) as pool:
                running: dict[Future[str | None], str] = {
                    pool.schedule(
                        _predict_one,
                        args=[job, scan, folder / scan, made_from[scan], folders.get(scan)],
                        timeout=timeout_s,
                    ): scan
                    for scan in pending
                }
                for future in as_completed(running):
                    reason = failure_of(future, timeout_s)
                    if reason is not None:
                        failures[running[future]] = reason
                    bar.advance(task)
    for scan in failures:
        (folder / scan / "prediction.json").unlink(missing_ok=True)
    return failures


def read_scores(folder: Path, scans: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Contents of ``prediction.json`` of the scans that have one."""
    paths = {scan: folder / scan / "prediction.json" for scan in scans}
    return {
        scan: json.loads(path.read_text(encoding="utf-8"))
        for scan, path in paths.items()
        if path.is_file()
    }


def write_scores(
    path: Path, found: Mapping[str, Mapping[str, Any]], anatomy: Anatomy, *, worklist: bool = False
) -> None:
    """Writes one CSV row per scan.

    Columns: ``scan``, ``abnormality_score``, ``scan.TYPE`` for the scan scores, ``REGION.TYPE`` for
    the cells (empty where there is no probability), ``ok``, and ``flags``.

    Args:
        path: Of the table.
        found: What :func:`read_scores` gave.
        anatomy: Of the predictions.
        worklist: Rows by abnormality score, the highest first, instead of by name.
    """
    kinds = anatomy.type_names
    rows: list[dict[str, Any]] = []
    for scan in sorted(found):
        one = found[scan]
        rows.append(
            {
                "scan": scan,
                "abnormality_score": one["abnormality_score"],
                **{f"scan.{kind}": one["scan_scores"][kind] for kind in kinds},
                **{
                    f"{region}.{kind}": one["regions"][region][kind] if can_be else ""
                    for region, row in zip(anatomy.region_names, anatomy.possible, strict=True)
                    for kind, can_be in zip(kinds, row, strict=True)
                },
                "ok": one["quality"]["ok"],
                "flags": "; ".join(one["quality"]["flags"]),
            }
        )
    if worklist:
        rows.sort(key=lambda row: -row["abnormality_score"])
    cells = [f"{region}.{kind}" for region in anatomy.region_names for kind in kinds]
    columns = ["scan", "abnormality_score", *(f"scan.{k}" for k in kinds), *cells, "ok", "flags"]
    with replacing(path) as working, working.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


@cache
def _predictor(origin: Origin, method: Method, threads: int) -> Predictor:
    """In a worker: the models, loaded once."""
    import torch

    from crossdl.networks.devices import keep_freed_memory

    keep_freed_memory()
    torch.set_num_threads(threads)
    return method.load(Catalog([Path(path) for path in origin.plugin_paths]))


def _predict_one(
    job: _Job, scan: str, folder: Path, made_from: Mapping[str, Any], regions: Path | None
) -> str | None:
    """In a worker: one scan into its folder; returns why that failed, or None."""

    def work() -> None:
        cohort, records = cohort_of(job.origin, job.cohort)
        predictor = _predictor(job.origin, job.method, job.threads)
        volume = cohort.volume(records[scan])
        given = None if regions is None else read_regions(regions)
        prediction = predictor.predict(volume, given)
        write_prediction(
            folder, volume, prediction, predictor.anatomy, maps=job.maps, made_from=made_from
        )

    return reason_of_failure(work)
