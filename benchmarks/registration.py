"""Registration against true regions: ``python benchmarks/registration.py --rows FILE``.

Registers the default atlas to phantoms, whose regions are known and whose warps are not, by every
method, and prints Dice by method and region with seconds and memory per scan. ``default`` is
itk-elastix with its own affine and B-spline parameter maps at 160x160x80 voxels, on the same
prepared images, for the first ``--slow`` scans. Every method has one process of one thread; they
take turns, scan by scan, so that all meet the machine in the same state. Time beside ``default`` is
processor time, as a median over the scans. ``--rows FILE`` keeps the figures of every scan; what it
has is not registered again. ``--repeat`` registers the first scans twice, in new processes, and
compares the labels byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.catalog import default_catalog
from crossdl.errors import CrossDLError
from crossdl.interfaces import CohortSource, RegionSegmenter
from crossdl.progress import progress_bar
from crossdl.types import LabelArray, ScanRecord
from crossdl.workers import worker_pool

METHODS: dict[str, dict[str, Any]] = {
    "affine": {"kind": "elastix", "preset": "affine"},
    "fast": {"kind": "elastix", "preset": "fast"},
    "paper": {"kind": "elastix", "preset": "paper"},
    "ants": {"kind": "ants"},
    "default": {"kind": "elastix", "working_shape": (80, 160, 160)},
}
COHORT: dict[str, Any] = {
    "kind": "phantom",
    "seed": 77,
    "repeat_rate": 0.0,
    "matrix": 256,
}


def main() -> None:
    """Registers, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--patients", type=int, default=40)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--slow", type=int, default=10, metavar="N", help="scans for default")
    parser.add_argument("--repeat", type=int, default=0, metavar="N")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.rows.open()] if given.rows.is_file() else []
    known = {(row["method"], row["scan"]) for row in rows}
    records = cohort(given.patients).records()
    todo = [
        (r.scan_id, m)
        for i, r in enumerate(records)
        for m in given.methods
        if (m, r.scan_id) not in known and (m != "default" or i < given.slow)
    ]
    with tempfile.TemporaryDirectory() as maps, progress_bar() as bar:
        fields = with_default_maps(Path(maps))
        task = bar.add_task("registering", total=len(todo))
        pools = {m: worker_pool(1) for m in given.methods}
        running = {m: pool.__enter__() for m, pool in pools.items()}
        for scan, method in todo:
            row = (
                running[method]
                .schedule(register, args=[given.patients, scan, method, fields[method]])
                .result()
            )
            rows.append(row)
            with given.rows.open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
            bar.advance(task)
        for pool in pools.values():
            pool.__exit__(None, None, None)
        if given.repeat:
            again(records[: given.repeat], given, fields, rows)
    console = Console(width=150)
    console.print(by_method(rows, given.methods))
    console.print(by_region(rows, given.methods))
    if "default" in given.methods:
        console.print(against_default(rows, given.methods))


def with_default_maps(folder: Path) -> dict[str, dict[str, Any]]:
    """The methods, ``default`` with itk-elastix's own maps as files."""
    context = get_context("spawn")
    process = context.Process(target=write_default_maps, args=(folder,))
    process.start()
    process.join()
    files = tuple(str(folder / f"{name}.txt") for name in ("affine", "bspline"))
    return {**METHODS, "default": {**METHODS["default"], "parameter_files": files}}


def write_default_maps(folder: Path) -> None:
    """In a process of its own, because itk takes a gigabyte."""
    import itk

    for name in ("affine", "bspline"):
        parameters = itk.ParameterObject.New()
        parameters.AddParameterMap(parameters.GetDefaultParameterMap(name))
        parameters.SetParameter(0, "AutomaticTransformInitialization", "false")
        parameters.WriteParameterFile(str(folder / f"{name}.txt"))


@cache
def anatomy() -> Anatomy:
    """Of the head."""
    return load_anatomy("head_ct")


@cache
def cohort(patients: int) -> CohortSource[Any]:
    """Phantoms, all of them test patients."""
    fields = {**COHORT, "patients": {"train": 1, "valid": 1, "test": patients}}
    catalog = default_catalog()
    made: CohortSource[Any] = catalog.create("cohort", catalog.parse("cohort", fields), anatomy())
    return made


@cache
def scans(patients: int) -> Mapping[str, ScanRecord]:
    """Records of the phantoms by name."""
    return {r.scan_id: r for r in cohort(patients).records()}


@cache
def segmenter(fields: str) -> RegionSegmenter[Any]:
    """A method, made once per process."""
    catalog = default_catalog()
    made: RegionSegmenter[Any] = catalog.create(
        "segmenter", catalog.parse("segmenter", json.loads(fields)), anatomy()
    )
    return made


def register(patients: int, scan: str, method: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """In a worker: one scan by one method."""
    record = scans(patients)[scan]
    volume, truth = cohort(patients).volume(record), cohort(patients).region_truth(record)
    tool = segmenter(json.dumps(fields))
    row: dict[str, Any] = {"method": method, "scan": scan}
    begun, used = time.perf_counter(), time.process_time()
    try:
        found = tool.segment(volume)
    except CrossDLError as error:
        return {**row, "error": str(error)}
    row["seconds"], row["cpu_seconds"] = time.perf_counter() - begun, time.process_time() - used
    row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    row["flags"] = list(found.quality.flags)
    row["score"] = found.quality.values.get("score")
    row["similarity"] = found.quality.values["similarity"]
    row["labels"] = hashlib.sha256(found.labels.tobytes()).hexdigest()
    assert truth is not None
    row["dice"] = dice(found.labels, truth.labels, anatomy().n_regions)
    return row


def dice(found: LabelArray, true: LabelArray, n: int) -> list[float | None]:
    """Of every region; None where the scan does not reach it."""
    sizes = [np.bincount(x.ravel(), minlength=n + 1)[1 : n + 1] for x in (found, true)]
    both = np.bincount(true[found == true].ravel(), minlength=n + 1)[1 : n + 1]
    return [float(2 * c / (a + b)) if b > 0 else None for a, b, c in zip(*sizes, both, strict=True)]


def again(
    records: Any, given: argparse.Namespace, fields: Mapping[str, Any], rows: list[dict[str, Any]]
) -> None:
    """Registers in new processes and compares the labels with those of the first time."""
    first = {(row["method"], row["scan"]): row.get("labels") for row in rows}
    for method in given.methods:
        with worker_pool(1) as pool:
            same = [
                pool.schedule(register, args=[given.patients, r.scan_id, method, fields[method]])
                .result()
                .get("labels")
                == first[method, r.scan_id]
                for r in records
            ]
        print(f"{method}: {sum(same)} of {len(same)} scans have the same labels, byte for byte")


def by_method(rows: list[dict[str, Any]], methods: list[str]) -> Table:
    """Means over scans."""
    table = Table("method", title="Default atlas to phantoms")
    for heading in (
        "scans", "failed", "flagged", "mean Dice", "sd over scans", "worst scan", "worst region",
        "seconds", "CPU s", "peak MB",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    for method in methods:
        mine = [row for row in rows if row["method"] == method]
        done = [row for row in mine if "dice" in row]
        if not done:
            continue
        values = np.array([row["dice"] for row in done], dtype=float)
        means = np.nanmean(values, axis=1)
        table.add_row(
            method,
            str(len(mine)),
            str(len(mine) - len(done)),
            str(sum(bool(row["flags"]) for row in done)),
            f"{means.mean():.3f}",
            f"{means.std(ddof=1):.3f}" if len(means) > 1 else "-",
            f"{means.min():.3f}",
            f"{np.nanmean(values, axis=0).min():.3f}",
            f"{np.median([row['seconds'] for row in done]):.1f}",
            f"{np.median([row['cpu_seconds'] for row in done]):.1f}",
            f"{max(row['peak_mb'] for row in done):.0f}",
        )
    return table


def against_default(rows: list[dict[str, Any]], methods: list[str]) -> Table:
    """Cost and Dice beside itk-elastix's own maps, on the scans that both have."""
    found = {(row["method"], row["scan"]): row for row in rows if "dice" in row}
    scans = [scan for method, scan in found if method == "default"]
    table = Table(
        "method", "scans", "time / default", "Dice - default", title="Beside the default maps"
    )
    for method in methods:
        pairs = [(found[method, s], found["default", s]) for s in scans if (method, s) in found]
        if pairs and method != "default":
            times = [mine["cpu_seconds"] / other["cpu_seconds"] for mine, other in pairs]
            gains = [
                np.nanmean(np.array(mine["dice"], float))
                - np.nanmean(np.array(other["dice"], float))
                for mine, other in pairs
            ]
            table.add_row(
                method, str(len(pairs)), f"{np.median(times):.3f}", f"{np.mean(gains):+.4f}"
            )
    return table


def by_region(rows: list[dict[str, Any]], methods: list[str]) -> Table:
    """Mean and worst Dice of every region."""
    table = Table("region", title="Dice by region: mean (worst scan)")
    for method in methods:
        table.add_column(method, justify="right")
    for i, region in enumerate(anatomy().regions):
        cells = []
        for method in methods:
            values = np.array(
                [row["dice"][i] for row in rows if row["method"] == method and "dice" in row],
                dtype=float,
            )
            known = values[~np.isnan(values)]
            cells.append(f"{known.mean():.3f} ({known.min():.3f})" if known.size else "-")
        table.add_row(region.title, *cells)
    return table


if __name__ == "__main__":
    main()
