"""Regions for an atlas folder: drawn on its template, or a first draft carried over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.atlases.folder import (
    DESCRIPTION,
    LABELS,
    OVERVIEW,
    PROVENANCE,
    TEMPLATE,
    in_order,
    read_description,
    read_numbers,
    write_description,
)
from crossdl.errors import InputError
from crossdl.files import replacing, sha256, write_json
from crossdl.interfaces import RegionSegmenter
from crossdl.io.volumes import read_labels, read_volume, write_volume
from crossdl.qc.pictures import picture
from crossdl.types import LabelArray, Quality, RegionMap, Volume


def attach_regions(folder: Path, labels: Path, table: Path | None, anatomy: Anatomy) -> None:
    """Makes a label map that was drawn on the template the regions of the atlas.

    Args:
        folder: What ``crossdl atlas build`` wrote.
        labels: Label map on the grid of the template.
        table: TOML file whose ``[regions]`` gives the number of every region; None keeps the
            numbers of ``atlas.toml``.
        anatomy: Whose regions they are.

    Raises:
        InputError: A file is missing or unreadable, the grids differ, a region has no voxels, or
            a number belongs to no region.
    """
    described = read_description(folder / DESCRIPTION, anatomy)
    template = read_volume(_template(folder), anatomy.modality)
    regions = described.regions if table is None else read_numbers(table, anatomy)
    numbers, grid = read_labels(labels)
    if not template.grid.same_as(grid):
        raise InputError(
            f"{labels}: is not on the grid of {folder / TEMPLATE}; draw on the template, or "
            "resample the label map to its grid"
        )
    ordered = in_order(numbers, regions, labels, anatomy)
    unknown = sorted({int(n) for n in np.unique(numbers)} - {0, *regions.values()})
    if unknown:
        raise InputError(
            f"{labels}: has voxels with {', '.join(map(str, unknown))}, which "
            f"{table or folder / DESCRIPTION} gives to no region; correct the label map or the "
            "numbers"
        )
    write_volume(folder / LABELS, numbers, grid)
    write_description(folder / DESCRIPTION, described.model_copy(update={"regions": dict(regions)}))
    _note(folder, {"file": labels.name, "sha256": sha256(labels)})
    _show(folder, template, ordered, anatomy)


def draft_regions(folder: Path, segmenter: RegionSegmenter[Any], anatomy: Anatomy) -> Quality:
    """Segments the template as if it were a patient: a first draft, to be corrected by hand.

    Args:
        folder: What ``crossdl atlas build`` wrote.
        segmenter: Carries the regions of its own atlas.
        anatomy: Whose regions they are.

    Returns:
        How well that went.

    Raises:
        InputError: A file is missing, or a region got no voxels.
        RegistrationError: The segmenter failed.
    """
    described = read_description(folder / DESCRIPTION, anatomy)
    template = read_volume(_template(folder), anatomy.modality)
    found = segmenter.segment(template)
    plain = {name: i for i, name in enumerate(anatomy.region_names, start=1)}
    in_order(found.labels, plain, folder / LABELS, anatomy)
    write_volume(folder / LABELS, found.labels, found.grid)
    write_description(folder / DESCRIPTION, described.model_copy(update={"regions": plain}))
    config = segmenter.config.model_dump(mode="json")
    _note(folder, {"draft_of": config, "fingerprint": segmenter.fingerprint()})
    _show(folder, template, found.labels, anatomy)
    return found.quality


def _template(folder: Path) -> Path:
    if not (folder / TEMPLATE).is_file():
        raise InputError(
            f"{folder / TEMPLATE}: is missing; give a folder that crossdl atlas build wrote"
        )
    return folder / TEMPLATE


def _note(folder: Path, regions: dict[str, Any]) -> None:
    """Adds where the regions come from to the provenance."""
    path = folder / PROVENANCE
    try:
        record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{path}: is not valid JSON; remove it") from error
    write_json(path, {**record, "regions": regions})


def _show(folder: Path, template: Volume, labels: LabelArray, anatomy: Anatomy) -> None:
    with replacing(folder / OVERVIEW) as working:
        working.write_bytes(picture(template, RegionMap(labels, template.grid), anatomy))
