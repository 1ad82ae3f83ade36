"""``crossdl segment``: the regions of scans, each on its own grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossdl.cli.options import (
    AllowMissingSlices,
    CohortPath,
    CompositionChanges,
    RegistryFile,
    TimeLimit,
    Workers,
)

if TYPE_CHECKING:
    from rich.table import Table

    from crossdl.anatomy import Anatomy
    from crossdl.catalog import Catalog
    from crossdl.qc.cohorts import Target
    from crossdl.registry import Composition
    from crossdl.segmentation import CohortRegions
    from crossdl.types import RegionMap, Volume


def segment(
    out: Annotated[
        Path,
        typer.Option("--out", help="For one scan the label file, .nii or .nii.gz; else a folder."),
    ],
    path: CohortPath = None,
    composition: Annotated[
        str, typer.Option(help="Composition whose segmenter and anatomy are used.")
    ] = "crossdl",
    registry: RegistryFile = None,
    change: CompositionChanges = None,
    ct: Annotated[
        Path | None,
        typer.Option("--ct", help="Of one scan: also write the CT that the labels overlay."),
    ] = None,
    allow_missing_slices: AllowMissingSlices = False,
    workers: Workers = None,
    timeout: TimeLimit = 900.0,
) -> None:
    """Segment the regions of a scan, of a folder of scans, or of a cohort.

    One scan gives a label file with quality.json beside it. More give a folder with regions/,
    quality.csv and failed.csv; a scan that fails costs only itself, and the same command goes on
    where it stopped. Not for clinical use.
    """
    from crossdl.anatomy import load_anatomy
    from crossdl.cli.run import parse_changes
    from crossdl.errors import ConfigError
    from crossdl.io.nifti import ENDINGS, check_name
    from crossdl.qc.cohorts import is_one_scan
    from crossdl.registry import load_registry

    single = path is not None and is_one_scan(path)
    for target in (out if single else None, ct):
        if target is not None:
            check_name(target)
    if not single and ct is not None:
        raise ConfigError("--ct: is for one scan; leave it out for a folder of scans or a cohort")
    if not single and (out.is_file() or out.name.endswith(ENDINGS)):
        raise ConfigError(f"--out {out}: several scans need a folder; give its name")
    book = load_registry(registry)
    chosen = book.composition(composition, parse_changes(change or []))
    job = Job(composition, chosen, book.catalog, load_anatomy(chosen.anatomy), workers, timeout)
    if single and path is not None:
        _one(path, out, ct, job, allow_missing_slices)
    else:
        from crossdl.cli.segment_cohort import segment_many

        segment_many(path, out, job)


@dataclass(frozen=True)
class Job:
    """What is asked for, whichever the scans are.

    Attributes:
        name: Of the composition.
        composition: Names segmenter, anatomy and perhaps the cohort.
        catalog: Where kinds come from.
        anatomy: Of the composition.
        workers: Processes, None for one per core.
        timeout: Seconds for a scan.
    """

    name: str
    composition: Composition
    catalog: Catalog
    anatomy: Anatomy
    workers: int | None
    timeout: float

    @property
    def settings(self) -> dict[str, Any]:
        """What reports say of it; JSON-able."""
        segmenter = self.composition.segmenter.model_dump(mode="json")
        return {"composition": self.name, "segmenter": segmenter}

    def run(
        self, target: Target, on_done: Callable[[str, Path | None], None] | None = None
    ) -> CohortRegions:
        """Segments scans in worker processes; see :func:`crossdl.segmentation.segment_cohort`."""
        from crossdl.segmentation import segment_cohort

        return segment_cohort(
            target.records,
            cohort=target.config,
            segmenter=self.composition.segmenter,
            anatomy=self.composition.anatomy,
            catalog=self.catalog,
            workers=self.workers,
            timeout_s=self.timeout,
            on_done=on_done,
        )


def _one(path: Path, out: Path, ct: Path | None, job: Job, allow_missing_slices: bool) -> None:
    """One scan, in a process of its own: a crash of the tool ends in a sentence."""
    from rich.console import Console

    from crossdl.io.volumes import read_volume

    console, anatomy = Console(stderr=True), job.anatomy
    with console.status("reading the scan"):
        volume = read_volume(path, anatomy.modality, allow_missing_slices=allow_missing_slices)
    regions = regions_of(path, job, allow_missing_slices)
    report = write_segmentation(out, volume, regions, anatomy, job.settings, ct)
    Console().print(volumes_table(regions, anatomy))
    for flag in regions.quality.flags:
        console.print(f"note: {flag}", highlight=False, soft_wrap=True)
    Console().print(f"Regions: {out}\nQuality: {report}  (not for clinical use)", soft_wrap=True)


def regions_of(path: Path, job: Job, allow_missing_slices: bool) -> RegionMap:
    """Regions of one scan; a crash of the tool costs only the process it runs in.

    Raises:
        RegistrationError: The segmenter failed.
    """
    from crossdl.errors import RegistrationError
    from crossdl.qc.cohorts import find_cohort
    from crossdl.region_files import read_regions

    target = find_cohort(
        path, job.composition, job.anatomy, job.catalog, allow_missing_slices=allow_missing_slices
    )
    found = job.run(target)
    for scan, reason in found.failures.items():
        raise RegistrationError(reason if scan in reason else f"{path}: {reason}")
    (folder,) = found.folders.values()
    return read_regions(folder)


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
    from crossdl.files import write_json
    from crossdl.io.volumes import write_ct, write_volume
    from crossdl.rundir import versions

    report = out.parent / "quality.json"
    report.unlink(missing_ok=True)
    if ct is not None:
        write_ct(ct, volume)
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
