"""Draws README's picture from a finished run: ``python docs/make_overview.py RUN``."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.figure import Figure

from crossdl.anatomy import load_anatomy
from crossdl.display import COLOURS, PALE_COLOURS
from crossdl.figures import save_figure
from crossdl.models import load_model
from crossdl.prediction_files import region_labels
from crossdl.preprocessing import labels_on, maps_on, preprocess
from crossdl.registry import load_registry
from crossdl.reports import discretize_reports
from crossdl.segmentation import segment_cohort

STEPS = (
    "1  discretize: report to matrix",
    "2  register: atlas to scan",
    "3  learn: voxel maps from 1 and 2",
)


def main(run: Path, composition_name: str = "demo") -> None:
    """Finds the English-language test scan that shows most and draws the three steps."""
    book = load_registry()
    composition = book.composition(composition_name)
    anatomy = load_anatomy(composition.anatomy)
    cohort = book.catalog.create("cohort", composition.cohort, anatomy)
    analyzer = load_model(run / "model")
    lines = (run / "predictions.jsonl").read_text("utf-8").splitlines()
    by_scan = {line["scan"]: line for line in map(json.loads, lines)}
    records = [
        r
        for r in cohort.records()
        if r.scan_id in by_scan and r.findings is not None and r.findings.isascii()
    ]

    def shown(record):
        """How well the maps agree with the truth: mean margin over the scan's cells."""
        line = by_scan[record.scan_id]
        truth = np.array(line["truth"])[:-2] > 0
        scores = np.array(line["region_scores"])
        return scores[truth].mean() - scores[~truth].mean() if truth.sum() in (1, 2, 3) else -1.0

    record = max(records, key=shown)
    discretizer = book.catalog.create("discretizer", composition.discretizer, anatomy)
    [matrix] = discretize_reports(discretizer, [record.findings])
    outcome = segment_cohort(
        [record],
        cohort=composition.cohort,
        segmenter=composition.segmenter,
        anatomy=composition.anatomy,
        catalog=book.catalog,
    )
    volume = cohort.volume(record)
    ready = preprocess(volume, anatomy, (40, 160, 160))
    prediction = analyzer.predict(volume)
    heat = maps_on(prediction.abnormality_maps, prediction.grid, ready.grid)
    learnt = region_labels(maps_on(prediction.region_maps, prediction.grid, ready.grid))
    atlas = labels_on(outcome.regions[record.scan_id](), ready.grid)
    truth = cohort.voxel_truth(record)
    weight = np.stack([np.float32(mask) for mask in truth])
    z = int(maps_on(weight, volume.grid, ready.grid).sum((0, 2, 3)).argmax())

    figure = Figure(figsize=(14, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    text, cells, regions, maps, both = figure.subplots(1, 5, width_ratios=[1.15, 0.75, 1, 1, 1])
    text.axis("off")
    text.set_title("Findings", loc="left", fontsize=11)
    text.text(0, 0.97, textwrap.fill(record.findings, 36), va="top", fontsize=9, wrap=False)
    parts = [r.title for r in anatomy.regions]
    cells.imshow(
        matrix.bags, cmap=ListedColormap(["#f2f2f2", "#c44e00"]), aspect="auto", vmin=0, vmax=1
    )
    cells.set_yticks(range(len(parts)), parts, fontsize=7)
    short = [t.name.replace("_", "\n") for t in anatomy.types]
    cells.set_xticks(range(len(short)), short, fontsize=7)
    cells.set_title(STEPS[0], fontsize=10)
    for axes, title, labels, shown_maps in (
        (regions, STEPS[1], atlas, None),
        (maps, STEPS[2], None, heat),
        (both, "the network's own regions", learnt, None),
    ):
        axes.imshow(ready.image[z], cmap="gray", vmin=0, vmax=255)
        axes.set_title(title, fontsize=10)
        axes.axis("off")
        if labels is not None:
            colours = np.zeros((*labels[z].shape, 4))
            names = list(anatomy.parts)
            for index, region in enumerate(anatomy.regions, start=1):
                colour = PALE_COLOURS[names.index(region.part) % len(PALE_COLOURS)]
                colours[labels[z] == index] = to_rgba(colour, 0.45)
            axes.imshow(colours)
        if shown_maps is not None:
            for index, map_ in enumerate(shown_maps):
                colour = np.zeros((*map_[z].shape, 4))
                colour[...] = to_rgba(COLOURS[index % len(COLOURS)])
                colour[..., 3] = np.clip((map_[z] - 0.2) / 0.6, 0, 0.8)
                axes.imshow(colour)
                p = prediction.scan_scores[index]
                axes.text(
                    0, -0.04 - 0.07 * index, f"{anatomy.types[index].title}: {p:.2f}", va="top",
                    transform=axes.transAxes, color=COLOURS[index % len(COLOURS)], fontsize=8,
                )  # fmt: skip
    save_figure(figure, Path(__file__).with_name("overview.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:3])
