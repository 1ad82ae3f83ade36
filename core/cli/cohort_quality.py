"""``crossdl cohort quality``: how well each scan of a cohort was registered."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossdl.cli.options import RegistryFile


def quality(
    cohort: Annotated[Path, typer.Argument(help="A built cohort.")],
    out: Annotated[Path, typer.Option("--out", help="Table to write, .csv.")],
    composition: Annotated[
        str, typer.Option(help="Composition whose segmenter and anatomy are used.")
    ] = "crossdl",
    registry: RegistryFile = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one per core.")
    ] = None,
) -> None:
    """Register every scan and list how well that went, to choose what to exclude.

    The regions are kept: training with the same composition does not register again.
    """
    from crossdl.ingest.quality import write_quality
    from crossdl.registry import load_registry

    book = load_registry(registry)
    scans, doubtful = write_quality(
        cohort, out, book.composition(composition), book.catalog, workers
    )
    typer.echo(f"{scans} scans, {doubtful} with flags or failures. Written: {out}")
