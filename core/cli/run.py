"""``crossdl run``: a composition from reports and scans to a trained, measured analyzer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdl.cli.options import RegistryFile

if TYPE_CHECKING:
    from rich.console import Console

    from crossdl.runner import RunResult


def run(
    composition: Annotated[str, typer.Argument(help="Name in the registry file.")] = "demo",
    out: Annotated[
        Path | None, typer.Option("--out", help="Run folder; default runs/COMPOSITION.")
    ] = None,
    registry: RegistryFile = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field: analyzer.epochs=5 (repeatable)."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Replaces the composition's seed.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Registration processes; default: one per core.")
    ] = None,
) -> None:
    """Discretize, register, train, evaluate, report. Run it again to continue after a stop."""
    from rich.console import Console

    from crossdl.registry import load_registry
    from crossdl.runner import execute

    changes = parse_changes(change or [])
    if seed is not None:
        changes["seed"] = seed
    book = load_registry(registry)
    console = Console()
    result = execute(
        book.composition(composition, changes),
        catalog=book.catalog,
        name=composition,
        folder=out or Path("runs") / composition,
        workers=workers,
        console=console,
    )
    show_result(result, console)


def show_result(result: RunResult, console: Console) -> None:
    """Prints the table of results, what failed, and where the page is."""
    console.print(result.table)
    if result.failures:
        console.print(f"{len(result.failures)} item(s) failed, listed in failures.json:")
        for failure in result.failures[:10]:
            console.print(f"  {failure.scan_id} ({failure.stage}): {failure.reason}")
    console.print(f"Summary: {result.summary}", soft_wrap=True)


def parse_changes(items: list[str]) -> dict[str, object]:
    """``["analyzer.epochs=5"]`` → ``{"analyzer.epochs": 5}``; values are TOML, else strings.

    Raises:
        ConfigError: No ``=`` in an item.
    """
    import tomllib

    from crossdl.errors import ConfigError

    changes: dict[str, object] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {item}: write it as path=value, such as analyzer.epochs=5")
        try:
            changes[key.strip()] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            changes[key.strip()] = value
    return changes
