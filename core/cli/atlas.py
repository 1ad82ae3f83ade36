"""``crossdl atlas``: an atlas of your own, from scans to a template to regions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossdl.cli.options import AllowMissingSlices, RegistryFile

if TYPE_CHECKING:
    from crossdl.config import ComponentConfig

atlas = typer.Typer(help="Build an atlas from scans of your own.", no_args_is_help=True)

Composition = Annotated[str, typer.Option(help="Composition whose segmenter and anatomy are used.")]
Seed = Annotated[int, typer.Option(min=0, help="Of every random choice.")]


@atlas.command()
def build(
    scans: Annotated[
        list[Path],
        typer.Argument(help="Scans, folders of NIfTI scans, or folders of built cohorts."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the atlas; must not exist.")],
    reference: Annotated[
        Path | None,
        typer.Option(help="Scan that the others are registered to; default: the built-in atlas."),
    ] = None,
    count: Annotated[
        int | None, typer.Option(min=2, help="Use so many random scans; default: all.")
    ] = None,
    shape: Annotated[
        tuple[int, int, int], typer.Option(min=16, help="Slices, rows and columns.")
    ] = (32, 512, 512),
    iterations: Annotated[
        int, typer.Option(min=1, help="Rounds; after the first, the average is the reference.")
    ] = 1,
    symmetric: Annotated[
        bool, typer.Option("--symmetric", help="Average the scans and their mirror images.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Default: that of the folder.")] = None,
    source: Annotated[
        str, typer.Option(help="Where the scans come from.")
    ] = "average of scans, see provenance.json",
    licence: Annotated[
        str, typer.Option(help="Under which the atlas may be used.")
    ] = "not stated; ask the owner of the scans",
    seed: Seed = 0,
    composition: Composition = "crossdl",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes; default: one per core.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds after which a scan is given up.")
    ] = 900.0,
    allow_missing_slices: AllowMissingSlices = False,
    registry: RegistryFile = None,
) -> None:
    """Register scans to a reference and average them; the regions are drawn on the result."""
    from rich.console import Console
    from rich.table import Table

    from crossdl.atlases.build import Recipe, build_atlas
    from crossdl.atlases.scans import find_scans
    from crossdl.registry import load_registry

    book = load_registry(registry)
    chosen = book.composition(composition)
    console = Console(stderr=True)
    recipe = Recipe(
        anatomy=chosen.anatomy,
        segmenter=_seeded(chosen.segmenter, seed),
        reference=reference,
        shape=shape,
        rounds=iterations,
        symmetric=symmetric,
        seed=seed,
        name=name or out.resolve().name,
        source=source,
        licence=licence,
    )
    found = find_scans(
        scans, chosen, book.catalog, count=count, seed=seed,
        allow_missing_slices=allow_missing_slices,
    )  # fmt: skip
    done = build_atlas(
        found, out, recipe, book.catalog,
        workers=workers, timeout_s=timeout, say=console.print,
    )  # fmt: skip
    table = Table("Scan", "Similarity", "Overlap of heads", box=None, title="Averaged scans")
    for scan, measures in done.measures.items():
        table.add_row(scan, f"{measures['similarity']:.2f}", f"{measures['head_dice']:.2f}")
    Console().print(table)
    for scan, reason in done.failures.items():
        typer.echo(f"left out: {scan}: {reason}", err=True)
    typer.echo(
        f"Template: {out / 'template.nii.gz'} (drawn in overview.webp)\n"
        f"Draw the regions on it with the numbers of {out / 'atlas.toml'}, then: "
        f"crossdl atlas regions {out} --labels FILE\n"
        f"A first draft to correct: crossdl atlas regions {out}"
    )


@atlas.command()
def regions(
    folder: Annotated[Path, typer.Argument(help="Folder that crossdl atlas build wrote.")],
    labels: Annotated[
        Path | None,
        typer.Option(help="Label map drawn on the template; default: a draft is made."),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(help="TOML file, [regions] NAME = NUMBER; default: as in atlas.toml."),
    ] = None,
    seed: Seed = 0,
    composition: Composition = "crossdl",
    registry: RegistryFile = None,
) -> None:
    """Give an atlas its regions: those you drew, or a draft from the built-in atlas."""
    from crossdl.anatomy import load_anatomy
    from crossdl.atlases.regions import attach_regions, draft_regions
    from crossdl.errors import ConfigError
    from crossdl.registry import load_registry

    book = load_registry(registry)
    chosen = book.composition(composition)
    anatomy = load_anatomy(chosen.anatomy)
    if labels is not None:
        attach_regions(folder, labels, table, anatomy)
        typer.echo(f"Regions: {folder / 'labels.nii.gz'}")
    elif table is not None:
        raise ConfigError("--table: goes with --labels; a draft has the anatomy's own numbers")
    else:
        config = _seeded(chosen.segmenter, seed)
        segmenter = book.catalog.create("segmenter", config, anatomy)
        for flag in draft_regions(folder, segmenter, anatomy).flags:
            typer.echo(f"note: {flag}", err=True)
        typer.echo(
            f"A draft: look at {folder / 'overview.webp'} and correct {folder / 'labels.nii.gz'}."
        )
    typer.echo(
        "To use it, in the composition's segmenter: "
        f'atlas = {{ kind = "folder", path = "{folder}" }}'
    )


def _seeded(config: ComponentConfig, seed: int) -> ComponentConfig:
    """The config with another seed, where it has one."""
    return config.model_copy(update={"seed": seed}) if hasattr(config, "seed") else config
