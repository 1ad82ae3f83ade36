"""The command line: one small module per verb, each importing what it needs when it runs."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from crossdl.cli.align import align
from crossdl.cli.atlas import atlas
from crossdl.cli.check import check
from crossdl.cli.cohort import cohort
from crossdl.cli.compare import compare
from crossdl.cli.discretize import discretize
from crossdl.cli.discretizer import discretizer
from crossdl.cli.evaluate import evaluate
from crossdl.cli.export import export
from crossdl.cli.list import list_kinds
from crossdl.cli.predict import predict
from crossdl.cli.qc import qc
from crossdl.cli.run import run
from crossdl.cli.schema import schema
from crossdl.cli.segment import segment
from crossdl.cli.show import show
from crossdl.cli.study import study

app = typer.Typer(
    help="Learn voxel maps of abnormalities in head CT from free-text reports.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.command()(discretize)
app.command()(segment)
app.command()(align)
app.command()(qc)
app.command()(predict)
app.command()(evaluate)
app.command()(compare)
app.command()(study)
app.command()(export)
app.command("list")(list_kinds)
app.command()(show)
app.command()(check)
app.command()(schema)
app.add_typer(cohort, name="cohort")
app.add_typer(atlas, name="atlas")
app.add_typer(discretizer, name="discretizer")


def main() -> None:
    """Entry point: errors a user can act on end in one sentence and exit code 2."""
    from crossdl.errors import CrossDLError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show 左 is no error
    try:
        app()
    except CrossDLError as error:
        _fail(str(error), 2)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", 2)
    except SystemExit as end:  # typer's for Ctrl-C, among others
        if end.code != 130:
            raise
        _fail("interrupted; the same command continues where it stopped", 130)


def _fail(message: str, code: int) -> None:
    sys.stdout.flush()
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(code)
