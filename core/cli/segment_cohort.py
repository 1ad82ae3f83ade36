"""The part of ``crossdl segment`` that is about many scans."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from crossdl.cli.segment import Job
    from crossdl.qc.assess import Assessed

_SHOWN = 10  # failed and flagged scans printed; all are in the tables


def segment_many(path: Path | None, out: Path, job: Job) -> None:
    """Segments all scans; label files are written as they are finished.

    Writes ``regions/SCAN.nii.gz``, ``quality.csv``, ``failed.csv`` and ``segmentation.json``,
    which has label values, settings and what each label file was made from, so that another run
    writes only what has changed.

    Args:
        path: A built cohort or a folder of scans; None for the composition's cohort.
        out: Folder.
        job: What is asked for.

    Raises:
        typer.Exit: With code 1 if any scan failed; everything else is written.
    """
    from crossdl.qc.assess import assess, write_failed, write_quality
    from crossdl.qc.cohorts import find_cohort

    started = time.monotonic()
    target = find_cohort(path, job.composition, job.anatomy, job.catalog)
    files = _LabelFiles(out, job)
    try:
        found = job.run(target, files.write)
        for scan, folder in found.folders.items():
            files.write(scan, folder)
        for scan in found.failures:
            files.write(scan, None)
    finally:
        files.close()
    scans = assess(found, {})
    write_quality(out / "quality.csv", scans)
    write_failed(out / "failed.csv", scans)
    _show(scans, time.monotonic() - started, out)
    if found.failures:
        raise typer.Exit(1)


class _LabelFiles:
    """Label files of a folder, and which region maps they were made from."""

    def __init__(self, out: Path, job: Job) -> None:
        self._folder, self._report, self._job = out / "regions", out / "segmentation.json", job
        try:
            known = json.loads(self._report.read_text(encoding="utf-8"))["scans"]
            self._made = {str(scan): str(regions) for scan, regions in known.items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self._made = {}

    def write(self, scan: str, folder: Path | None) -> None:
        """Writes the labels of a scan unless they are there; None removes old ones."""
        from crossdl.io.volumes import write_volume
        from crossdl.region_files import read_regions

        path = self._folder / f"{scan}.nii.gz"
        if folder is None:
            path.unlink(missing_ok=True)
            self._made.pop(scan, None)
        elif self._made.get(scan) != folder.name or not path.is_file():
            regions = read_regions(folder)
            write_volume(path, regions.labels, regions.grid)
            self._made[scan] = folder.name

    def close(self) -> None:
        """Writes the report."""
        from crossdl.files import write_json
        from crossdl.rundir import versions

        write_json(
            self._report,
            {
                "region_label_values": self._job.anatomy.label_values,
                "settings": self._job.settings,
                "versions": versions(),
                "scans": dict(sorted(self._made.items())),
            },
        )


def _show(scans: list[Assessed], seconds: float, out: Path) -> None:
    """Prints what became of the scans."""
    from rich.table import Table

    from crossdl.cli.list import table_console

    console = table_console()
    failed = [one for one in scans if one.failure]
    flagged = [one for one in scans if one.flags]
    table = Table(box=None, pad_edge=False)
    for column in ("Scans", "Segmented", "Flagged", "Failed", "Seconds"):
        table.add_column(column, justify="right")
    counts = (len(scans), len(scans) - len(failed), len(flagged), len(failed), round(seconds))
    table.add_row(*map(str, counts))
    console.print(table)
    for title, chosen in (("failed", failed), ("flagged", flagged)):
        for one in chosen[:_SHOWN]:
            console.print(f"{title}: {one.scan}: {one.failure or '; '.join(one.flags)}")
        if len(chosen) > _SHOWN:
            console.print(f"and {len(chosen) - _SHOWN} more {title}")
    console.print(
        f"Regions: {out / 'regions'}\nQuality: {out / 'quality.csv'}; without regions: "
        f"{out / 'failed.csv'}  (not for clinical use)"
    )
