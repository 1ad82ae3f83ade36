"""``crossdl schema``: JSON schema of registry files, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossdl.cli.options import RegistryFile


def schema(
    out: Annotated[Path | None, typer.Option("--out", help="File; default: stdout.")] = None,
    registry: RegistryFile = None,
) -> None:
    """Write the JSON schema of registry.toml, with one definition per kind (taplo, VS Code)."""
    import json

    from crossdl.cli.list import warn
    from crossdl.files import write_json
    from crossdl.registry import load_registry
    from crossdl.schema import registry_schema

    catalog = load_registry(registry).catalog
    made = registry_schema(catalog)
    warn(catalog.problems)
    if out is None:
        print(json.dumps(made, ensure_ascii=False, indent=1))
    else:
        write_json(out, made)
