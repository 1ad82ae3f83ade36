"""``crossdl cohort build``, ``rules`` and ``exclude``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from crossdl.ingest.publish import Published

Out = Annotated[Path, typer.Option("--out", help="Folder of the cohort; the same one resumes.")]
_SHOWN = 10  # failed scans printed; all are in dropped.parquet


def build(
    dicom: Annotated[Path, typer.Option(help="Folder of DICOM files, in any layout.")],
    reports: Annotated[Path, typer.Option(help="Table of reports: .csv, .xlsx or .jsonl.")],
    out: Out,
    rules: Annotated[
        Path | None, typer.Option(help="Rules; default: those of the paper (see cohort rules).")
    ] = None,
    salt: Annotated[
        Path | None,
        typer.Option(help="File with the salt of another cohort, to share its pseudonyms."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one per core.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds after which a scan is given up.")
    ] = 600.0,
) -> None:
    """Select, pair, label, split and prepare scans; run it again to go on or to add files."""
    from crossdl.ingest.build import build_cohort

    done = build_cohort(dicom, reports, rules, out, salt=salt, workers=workers, timeout_s=timeout)
    _show(done, out)


def rules() -> None:
    """Print the shipped rules, to be edited and given with --rules."""
    from crossdl.ingest.rules import default_rules

    typer.echo(default_rules(), nl=False)


def exclude(
    cohort: Annotated[Path, typer.Argument(help="A built cohort.")],
    table: Annotated[Path, typer.Argument(help="csv with the columns scan and reason.")],
    step: Annotated[str, typer.Option(help="Name of the step in the flow.")] = "registration",
) -> None:
    """Drop scans found unfit later, such as those whose registration failed."""
    from crossdl.ingest.exclude import exclude_scans

    _show(exclude_scans(cohort, table, step), cohort)


def _show(done: Published, out: Path) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Flow")
    for column in ("Step", "Reason"):
        table.add_column(column)
    for column in ("Scans dropped", "Reports dropped", "Scans left", "Patients left"):
        table.add_column(column, justify="right")
    for row in done.rows:
        dropped = [str(n) if n else "" for n in (row.dropped_scans, row.dropped_reports)]
        left = [str(row.left_scans), str(row.left_patients)]
        table.add_row(row.step, row.reason.replace("_", " "), *dropped, *left)
    console = Console()
    console.print(table)
    failed = [drop for drop in done.drops if drop.step == "volume" and drop.what == "pair"]
    for drop in failed[:_SHOWN]:
        reason = drop.detail or drop.reason
        name = "" if drop.id in reason else f"{drop.id}: "
        console.print(f"failed: {name}{reason}", highlight=False, soft_wrap=True, markup=False)
    if len(failed) > _SHOWN:
        console.print(f"and {len(failed) - _SHOWN} more, in dropped.parquet")
    counts = done.counts
    if not counts["scans"]:
        worst = max(done.rows, key=lambda row: row.dropped_scans)
        console.print(
            f"no scan is left: most were dropped at {worst.step} ({worst.reason}); compare the "
            "rules and the table's patient column with your files",
            soft_wrap=True,
        )
    console.print(
        f"{counts['scans']} scans of {counts['patients']} patients with {counts['reports']} "
        f"reports; patients: {counts['train']} train, {counts['valid']} valid, "
        f"{counts['test']} test\nCohort: {out}  (its folder private/ must not be shared)",
        highlight=False,
        soft_wrap=True,
    )
