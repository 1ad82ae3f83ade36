"""``crossdl discretizer agree``: how far annotators agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossdl.cli.options import LabelsName

_SHOWN = 10  # disagreements printed; all are in the HTML page


def agree(
    files: Annotated[list[Path], typer.Argument(help="Answers of two annotators or more.")],
    html: Annotated[
        Path | None, typer.Option("--html", help="Also write one page with every disagreement.")
    ] = None,
    labels: LabelsName = "head_ct",
) -> None:
    """Measure agreement: Cohen's kappa and F1 per label, and where annotators differ.

    With more than two, kappa and F1 are means over all pairs. "-" is undefined: nobody gave the
    label.
    """
    from rich.table import Table
    from rich.text import Text

    from crossdl.cli.list import table_console
    from crossdl.labels import load_labels
    from crossdl.text.annotation.agreement import measure, read_answered
    from crossdl.text.annotation.report import (
        agreement_rows,
        disagreement_rows,
        facts,
        write_agreement,
    )

    label_set = load_labels(labels)
    answered = read_answered(files, label_set)
    found = measure(answered, label_set)
    console = table_console()
    for title, value in facts(answered, found):
        console.print(f"{title}: {value}")
    console.print()
    table = Table("label", box=None, pad_edge=False)
    for name in (*answered.annotators, "kappa", "F1"):
        table.add_column(Text(name), justify="right")
    for row in agreement_rows(found, label_set):
        table.add_row(*map(Text, row))
    console.print(table)
    disputed = disagreement_rows(answered, label_set)
    for _, text, given in disputed[:_SHOWN]:
        console.print(f"\n{text}")
        for who, said in given.items():
            console.print(f"  {who}: {said}")
    if len(disputed) > _SHOWN:
        console.print(f"\nand {len(disputed) - _SHOWN} more disagreements; --html has them all")
    if html is not None:
        write_agreement(html, answered, label_set)
        console.print(f"Written: {html}")
