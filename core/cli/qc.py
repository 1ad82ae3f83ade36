"""``crossdl qc``: look at every registration of a cohort, and drop what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdl.cli.options import CohortPath, CompositionChanges, RegistryFile, TimeLimit, Workers

if TYPE_CHECKING:
    from crossdl.anatomy import Anatomy
    from crossdl.qc.assess import Assessed
    from crossdl.qc.cohorts import Target
    from crossdl.registry import Composition


def qc(
    cohort: CohortPath = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for gallery.html and quality.csv.")
    ] = None,
    verdicts: Annotated[
        Path | None,
        typer.Option("--verdicts", help="verdicts.csv of the gallery: drop and keep its scans."),
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option("--sheet", help="Also draw all scans on one picture, .png.")
    ] = None,
    composition: Annotated[
        str, typer.Option(help="Composition whose segmenter and anatomy are used.")
    ] = "crossdl",
    registry: RegistryFile = None,
    change: CompositionChanges = None,
    workers: Workers = None,
    timeout: TimeLimit = 900.0,
) -> None:
    """Register every scan and show them on one page, the worst first, to be kept or dropped.

    Regions are kept: training with the same composition does not register again. Verdicts count
    in a cohort of `crossdl cohort build`: what they drop is left out of every later run, until
    other verdicts keep it. Not for clinical use.
    """
    from crossdl.errors import ConfigError

    if out is None and verdicts is None and sheet is None:
        raise ConfigError("nothing to do: give --out FOLDER, --sheet FILE.png or --verdicts FILE")
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise ConfigError(f"--sheet {sheet}: the file name must end in .png")
    if verdicts is not None:
        _apply(cohort, verdicts)
    if out is None and sheet is None:
        return
    from crossdl.anatomy import load_anatomy
    from crossdl.cli.run import parse_changes
    from crossdl.cli.segment import Job
    from crossdl.ingest.judge import stored_verdicts
    from crossdl.qc.assess import assess, write_quality
    from crossdl.qc.cohorts import find_cohort, is_built
    from crossdl.registry import load_registry

    book = load_registry(registry)
    chosen = book.composition(composition, parse_changes(change or []))
    anatomy = load_anatomy(chosen.anatomy)
    target = find_cohort(cohort, chosen, anatomy, book.catalog)
    found = Job(composition, chosen, book.catalog, anatomy, workers, timeout).run(target)
    known = stored_verdicts(cohort) if cohort is not None and is_built(cohort) else {}
    scans = assess(found, known)
    pages: list[Path] = []
    if out is not None:
        write_quality(out / "quality.csv", scans)
        pages = _gallery(out / "gallery.html", scans, target, anatomy, chosen)
    if sheet is not None:
        _sheet(sheet, scans, target, anatomy)
    failed, doubtful = sum(bool(one.failure) for one in scans), sum(one.flagged for one in scans)
    typer.echo(f"{len(scans)} scans, {doubtful - failed} flagged, {failed} failed.")
    for written in (*pages, out and out / "quality.csv", sheet):
        if written:
            typer.echo(f"Written: {written}")


def _apply(cohort: Path | None, verdicts: Path) -> None:
    """Verdicts into a built cohort, and what is left then."""
    from crossdl.cli.cohort_build import show_counts, show_flow
    from crossdl.errors import InputError
    from crossdl.ingest.judge import apply_verdicts
    from crossdl.qc.cohorts import is_built

    if cohort is None or not is_built(cohort):
        raise InputError(
            f"--verdicts {verdicts}: {cohort or 'no folder'} is no cohort of `crossdl cohort "
            "build`, and only such a cohort can leave scans out; for others remove the rows of "
            "dropped scans from their table"
        )
    done = apply_verdicts(cohort, verdicts)
    show_flow(done)
    show_counts(done, cohort)


def _gallery(
    path: Path,
    scans: list[Assessed],
    target: Target,
    anatomy: Anatomy,
    composition: Composition,
) -> list[Path]:
    from crossdl.progress import track
    from crossdl.qc.gallery import picture_of, write_gallery

    records = {record.scan_id: record for record in target.records}
    return write_gallery(
        path,
        scans,
        (
            picture_of(one, records[one.scan], target.source, anatomy)
            for one in track(scans, "drawing")
        ),
        anatomy,
        name=target.name,
        key=target.config.model_dump_json() + composition.segmenter.model_dump_json(),
    )


def _sheet(path: Path, scans: list[Assessed], target: Target, anatomy: Anatomy) -> None:
    from crossdl.errors import InputError
    from crossdl.figures import save_figure
    from crossdl.progress import track
    from crossdl.qc.pictures import View, views
    from crossdl.qc.sheet import sheet_figure
    from crossdl.region_files import read_regions

    records = {record.scan_id: record for record in target.records}
    shown: list[tuple[Assessed, list[View]]] = []
    for one in track(scans, "drawing the sheet"):
        try:
            volume = target.source.volume(records[one.scan])
        except InputError:
            shown.append((one, []))
            continue
        regions = read_regions(one.folder) if one.folder else None
        shown.append((one, views(volume, regions, anatomy)))
    flagged = sum(one.flagged for one in scans)
    title = f"{target.name}: {len(scans)} scans, {flagged} flagged or failed, the worst first"
    save_figure(sheet_figure(shown, anatomy, title=title), path, dpi=150)
