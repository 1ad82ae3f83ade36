"""``crossdl discretizer``: from reports to labelled sentences, and to a trained discretizer."""

from __future__ import annotations

import typer

discretizer = typer.Typer(
    help="Draw and label sentences, compare annotators, train and measure discretizers.",
    no_args_is_help=True,
)
