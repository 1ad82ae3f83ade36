"""``crossdl list``: what can be named in a composition."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from crossdl.cli.options import RegistryFile

if TYPE_CHECKING:
    from rich.console import Console


def list_kinds(
    slot: Annotated[
        str | None, typer.Argument(help="Only this slot, e.g. pooling; default: everything.")
    ] = None,
    registry: RegistryFile = None,
) -> None:
    """List kinds with owners, compositions, studies and scales. Imports no plugin's libraries."""
    from rich.table import Table

    from crossdl.catalog import SLOT_FOLDERS
    from crossdl.registry import load_registry

    book = load_registry(registry)
    console = table_console()
    table = Table("slot", "kind", "owner", "what it is", box=None, pad_edge=False)
    for name in SLOT_FOLDERS if slot is None else [slot]:
        for entry in book.catalog.kinds(name):
            table.add_row(entry.slot, entry.kind, entry.owner, book.catalog.summary(entry))
    console.print(table)
    if slot is None:
        for title, described in (
            ("composition", book.compositions),
            ("study", book.studies),
            ("scale", book.scales),
        ):
            if described:
                table = Table(title, "description", box=None, pad_edge=False)
                for name, item in described.items():
                    table.add_row(name, item.description)
                console.print()
                console.print(table)
    warn(book.catalog.problems)


def table_console() -> Console:
    """A console that prints text as it is, and wide where the output is not a terminal."""
    import sys

    from rich.console import Console

    width = None if sys.stdout.isatty() else 200
    return Console(width=width, markup=False, highlight=False)


def warn(problems: Iterable[str]) -> None:
    """Prints what the catalog skipped, one line each, on stderr."""
    import sys

    for problem in problems:
        print(f"warning: {problem}", file=sys.stderr)
