"""``crossdl cohort show``: what a built cohort holds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(
    folder: Annotated[
        Path, typer.Argument(metavar="COHORT", help="Folder that cohort build wrote.")
    ],
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write one page with the flow figure.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Also write every number, one per row and split.")
    ] = None,
) -> None:
    """Describe a cohort: patients, scanners, and how often every cell is abnormal.

    On the screen the positive rates are those of all scans; --html and --csv have every split's.
    """
    from rich.table import Table

    from crossdl.cli.list import table_console
    from crossdl.files import replacing
    from crossdl.ingest.describe import ALL, ANY, GROUPS, characteristics, describe, rate_rows

    found = describe(folder)
    if csv is not None:
        with replacing(csv) as working:
            found.table.to_csv(working, index=False, encoding="utf-8", lineterminator="\n")
    if html is not None:
        from crossdl.ingest.page import write_page

        write_page(html, found, folder.resolve().name)
    console = table_console()
    rows = [(title, [cells[group] for group in GROUPS]) for title, cells in characteristics(found)]
    types = [*(kind.name for kind in found.anatomy.types), ANY]
    for title, columns, lines in (
        ("Scans and patients", GROUPS, rows),
        ("Positive scans (%)", types, rate_rows(found, ALL)),
    ):
        table = Table("", box=None, pad_edge=False, title=title)
        for column in columns:
            table.add_column(column, justify="right")
        for name, line in lines:
            table.add_row(name, *line)
        console.print(table)
        console.print()
    last = found.flow[-1]
    console.print(
        f"Collected {found.flow[0].left_scans:,} series; {last.left_scans:,} scans are left. "
        f"What was dropped and why: {folder / 'flow.csv'}"
    )
    for written in (html, csv):
        if written is not None:
            console.print(f"Written: {written}")
