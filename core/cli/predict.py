"""``crossdl predict``: maps, scores and an overlay of a scan, or of many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdl.cli.options import (
    AllowMissingSlices,
    CohortPath,
    CompositionChanges,
    RegistryFile,
    TimeLimit,
)

if TYPE_CHECKING:
    from crossdl.catalog import Catalog
    from crossdl.cli.segment import Job
    from crossdl.prediction_batch import Method
    from crossdl.predictors import Predictor
    from crossdl.types import RegionMap


def predict(
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    path: CohortPath = None,
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="Model folder (RUN/model); several give the mean of their maps (repeatable); "
            "default: the shipped demonstrator."
        ),
    ] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="Mean of the scan's maps and its mirror image's.")
    ] = False,
    no_maps: Annotated[
        bool, typer.Option("--no-maps", help="Write scores only, no images.")
    ] = False,
    worklist: Annotated[
        bool,
        typer.Option("--worklist", help="Of several scans: scores.csv with the worst first."),
    ] = False,
    composition: Annotated[
        str,
        typer.Option(
            help="Composition whose cohort is predicted if no PATH is given, and whose segmenter "
            "makes the regions if the model needs them."
        ),
    ] = "crossdl",
    registry: RegistryFile = None,
    change: CompositionChanges = None,
    allow_missing_slices: AllowMissingSlices = False,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one per core, at most 8.")
    ] = None,
    timeout: TimeLimit = 900.0,
) -> None:
    """Predict a scan, a folder of scans, or a cohort: heatmaps, regions, scores, a picture.

    One scan's results lie on its own geometry in OUT. Many give OUT/scans/SCAN, OUT/scores.csv and
    OUT/failed.csv; a scan that fails costs only itself, and the same command goes on where it
    stopped. Not for clinical use.
    """
    from crossdl.anatomy import load_anatomy
    from crossdl.cli.run import parse_changes
    from crossdl.cli.segment import Job
    from crossdl.errors import ConfigError
    from crossdl.prediction_batch import Method
    from crossdl.qc.cohorts import is_one_scan
    from crossdl.registry import load_registry

    book = load_registry(registry)
    method = Method.of(model or [], flip)

    def job() -> Job:
        chosen = book.composition(composition, parse_changes(change or []))
        return Job(
            composition, chosen, book.catalog, load_anatomy(chosen.anatomy), workers, timeout
        )

    if path is not None and is_one_scan(path):
        if worklist:
            raise ConfigError("--worklist: is for several scans; leave it out for one")
        _one(path, out, method, book.catalog, job, not no_maps, allow_missing_slices)
    else:
        from crossdl.cli.predict_cohort import predict_many

        predict_many(path, out, method, job(), maps=not no_maps, worklist=worklist)


def _one(
    path: Path,
    out: Path,
    method: Method,
    catalog: Catalog,
    job: Callable[[], Job],
    maps: bool,
    allow_missing_slices: bool,
) -> None:
    """One scan, in this process; ``job`` is asked for only where a segmenter is needed."""
    import gc

    from rich.console import Console

    from crossdl.io.volumes import read_volume
    from crossdl.prediction_files import prediction_table, write_prediction

    console = Console(stderr=True)
    with console.status("loading the model"):
        predictor = method.load(catalog)
        gc.freeze()  # what is loaded now stays; looking through it again and again takes time
    anatomy = predictor.anatomy
    with console.status("reading the scan"):
        volume = read_volume(path, anatomy.modality, allow_missing_slices=allow_missing_slices)
    regions = None
    if predictor.needs_regions:
        regions = _regions(path, predictor, job(), allow_missing_slices)
    with console.status("predicting"):
        prediction = predictor.predict(volume, regions)
    with console.status("writing the results"):
        write_prediction(out, volume, prediction, anatomy, maps=maps, made_from=method.key())
    Console().print(prediction_table(prediction, anatomy))
    for flag in prediction.quality.flags:
        console.print(f"note: {flag}", highlight=False)
    Console().print(f"Results: {out}  (not for clinical use)", soft_wrap=True)


def _regions(path: Path, predictor: Predictor, job: Job, allow_missing_slices: bool) -> RegionMap:
    """The scan's coarse regions, by the composition's segmenter in a process of its own."""
    from crossdl.cli.segment import regions_of
    from crossdl.predictors import check_same_labels

    check_same_labels("the model", predictor.anatomy, f"composition {job.name}", job.anatomy)
    return regions_of(path, job, allow_missing_slices)
