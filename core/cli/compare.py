"""``crossdl compare``: finished runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossdl.cli.options import RegistryFile


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN RUN...",
            help="Folders of finished runs or of a study's cells; the first is the reference.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for summary.html, summary.md, tables and figures."),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            help="Metrics to show, by name or pattern such as 'scan/*' (repeatable); default: "
            "those that speak of all regions.",
        ),
    ] = None,
    resamples: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Bootstrap resamples; default: as the first run's evaluators. Many rows "
            "need many: p is at least 2 / (resamples + 1) before correction.",
        ),
    ] = None,
    registry: RegistryFile = None,
) -> None:
    """Show metrics, paired differences on shared scans, and settings that differ."""
    from rich.console import Console

    from crossdl.cli.list import table_console
    from crossdl.registry import load_registry
    from crossdl.results.comparison import compare_runs, read_runs
    from crossdl.results.comparison_page import (
        comparison_tables,
        rich_table,
        shared_text,
        write_comparison,
    )

    found_runs = read_runs(runs)
    catalog = load_registry(registry).catalog
    with Console(stderr=True).status("reading") as status:
        found = compare_runs(
            found_runs,
            catalog,
            patterns=metric or (),
            n_resamples=resamples,
            progress=lambda label: status.update(f"measuring {label}"),
        )
        page = None if out is None else write_comparison(out, found)
    console = table_console()
    for table in comparison_tables(found):
        if table.folded:
            console.print(f"{table.title} (see the page that --out writes)")
        else:
            console.print(rich_table(table))
    console.print(shared_text(found), soft_wrap=True)
    if page is not None:
        console.print(f"Page: {page}", soft_wrap=True)
