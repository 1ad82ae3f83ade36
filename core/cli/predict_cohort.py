"""The part of ``crossdl predict`` that is about many scans."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from crossdl.cli.segment import Job
    from crossdl.prediction_batch import Method

_SHOWN = 10  # failed and first scans printed; all are in the tables


def predict_many(
    path: Path | None,
    out: Path,
    method: Method,
    job: Job,
    *,
    maps: bool,
    worklist: bool,
) -> None:
    """Predicts all scans; each is written as it is finished.

    Writes ``scans/SCAN``, ``scores.csv``, ``failed.csv`` and, first, ``predictions.json``, which
    says which models and versions were used.

    Args:
        path: A built cohort or a folder of scans; None for the composition's cohort.
        out: Folder.
        method: Models.
        job: Names anatomy, cohort and, for models that need coarse regions, the segmenter.
        maps: Whether to write images, or only scores.
        worklist: ``scores.csv`` by abnormality score instead of by name.

    Raises:
        InputError: There is no scan, or the models do not fit each other or the anatomy.
        typer.Exit: With code 1 if any scan failed; everything else is written.
    """
    from crossdl.files import write_json
    from crossdl.prediction_batch import predict_cohort, read_scores, write_scores
    from crossdl.predictors import check_same_labels
    from crossdl.qc.cohorts import find_cohort
    from crossdl.rundir import versions

    started = time.monotonic()
    predictor = method.load(job.catalog)
    anatomy = predictor.anatomy
    if path is None or predictor.needs_regions:
        name = f"{method.models[0]}: the model"
        check_same_labels(name, anatomy, f"composition {job.name}", job.anatomy)
    target = find_cohort(path, job.composition, job.anatomy, job.catalog)
    models = [str(folder) for folder in method.models]
    settings = {"models": models, "flip": method.flip, "maps": maps}
    write_json(out / "predictions.json", {"settings": settings, "versions": versions()})
    scans = [record.scan_id for record in target.records]
    failures = predict_cohort(
        target.source,
        target.records,
        out / "scans",
        method,
        anatomy=job.composition.anatomy,
        catalog=job.catalog,
        regions=job.run(target) if predictor.needs_regions else None,
        maps=maps,
        workers=job.workers,
        timeout_s=job.timeout,
    )
    found = read_scores(out / "scans", scans)
    write_scores(out / "scores.csv", found, anatomy, worklist=worklist)
    write_failures(out / "failed.csv", failures)
    _show(found, failures, time.monotonic() - started, out)
    if failures:
        raise typer.Exit(1)


def write_failures(path: Path, failures: Mapping[str, str]) -> None:
    """Writes ``scan`` and ``reason`` of every scan that failed; perhaps no row."""
    import csv

    from crossdl.files import replacing

    with replacing(path) as working, working.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("scan", "reason"))
        writer.writerows(sorted(failures.items()))


def _show(
    found: Mapping[str, Mapping[str, Any]], failures: Mapping[str, str], seconds: float, out: Path
) -> None:
    """Prints what became of the scans."""
    from rich.table import Table

    from crossdl.cli.list import table_console

    console = table_console()
    flagged = sum(not one["quality"]["ok"] for one in found.values())
    table = Table(box=None, pad_edge=False)
    for column in ("Scans", "Predicted", "Flagged", "Failed", "Seconds"):
        table.add_column(column, justify="right")
    counts = (len(found) + len(failures), len(found), flagged, len(failures), round(seconds))
    table.add_row(*map(str, counts))
    console.print(table)
    for scan, reason in sorted(failures.items())[:_SHOWN]:
        console.print(f"failed: {scan}: {reason}")
    if len(failures) > _SHOWN:
        console.print(f"and {len(failures) - _SHOWN} more failed")
    console.print(
        f"Scores: {out / 'scores.csv'}; images: {out / 'scans'}; without a prediction: "
        f"{out / 'failed.csv'}  (not for clinical use)"
    )
