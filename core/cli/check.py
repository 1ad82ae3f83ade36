"""``crossdl check``: is a registry file valid?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    file: Annotated[
        Path | None, typer.Argument(help="registry.toml; default: the shipped one.")
    ] = None,
) -> None:
    """Validate a registry file: every composition and every cell of every study."""
    from crossdl.cli.list import warn
    from crossdl.registry import load_registry

    registry = load_registry(file)
    warn(registry.catalog.problems)
    cells = sum(len(registry.cells(name)) for name in registry.studies)
    compositions, studies = len(registry.own), len(registry.studies)
    print(
        f"ok: {compositions} composition{'s' if compositions != 1 else ''}, "
        f"{studies} stud{'ies' if studies != 1 else 'y'} ({cells} cells)"
    )
