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
    cells = sum(1 for name in registry.studies for _ in registry.cells(name))
    print(
        f"ok: {len(registry.compositions)} compositions, {len(registry.studies)} studies "
        f"({cells} cells)"
    )
