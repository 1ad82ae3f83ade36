"""``crossdl study``: every cell of studies, compared with the first of each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from crossdl.cli.options import RegistryFile

if TYPE_CHECKING:
    from rich.console import Console

    from crossdl.study.member import Member


def study(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME...",
            help="Names in the registry file; `crossdl list`. Several run together: what is equal "
            "in them runs once.",
        ),
    ],
    scale: Annotated[
        str | None,
        typer.Option(help="tiny, small, paper, or another of the registry; default: the base's."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of one study; default studies/NAME[-SCALE]."),
    ] = None,
    registry: RegistryFile = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a field of the base: analyzer.epochs=5 (repeatable)."),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(min=0, max=2**31 - 1, help="Instead of the study's seeds (repeatable)."),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"] | None,
        typer.Option(help="Processes of this machine, or Ray; default: the study's."),
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Of a running Ray cluster, such as auto.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Cells at a time on this machine.")] = 1,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Cores of a cell; results depend on it. Default: cores / jobs."),
    ] = None,
) -> None:
    """Validate all cells of studies, run them, compare them. Run it again to continue."""
    from rich.console import Console

    from crossdl.cli.run import parse_changes
    from crossdl.errors import ConfigError
    from crossdl.registry import load_registry
    from crossdl.study.run import run_studies

    folders = {n: Path("studies") / (f"{n}-{scale}" if scale else n) for n in names}
    if out is not None:
        if len(folders) > 1:
            raise ConfigError("--out is the folder of one study; leave it out, or name one study")
        folders[names[0]] = out
    console = Console()
    results = run_studies(
        load_registry(registry),
        folders,
        console=console,
        scale=scale,
        changes=parse_changes(change or []),
        seeds=seed or (),
        engine=engine,
        address=address,
        jobs=jobs,
        threads=threads,
    )
    for result in results:
        _show(result, console)
    if any(result.failures for result in results):
        raise typer.Exit(1)


def _show(result: Member, console: Console) -> None:
    """The metrics that are compared, and what failed."""
    from crossdl.study.terminal import means_table

    console.print(means_table(result.folder, result.study))
    for failure in result.failures:
        console.print(
            f"failed: {failure.cell} ({failure.stage}): {failure.reason}",
            markup=False,
            soft_wrap=True,
        )
    if result.failures:
        console.print(
            f"{len(result.failures)} of {len(result.study.cells)} cells failed; the same command "
            "tries them again"
        )
    console.print(f"Summary: {result.summary}", soft_wrap=True)
