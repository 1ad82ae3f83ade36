"""Registration to real head CTs: ``--ct-ich FOLDER --dicom FOLDER --reference FOLDER --rows FILE``.

Registers the default atlas to the 41 scans of CT-ICH and to a DICOM series by every method and
counts flags. There are no true regions; the second opinion is an atlas by others, carried over by a
registration of its own: the CT template of Rorden et al. (``scct_2mm_cormack.nii.gz``) with the
regions of BLAST-CT (``blast_ct_regions.nii.gz``), by ANTs. Agreement is Dice over the groups of
``atlas_agreement.py``: ``all`` within the reference's mask, ``both`` where both have a group; our
centrum ovale is left out, because the reference has none. It bounds the error of both together.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import registration
from atlas_agreement import Reference, dice, theirs_as_ours
from registration import anatomy, segmenter
from rich.console import Console
from rich.table import Table

from crossdl.atlas import Atlas
from crossdl.catalog import default_catalog
from crossdl.errors import CrossDLError
from crossdl.interfaces import CohortSource
from crossdl.io.volumes import read_volume
from crossdl.progress import progress_bar
from crossdl.types import LabelArray, Quality, RegionMap, Volume
from crossdl.workers import worker_pool

METHODS = {name: registration.METHODS[name] for name in ("fast", "paper", "ants")}
OTHERS: dict[str, Any] = {"kind": "ants", "working_shape": (48, 96, 96)}
"""What carries the other atlas over."""


def main() -> None:
    """Registers, compares, prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ct-ich", type=Path, required=True)
    parser.add_argument("--dicom", type=Path, required=True)
    parser.add_argument("--reference", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.rows.open()] if given.rows.is_file() else []
    known = {row["scan"] for row in rows}
    names = [r.scan_id for r in cohort(given.ct_ich).records()] + ["dicom"]
    todo = [name for name in names if name not in known]
    with progress_bar() as bar, worker_pool(given.workers) as pool:
        task = bar.add_task("registering", total=len(todo))
        jobs = [pool.schedule(one, args=[name, given]) for name in todo]
        for job in jobs:
            rows.append(job.result())
            with given.rows.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rows[-1]) + "\n")
            bar.advance(task)
    show(rows, given.methods)


@cache
def cohort(folder: Path) -> CohortSource[Any]:
    """CT-ICH."""
    catalog = default_catalog()
    fields = {"kind": "ct_ich", "folder": str(folder)}
    made: CohortSource[Any] = catalog.create("cohort", catalog.parse("cohort", fields), anatomy())
    return made


@cache
def other_segmenter(reference: Path) -> Any:
    """Carries the atlas of others."""
    tool: Any = segmenter(json.dumps(OTHERS))
    tool._atlas = atlas_of_others(reference)
    return tool


def atlas_of_others(folder: Path) -> Atlas:
    """Rorden's CT template in HU with BLAST-CT's regions as labels of our anatomy."""
    cormack = read_volume(folder / "scct_2mm_cormack.nii.gz")
    units = cormack.array
    middle = (units - 900) / 11 - 100  # Rorden's units stretch -100 to 100 HU by eleven
    hu = np.where(units <= 900, units - 1000, np.where(units <= 3100, middle, units - 3000))
    volume = Volume(hu.astype(np.float32), cormack.grid, "template of others")
    reference = Reference(folder)
    points = volume.grid.index_to_world(np.moveaxis(np.indices(volume.grid.shape), 0, -1))
    numbers, mask = reference.at(points)
    labels = theirs_as_ours(np.where(mask, numbers, 0), points, anatomy()).astype(np.uint8)
    labels[mask & (labels == 0)] = anatomy().n_regions + 1
    return Atlas(volume, RegionMap(labels, volume.grid, Quality({})), "others")


def one(name: str, given: argparse.Namespace) -> dict[str, Any]:
    """In a worker: one scan by every method, beside the atlas of others."""
    if name == "dicom":
        volume = read_volume(given.dicom, anatomy().modality)
    else:
        source = cohort(given.ct_ich)
        volume = source.volume(next(r for r in source.records() if r.scan_id == name))
    row: dict[str, Any] = {"scan": name, "methods": {}}
    try:
        other: RegionMap | None = other_segmenter(given.reference).segment(volume)
    except CrossDLError as error:
        other, row["reference_error"] = None, str(error)
    if other is not None:
        row["reference_similarity"] = other.quality.values["similarity"]
    for method in given.methods:
        try:
            found = segmenter(json.dumps(METHODS[method])).segment(volume)
        except CrossDLError as error:
            row["methods"][method] = {"error": str(error)}
            continue
        values = found.quality.values
        row["methods"][method] = {
            "flags": list(found.quality.flags),
            "score": values.get("score"),
            "similarity": values["similarity"],
            "agreement": None if other is None else agreement(found.labels, other.labels),
        }
    return row


def agreement(ours: LabelArray, theirs: LabelArray) -> dict[str, dict[str, float]]:
    """Dice by group, both sides of a group together counted apart and averaged."""
    label = {name: i for i, name in enumerate(anatomy().region_names, start=1)}
    mine, other = ours.astype(np.int64), theirs.astype(np.int64)
    mine[other == 0] = 0
    other[other > anatomy().n_regions] = 0
    mine[mine == label["right_lateral_ventricle"]] = label["left_lateral_ventricle"]
    centrum = np.isin(mine, [i for n, i in label.items() if n.endswith("centrum_ovale")])
    mine[centrum], other[centrum] = 0, 0
    both = (mine > 0) & (other > 0)
    groups: dict[str, list[int]] = {}
    for name, number in label.items():
        part = name.removeprefix("left_").removeprefix("right_")
        if (other == number).any():
            groups.setdefault(part, []).append(number)
    return {
        part: {
            kind: float(np.mean([dice(a, b, number) for number in numbers]))
            for kind, a, b in (("all", mine, other), ("both", mine * both, other * both))
        }
        for part, numbers in groups.items()
    }


def show(rows: list[Mapping[str, Any]], methods: list[str]) -> None:
    """Flags, then agreement."""
    console = Console(width=150)
    table = Table("method", title=f"Default atlas to {len(rows)} real scans")
    for heading in ("failed", "flagged", "similarity", "lowest", "score", "lowest"):
        table.add_column(heading, justify="right")
    for method in methods:
        mine = [row["methods"][method] for row in rows]
        done = [m for m in mine if "error" not in m]
        sims, scores = ([m[k] for m in done] for k in ("similarity", "score"))
        table.add_row(
            method,
            str(len(mine) - len(done)),
            str(sum(bool(m["flags"]) for m in done)),
            *(f"{v:.3f}" for v in (np.mean(sims), min(sims), np.mean(scores), min(scores))),
        )
    console.print(table)
    for row in rows:
        for method, m in row["methods"].items():
            for said in m.get("flags") or [m["error"]] if "error" in m or m.get("flags") else []:
                console.print(f"{row['scan']}, {method}: {said}", highlight=False)
    parts = sorted({p for r in rows for m in r["methods"].values() for p in m["agreement"] or {}})
    table = Table("group", title="Agreement with the other atlas: mean over scans (lowest scan)")
    for method in methods:
        for kind in ("all", "both"):
            table.add_column(f"{method}, {kind}", justify="right")
    means: dict[str, list[float]] = {}
    for part in parts:
        cells = []
        for method in methods:
            for kind in ("all", "both"):
                values = [
                    r["methods"][method]["agreement"][part][kind]
                    for r in rows
                    if (r["methods"][method].get("agreement") or {}).get(part)
                ]
                cells.append(f"{np.mean(values):.3f} ({min(values):.3f})")
                means.setdefault(f"{method} {kind}", []).append(float(np.mean(values)))
        table.add_row(part.replace("_", " "), *cells)
    table.add_section()
    table.add_row("mean", *(f"{np.mean(v):.3f}" for v in means.values()))
    console.print(table)


if __name__ == "__main__":
    main()
