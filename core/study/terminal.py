"""A study's result for the terminal."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from crossdl.study.files import StudyFile, read_table

if TYPE_CHECKING:
    from rich.table import Table

_COLUMNS = 6  # metrics shown; all are in means.csv


def means_table(folder: Path, study: StudyFile) -> Table:
    """A row per combination: mean over seeds of the first metrics that are compared.

    A star marks a difference to the reference with a corrected p below 0.05.
    """
    from rich.table import Table

    fields = [axis.field for axis in study.axes]
    rows = read_table(folder, "means")
    wanted = study.metrics or ("*",)
    names = list(
        dict.fromkeys(
            (row["evaluator"], row["metric"])
            for pattern in wanted
            for row in rows
            if fnmatchcase(row["metric"], pattern)
        )
    )[:_COLUMNS]
    values = {
        (*(row[f] for f in fields), row["evaluator"], row["metric"]): row["mean"] for row in rows
    }
    different = {
        (*(row[f] for f in fields), row["evaluator"], row["metric"])
        for row in read_table(folder, "comparisons")
        if row["p_holm"] and float(row["p_holm"]) < 0.05
    }
    table = Table(title=study.name, caption="* differs from the first row, p < 0.05 (Holm)")
    for axis in study.axes:
        table.add_column(axis.title)
    for _, metric in names:
        table.add_column(metric, justify="right")
    for titles in dict.fromkeys(cell.values for cell in study.cells):
        cells = []
        for name in names:
            value = values.get((*titles, *name), "")
            star = "*" if (*titles, *name) in different else ""
            cells.append(f"{float(value):.3f}{star}" if value else "-")
        table.add_row(*titles, *cells)
    return table
