"""``crossdl predict``: maps, scores and an overlay of one scan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossdl.cli.options import AllowMissingSlices, ModelFolder, RegistryFile, ScanPath


def predict(
    path: ScanPath,
    out: Annotated[Path, typer.Option("--out", help="Folder for the results.")],
    model: ModelFolder = None,
    registry: RegistryFile = None,
    allow_missing_slices: AllowMissingSlices = False,
) -> None:
    """Predict one scan: heatmaps and regions on its own geometry, scores, an overlay picture.

    Not for clinical use.
    """
    from rich.console import Console

    from crossdl.io.volumes import read_volume
    from crossdl.models import load_model
    from crossdl.prediction_files import prediction_table, write_prediction
    from crossdl.registry import load_registry

    console = Console(stderr=True)
    catalog = load_registry(registry).catalog
    with console.status("loading the model"):
        analyzer = load_model(model, catalog)
    anatomy = analyzer.anatomy
    with console.status("reading the scan"):
        volume = read_volume(path, anatomy.modality, allow_missing_slices=allow_missing_slices)
    with console.status("predicting"):
        prediction = analyzer.predict(volume)
    with console.status("writing the results"):
        write_prediction(out, volume, prediction, anatomy)
    Console().print(prediction_table(prediction, anatomy))
    for flag in prediction.quality.flags:
        console.print(f"note: {flag}", highlight=False)
    Console().print(f"Results: {out}  (not for clinical use)", soft_wrap=True)
