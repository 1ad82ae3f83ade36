"""What ``crossdl predict`` leaves behind: maps in the patient's geometry, scores, an overlay."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.files import replacing, write_json
from crossdl.types import FloatArray, Grid, LabelArray, Prediction, Volume

if TYPE_CHECKING:
    from rich.table import Table


def scores(prediction: Prediction, anatomy: Anatomy) -> dict[str, Any]:
    """The JSON form of a prediction's numbers; cells that cannot occur have probability 0."""
    cells = np.where(anatomy.possible, prediction.region_scores, 0.0)
    return {
        "regions": {
            region: {kind: float(p) for kind, p in zip(anatomy.type_names, row, strict=True)}
            for region, row in zip(anatomy.region_names, cells, strict=True)
        },
        "scan_scores": {
            kind: float(p)
            for kind, p in zip(anatomy.type_names, prediction.scan_scores, strict=True)
        },
        "abnormality_score": prediction.abnormality_score,
        "quality": prediction.quality.as_dict(),
    }


def region_labels(region_maps: FloatArray) -> LabelArray:
    """Labels from Ŝ ``(N, D, H, W)``: the most probable region where it exceeds 0.5, else 0."""
    best = region_maps.argmax(axis=0)
    sure = region_maps.max(axis=0) > 0.5
    return np.where(sure, best + 1, 0).astype(np.uint8)


def maps_of_patient(prediction: Prediction, grid: Grid) -> tuple[LabelArray, FloatArray]:
    """Region labels ``(D, H, W)`` and heatmaps ``(M, D, H, W)`` on the patient's grid."""
    from crossdl.preprocessing import maps_on

    labels = region_labels(maps_on(prediction.region_maps, prediction.grid, grid))
    return labels, maps_on(prediction.abnormality_maps, prediction.grid, grid)


def write_overlay(
    path: Path,
    volume: Volume,
    prediction: Prediction,
    labels: LabelArray,
    heat: FloatArray,
    anatomy: Anatomy,
) -> None:
    """Draws what :func:`maps_of_patient` gave over the CT, as PNG."""
    from crossdl.figures import overlay_figure

    figure = overlay_figure(
        volume.array,
        labels,
        heat,
        anatomy,
        title=volume.name,
        grid=volume.grid,
        scores=prediction.scan_scores.tolist(),
    )
    with replacing(path) as working:
        figure.savefig(working, dpi=110, metadata={"Software": None})


def write_prediction(
    folder: Path, volume: Volume, prediction: Prediction, anatomy: Anatomy
) -> None:
    """Writes ``ct``, ``regions`` and one heatmap per type as NIfTI, an overlay PNG and the scores.

    All images share the grid of ``volume``, so they overlay it in any viewer.
    ``prediction.json`` is written last: where it stands, everything else is complete.
    """
    from crossdl.io.volumes import write_volume

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prediction.json").unlink(missing_ok=True)
    labels, heat = maps_of_patient(prediction, volume.grid)
    write_volume(folder / "ct.nii.gz", np.rint(volume.array).astype(np.int16), volume.grid)
    write_volume(folder / "regions.nii.gz", labels, volume.grid)
    for name, map_ in zip(anatomy.type_names, heat, strict=True):
        write_volume(folder / f"abnormality_{name}.nii.gz", map_, volume.grid)
    write_overlay(folder / "overlay.png", volume, prediction, labels, heat, anatomy)
    legend = {name: index + 1 for index, name in enumerate(anatomy.region_names)}
    write_json(
        folder / "prediction.json",
        {**scores(prediction, anatomy), "scan": volume.name, "region_label_values": legend},
    )


def prediction_table(prediction: Prediction, anatomy: Anatomy) -> Table:
    """The scores for the terminal."""
    from rich.table import Table

    table = Table(title="Probabilities")
    table.add_column("Region")
    for kind in anatomy.types:
        table.add_column(kind.title, justify="right")
    for region, row, possible in zip(
        anatomy.regions, prediction.region_scores, anatomy.possible, strict=True
    ):
        cells = [f"{p:.2f}" if ok else "-" for p, ok in zip(row, possible, strict=True)]
        table.add_row(region.title, *cells)
    table.add_section()
    table.add_row("Whole scan", *[f"{p:.2f}" for p in prediction.scan_scores])
    return table
