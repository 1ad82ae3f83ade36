"""How well the atlas was registered to each scan of a cohort, as a table."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.files import replacing

if TYPE_CHECKING:
    from crossdl.catalog import Catalog
    from crossdl.registry import Composition


def write_quality(
    cohort: Path,
    out: Path,
    composition: Composition,
    catalog: Catalog,
    workers: int | None = None,
) -> tuple[int, int]:
    """Registers every scan and writes the measures of quality, a row per scan.

    Regions go to the cache; a run with the same anatomy and segmenter takes them from there.

    Args:
        cohort: A built cohort whose source files can still be read.
        out: csv with the columns ``scan``, one per number of the segmenter's quality (those in
            groups as ``group.name``), ``flags`` and ``failure``.
        composition: Gives anatomy and segmenter.
        catalog: Where the segmenter comes from.
        workers: Processes; None for one per core.

    Returns:
        Number of scans, and how many of them have flags or failed.

    Raises:
        InputError: The cohort cannot be read.
    """
    from crossdl.anatomy import load_anatomy
    from crossdl.segmentation import segment_cohort

    source = catalog.parse("cohort", {"kind": "dicom", "folder": str(cohort)})
    anatomy = load_anatomy(composition.anatomy)
    records = catalog.create("cohort", source, anatomy).records()
    found = segment_cohort(
        records,
        cohort=source,
        segmenter=composition.segmenter,
        anatomy=composition.anatomy,
        catalog=catalog,
        workers=workers,
    )
    rows: list[dict[str, Any]] = []
    for name in (record.scan_id for record in records):
        row: dict[str, Any] = {"scan": name, "flags": "", "failure": found.failures.get(name, "")}
        if name in found.regions:
            quality = found.regions[name]().quality
            row |= {**dict(_numbers(quality.values)), "flags": "; ".join(quality.flags)}
        rows.append(row)
    measures = dict.fromkeys(key for row in rows for key in row)
    columns = [key for key in measures if key not in ("scan", "flags", "failure")]
    with replacing(out) as working, working.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["scan", *columns, "flags", "failure"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows), sum(bool(row["flags"] or row["failure"]) for row in rows)


def _numbers(values: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{group}{name}.")
        elif isinstance(value, int | float):
            yield f"{group}{name}", value
