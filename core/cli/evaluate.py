"""``crossdl evaluate``: a trained model on the test scans of any cohort."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossdl.cli.options import ModelFolder, RegistryFile


def evaluate(
    composition: Annotated[
        str, typer.Argument(help="Composition whose cohort and evaluators are used.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    model: ModelFolder = None,
    registry: RegistryFile = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field: cohort.folder='ct_ich' (repeatable)."),
    ] = None,
) -> None:
    """Predict and measure the test scans of a composition's cohort; nothing is trained.

    Not for clinical use.
    """
    from rich.console import Console

    from crossdl.cli.run import parse_changes, show_result
    from crossdl.models import shipped_model
    from crossdl.registry import load_registry
    from crossdl.runner import execute

    book = load_registry(registry)
    console = Console()
    result = execute(
        book.composition(composition, parse_changes(change or [])),
        catalog=book.catalog,
        name=composition,
        folder=out,
        workers=None,
        console=console,
        model=model or shipped_model(),
    )
    show_result(result, console)
