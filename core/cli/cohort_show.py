"""``crossdl cohort show`` and ``descriptions``: what a cohort and the files behind it hold."""

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


def descriptions(
    folder: Annotated[
        Path, typer.Argument(metavar="COHORT", help="Folder of a build, finished or not.")
    ],
    rules: Annotated[
        Path | None, typer.Option(help="Rules to try; default: those of the last build.")
    ] = None,
) -> None:
    """List the SeriesDescriptions of your files, to choose from for the rules.

    They are as your scanners wrote them and may name patients: do not share what this prints.
    """
    from rich.table import Table
    from rich.text import Text

    from crossdl.cli.list import table_console
    from crossdl.ingest.descriptions import descriptions as found
    from crossdl.ingest.flow_figure import reason_words

    table = Table(box=None, pad_edge=False)
    table.add_column("SeriesDescription", no_wrap=True)
    for column in ("Series", "Accepted", "Slices", "Thickness (mm)"):
        table.add_column(column, justify="right")
    table.add_column("Others are refused for")
    for row in found(folder, rules):
        counts = [str(n) for n in (row.series, row.accepted, row.slices)]
        thickness = f"{row.thickness_mm:.3g}" if row.thickness_mm else "-"
        refused = reason_words(row.refused) if row.refused else ""
        table.add_row(Text(repr(row.description)), *counts, thickness, refused)
    table_console().print(table)
