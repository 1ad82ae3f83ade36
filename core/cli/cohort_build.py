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
    show_flow(done)
    _show_failures(done)
    if not done.counts["scans"]:
        typer.echo(_remedy(done, out))
    show_counts(done, out)


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

    done = exclude_scans(cohort, table, step)
    show_flow(done)
    show_counts(done, cohort)


def show_flow(done: Published) -> None:
    """Prints what was dropped at each step."""
    from rich.table import Table

    from crossdl.cli.list import table_console
    from crossdl.ingest.flow_figure import reason_words

    table = Table(title="Flow", box=None, pad_edge=False)
    for column in ("Step", "Reason"):
        table.add_column(column)
    for column in ("Scans dropped", "Reports dropped", "Scans left", "Patients left"):
        table.add_column(column, justify="right")
    for row in done.rows:
        dropped = [str(n) if n else "" for n in (row.dropped_scans, row.dropped_reports)]
        left = [str(row.left_scans), str(row.left_patients)]
        table.add_row(row.step, reason_words(row.reason), *dropped, *left)
    table_console().print(table)


def _show_failures(done: Published) -> None:
    failed = [drop for drop in done.drops if drop.step == "volume" and drop.what == "pair"]
    for drop in failed[:_SHOWN]:
        reason = drop.detail or drop.reason
        typer.echo(f"failed: {'' if drop.id in reason else f'{drop.id}: '}{reason}")
    if len(failed) > _SHOWN:
        typer.echo(f"and {len(failed) - _SHOWN} more, in dropped.parquet")


def show_counts(done: Published, out: Path) -> None:
    """Prints what the cohort consists of."""
    counts = done.counts
    typer.echo(
        f"{counts['scans']} scans of {counts['patients']} patients with {counts['reports']} "
        f"reports; patients: {counts['train']} train, {counts['valid']} valid, "
        f"{counts['test']} test\nCohort: {out}  (its folder private/ must not be shared)"
    )


def _remedy(done: Published, out: Path) -> str:
    """What to do about a cohort without scans."""
    from crossdl.ingest.flow_figure import reason_words

    if not done.rows[0].left_scans:
        files = done.counts["files"]
        if not files:
            return "no scan is left: there is no file below --dicom"
        return (
            f"no scan is left: no DICOM image of a series is among the {files} file(s) below "
            "--dicom; dropped.parquet says what they are"
        )
    worst = max(done.rows, key=lambda row: row.dropped_scans)
    hints = {
        "description": f"`crossdl cohort descriptions {out}` lists what your files have; put what "
        "you want under [series] in the rules",
        "no_report": "compare the PatientIDs of the files with the table's column for patient "
        "([reports.columns] in the rules); patient_digits under [pairing] restores leading zeros",
        "too_far": "compare time_formats under [reports] and max_hours under [pairing] in the "
        "rules with the table's times",
    }
    hint = hints.get(worst.reason, "see flow.csv, and compare the rules with your files")
    return f"no scan is left; most were dropped for: {reason_words(worst.reason)}. Remedy: {hint}"
