"""``crossdl export``: a trained analyzer for ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossdl.cli.options import RegistryFile


def export(
    out: Annotated[Path, typer.Option("--out", help="File to write, .onnx.")],
    model: Annotated[
        Path | None,
        typer.Argument(help="Model folder (RUN/model); default: the shipped demonstrator."),
    ] = None,
    registry: RegistryFile = None,
) -> None:
    """Write a trained model as ONNX, from the windowed image to maps and scores.

    The input is (1, 1, D, H, W) float32, windowed to 0...255; outputs are region_maps,
    abnormality_maps, region_scores and scan_scores, all probabilities. The file's metadata
    "crossdl" says which regions and types, and the window. Not for clinical use.
    """
    from crossdl.errors import ConfigError
    from crossdl.models import load_model
    from crossdl.networks.onnx_files import need_onnx
    from crossdl.registry import load_registry

    if out.suffix.lower() != ".onnx":
        raise ConfigError(f"--out {out}: the file name must end in .onnx")
    need_onnx()
    analyzer = load_model(model, load_registry(registry).catalog)
    from crossdl.networks.onnx_export import export_analyzer

    difference = export_analyzer(analyzer, out)
    size = out.stat().st_size / 1e6
    typer.echo(f"{out}: {size:.1f} MB, differs from torch by at most {difference:.1e}")
