"""``crossdl segment``: the regions of one scan, on its own grid."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossdl.cli.options import AllowMissingSlices, RegistryFile, ScanPath

if TYPE_CHECKING:
    from rich.table import Table

    from crossdl.anatomy import Anatomy
    from crossdl.types import RegionMap, Volume


def segment(
    path: ScanPath,
    out: Annotated[Path, typer.Option("--out", help="Label file to write, .nii or .nii.gz.")],
    composition: Annotated[
        str, typer.Option(help="Composition whose segmenter and anatomy are used.")
    ] = "crossdl",
    registry: RegistryFile = None,
    ct: Annotated[
        Path | None, typer.Option("--ct", help="Also write the CT that the labels overlay.")
    ] = None,
    allow_missing_slices: AllowMissingSlices = False,
) -> None:
    """Segment the regions of one scan; quality.json is written beside the labels.

    Not for clinical use.
    """
    from rich.console import Console

    from crossdl.anatomy import load_anatomy
    from crossdl.io.volumes import read_volume
    from crossdl.registry import load_registry

    for target in (out, ct):
        if target is not None:
            _check_name(target)
    book = load_registry(registry)
    chosen = book.composition(composition)
    anatomy = load_anatomy(chosen.anatomy)
    console = Console(stderr=True)
    with console.status("reading the scan"):
        volume = read_volume(path, anatomy.modality, allow_missing_slices=allow_missing_slices)
    segmenter = book.catalog.create("segmenter", chosen.segmenter, anatomy)
    with console.status(f"segmenting with {chosen.segmenter.kind} (seconds to a minute)"):
        regions = segmenter.segment(volume)
    settings = {"composition": composition, "segmenter": chosen.segmenter.model_dump(mode="json")}
    report = write_segmentation(out, volume, regions, anatomy, settings, ct)
    Console().print(volumes_table(regions, anatomy))
    for flag in regions.quality.flags:
        console.print(f"note: {flag}", highlight=False, soft_wrap=True)
    Console().print(f"Regions: {out}\nQuality: {report}  (not for clinical use)", soft_wrap=True)


def write_segmentation(
    out: Path,
    volume: Volume,
    regions: RegionMap,
    anatomy: Anatomy,
    settings: Mapping[str, Any],
    ct: Path | None = None,
) -> Path:
    """Writes the labels as uint8 NIfTI on the grid of ``volume``, then ``quality.json``.

    ``quality.json`` holds the quality values and flags, which region each label value is, facts
    of reading the scan, ``settings``, and versions.

    Args:
        out: Label file.
        volume: The scan.
        regions: Its labels on the same grid.
        anatomy: Names of the regions.
        settings: JSON-able; what the regions were made with.
        ct: Where to write the scan itself as int16 HU, or None.

    Returns:
        Path of ``quality.json``, in the folder of ``out``.
    """
    import numpy as np

    from crossdl.files import write_json
    from crossdl.io.volumes import write_volume
    from crossdl.rundir import versions

    report = out.parent / "quality.json"
    report.unlink(missing_ok=True)
    if ct is not None:
        limits = np.iinfo(np.int16)
        hu = np.clip(np.rint(volume.array), limits.min, limits.max).astype(np.int16)
        write_volume(ct, hu, volume.grid)
    write_volume(out, regions.labels, regions.grid)
    write_json(
        report,
        {
            "scan": volume.name,
            **regions.quality.as_dict(),
            "region_label_values": anatomy.label_values,
            "reading": dict(volume.meta),
            "settings": dict(settings),
            "versions": versions(),
        },
    )
    return report


def volumes_table(regions: RegionMap, anatomy: Anatomy) -> Table:
    """Volumes of the regions for the terminal."""
    from rich.table import Table

    from crossdl.registration.finish import region_volumes

    table = Table(title="Region volumes")
    table.add_column("Label", justify="right")
    table.add_column("Region")
    table.add_column("ml", justify="right")
    volumes = region_volumes(regions.labels, regions.grid, anatomy)
    for index, region in enumerate(anatomy.regions):
        table.add_row(str(index + 1), region.title, f"{volumes[region.name]:.1f}")
    return table


def _check_name(target: Path) -> None:
    from crossdl.errors import InputError

    if not target.name.endswith((".nii", ".nii.gz")):
        raise InputError(f"{target}: the file name must end in .nii or .nii.gz")
