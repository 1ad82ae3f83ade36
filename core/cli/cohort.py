"""``crossdl cohort``: from a hospital's files to a documented cohort."""

from __future__ import annotations

import typer

from crossdl.cli.cohort_build import build, exclude, rules
from crossdl.cli.cohort_show import descriptions, show

cohort = typer.Typer(
    help="Build, describe and change cohorts of scans and reports.", no_args_is_help=True
)
cohort.command()(build)
cohort.command()(show)
cohort.command()(rules)
cohort.command()(descriptions)
cohort.command()(exclude)
