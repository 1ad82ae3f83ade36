"""``crossdl discretizer``: from reports to labelled sentences, and to a trained discretizer."""

from __future__ import annotations

import typer

from crossdl.cli.discretizer_agree import agree
from crossdl.cli.discretizer_annotate import adjudicate, annotate
from crossdl.cli.discretizer_evaluate import evaluate
from crossdl.cli.discretizer_export import export
from crossdl.cli.discretizer_sample import sample
from crossdl.cli.discretizer_train import train

discretizer = typer.Typer(
    help="Draw and label sentences, compare annotators, train and measure discretizers.",
    no_args_is_help=True,
)
discretizer.command()(sample)
discretizer.command()(annotate)
discretizer.command()(agree)
discretizer.command()(adjudicate)
discretizer.command()(train)
discretizer.command()(evaluate)
discretizer.command()(export)
