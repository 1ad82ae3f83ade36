"""What ``crossdl predict`` leaves behind: maps in the patient's geometry, scores, an overlay."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.files import write_json
from crossdl.geometry import largest_piece
from crossdl.types import BoolArray, FloatArray, Grid, LabelArray, Prediction, RegionMap, Volume

HEATMAP_STEP = 1 / 255
"""Heatmaps on the patient's grid are uint8 in steps of this: a quarter of the memory, and files
that are written in a fifth of the time."""

_OTHER_IMAGES = ("ct.nii.gz", "regions.nii.gz", "overlay.png")
_SLAB = 8  # slices whose heatmaps exist in float32 at a time

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table


def scores(prediction: Prediction, anatomy: Anatomy) -> dict[str, Any]:
    """The JSON form of a prediction's numbers.

    Cells that cannot occur have probability 0; those of regions that the model was not trained on
    have none.
    """
    cells = np.where(anatomy.possible, prediction.region_scores, 0.0)
    return {
        "regions": {
            region: {
                kind: None if np.isnan(p) else float(p)
                for kind, p in zip(anatomy.type_names, row, strict=True)
            }
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
    """Labels from Ŝ ``(N, D, H, W)``: the most probable region where it exceeds 0.5, else 0.

    Of each region only the largest connected piece is kept; stray ones are in no anatomy.
    """
    from scipy import ndimage

    decided = region_maps.argmax(axis=0).astype(np.uint8) + np.uint8(1)
    decided[~(region_maps.max(axis=0) > 0.5)] = 0
    labels: LabelArray = np.zeros(decided.shape, dtype=np.uint8)
    for value, box in enumerate(ndimage.find_objects(decided), start=1):
        if box is not None:
            labels[box][largest_piece(decided[box] == value)] = value
    return labels


def maps_of_patient(
    prediction: Prediction, volume: Volume, anatomy: Anatomy
) -> tuple[LabelArray, LabelArray]:
    """Region labels ``(D, H, W)`` and heatmaps ``(M, D, H, W)`` on the grid of ``volume``.

    Labels are decided on a grid three times finer than the maps, where N maps are still small,
    and carried to the patient's by nearest neighbour. The air around the head is in no region.

    Returns:
        Both uint8; heatmaps are those of :func:`heatmaps_of_patient`.
    """
    from crossdl.preprocessing import labels_on, maps_on

    source, target = prediction.grid, volume.grid
    finer = source.strided((1 / 3, 1 / 3, 1 / 3))
    everywhere = RegionMap(np.broadcast_to(np.uint8(1), target.shape), target)
    hu = maps_on(volume.array[None], target, finer)[0]
    head = _filled((hu > anatomy.tissue_threshold) & (labels_on(everywhere, finer) > 0))
    labels = region_labels(maps_on(prediction.region_maps, source, finer) * head)
    heat = heatmaps_of_patient(prediction, target)
    return labels_on(RegionMap(labels, finer), target), heat


def heatmaps_of_patient(prediction: Prediction, grid: Grid) -> LabelArray:
    """The abnormality maps on a scan's own grid by trilinear interpolation.

    Returns:
        ``(M, D, H, W)`` uint8, probabilities in steps of :data:`HEATMAP_STEP`.
    """
    from crossdl.preprocessing import maps_on

    scaled = prediction.abnormality_maps / np.float32(HEATMAP_STEP)
    heat = np.empty((len(scaled), *grid.shape), dtype=np.uint8)
    for start in range(0, grid.shape[0], _SLAB):
        slab = heat[:, start : start + _SLAB]
        part = maps_on(scaled, prediction.grid, _from(grid, start, slab.shape[1]))
        np.rint(part, slab, casting="unsafe")
    return heat


def _from(grid: Grid, start: int, count: int) -> Grid:
    """Some slices of a grid."""
    affine = grid.affine.copy()
    affine[:3, 3] = grid.index_to_world((start, 0, 0))
    return Grid((count, *grid.shape[1:]), affine)


def _filled(tissue: BoolArray) -> BoolArray:
    """The largest connected piece of ``(D, H, W)`` with the holes of its slices filled."""
    from scipy import ndimage

    opened = ndimage.binary_opening(tissue, iterations=2)  # parts the head from its holder
    head = ndimage.binary_dilation(largest_piece(opened), iterations=2) & tissue
    return np.stack([ndimage.binary_fill_holes(plane) for plane in head])


def overlay(
    volume: Volume,
    prediction: Prediction,
    labels: LabelArray,
    heat: LabelArray,
    anatomy: Anatomy,
) -> Figure:
    """Draws what :func:`maps_of_patient` gave over the CT."""
    from crossdl.figures import overlay_figure

    return overlay_figure(
        volume.array,
        labels,
        heat,
        anatomy,
        step=HEATMAP_STEP,
        title=volume.name,
        grid=volume.grid,
        scores=prediction.scan_scores.tolist(),
    )


def write_prediction(
    folder: Path,
    volume: Volume,
    prediction: Prediction,
    anatomy: Anatomy,
    *,
    maps: bool = True,
    made_from: Mapping[str, Any] | None = None,
) -> None:
    """Writes ``ct``, ``regions`` and one heatmap per type as NIfTI, an overlay PNG and the scores.

    All images share the grid of ``volume``, so they overlay it in any viewer.
    ``prediction.json`` is written last: where it stands, everything else is complete.

    Args:
        folder: Made if it is absent.
        volume: The scan.
        prediction: Of the scan.
        anatomy: Names of regions and types.
        maps: Whether to write the images; otherwise only ``prediction.json``, and images of an
            earlier prediction are removed.
        made_from: JSON-able; what the prediction depends on, for :func:`is_finished`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prediction.json").unlink(missing_ok=True)
    if maps:
        _write_images(folder, volume, prediction, anatomy)
    else:  # of an earlier prediction, perhaps by another model
        for path in (*_heatmaps(folder, anatomy), *(folder / name for name in _OTHER_IMAGES)):
            path.unlink(missing_ok=True)
    write_json(
        folder / "prediction.json",
        {
            **scores(prediction, anatomy),
            "scan": volume.name,
            "region_label_values": anatomy.label_values,
            "maps": maps,
            "made_from": dict(made_from or {}),
        },
    )


def is_finished(folder: Path, made_from: Mapping[str, Any], *, maps: bool) -> bool:
    """Whether :func:`write_prediction` has written this very prediction, with maps if wanted."""
    try:
        found = json.loads((folder / "prediction.json").read_text(encoding="utf-8"))
        return bool(found["made_from"] == dict(made_from) and (found["maps"] or not maps))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _heatmaps(folder: Path, anatomy: Anatomy) -> list[Path]:
    """One file per type."""
    return [folder / f"abnormality_{name}.nii.gz" for name in anatomy.type_names]


def _write_images(folder: Path, volume: Volume, prediction: Prediction, anatomy: Anatomy) -> None:
    """The picture is drawn while the others are compressed, which needs no Python."""
    from concurrent.futures import ThreadPoolExecutor

    from crossdl.figures import save_figure
    from crossdl.io.volumes import write_ct, write_volume

    ct, regions, picture = _OTHER_IMAGES
    labels, heat = maps_of_patient(prediction, volume, anatomy)

    def write() -> None:
        write_ct(folder / ct, volume)
        write_volume(folder / regions, labels, volume.grid)
        for path, steps in zip(_heatmaps(folder, anatomy), heat, strict=True):
            write_volume(path, steps, volume.grid, step=HEATMAP_STEP)

    with ThreadPoolExecutor(1) as beside:
        written = beside.submit(write)
        save_figure(overlay(volume, prediction, labels, heat, anatomy), folder / picture)
        written.result()


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
        shown = possible & ~np.isnan(row)
        cells = [f"{p:.2f}" if ok else "-" for p, ok in zip(row, shown, strict=True)]
        table.add_row(region.title, *cells)
    table.add_section()
    table.add_row("Whole scan", *[f"{p:.2f}" for p in prediction.scan_scores])
    return table
