"""Draws phantom beside real head CTs, and their densities inside the brain.

``python docs/make_contact_sheet.py OUT`` writes ``docs/contact_sheet.png`` (phantoms only),
``docs/hu_histograms.png`` (curves over all scans) and ``OUT/mixed_sheet.png``, which holds real
scans and therefore belongs outside the repository. Real scans are looked for in the folder that
``CROSSDL_DATA`` names: CT-ICH (PhysioNet, CC BY 4.0) in ``ct_ich/ct_scans`` and a tilted series
(dcm_qa_ct, BSD-2) in ``head_dicom/ge_tilted``; without it only the phantom sheet is drawn.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy import ndimage

from crossdl.anatomy import load_anatomy
from crossdl.catalog import default_catalog
from crossdl.figures import save_figure
from crossdl.geometry import largest_piece
from crossdl.io.volumes import read_volume
from crossdl.preprocessing import preprocess
from crossdl.types import Volume

SHAPE = (40, 160, 160)
LEVELS = {"skull base": (0.18, 0.36), "ventricles": (0.52, 0.68), "vertex": (0.78, 0.92)}
SLICES = (0.06, 0.2, 0.32, 0.44, 0.58, 0.72, 0.86)
BINS = np.linspace(-10.0, 80.0, 65)
COUNT = 42
SHOWN = 20


def phantoms(count: int) -> Iterator[Volume]:
    """Phantom scans as the built-in cohort has them."""
    anatomy, catalog = load_anatomy("head_ct"), default_catalog()
    config = {"kind": "phantom", "seed": 41, "repeat_rate": 0.0}
    config["patients"] = {"train": count - 2, "valid": 1, "test": 1}
    cohort = catalog.create("cohort", catalog.parse("cohort", config), anatomy)
    for record in cohort.records():
        yield cohort.volume(record)


def real_scans(data: Path) -> Iterator[Volume]:
    """The real scans in a data folder; those of CT-ICH lie upside down and are turned."""
    for path in sorted((data / "ct_ich" / "ct_scans").glob("*.nii*")):
        yield read_volume(path)
    series = data / "head_dicom" / "ge_tilted"
    if series.is_dir():
        yield read_volume(series)


def brain_mask(image: np.ndarray) -> np.ndarray:
    """Largest piece of soft tissue that bone encloses in its slice, the same for every scan."""
    radius = 3
    disk = np.hypot(*np.ogrid[-radius : radius + 1, -radius : radius + 1])[None] <= radius
    bone = ndimage.binary_closing(image == 255, disk)
    enclosed = np.stack([ndimage.binary_fill_holes(slice_) for slice_ in bone]) & (image < 255)
    core = largest_piece(ndimage.binary_erosion(enclosed & (image > 0), disk))
    return ndimage.binary_dilation(core, disk) & enclosed & (image > 0)


def densities(images: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """Mean share of each HU bin in the brain, by level: every scan counts the same."""
    window = load_anatomy("head_ct").window
    shares: dict[str, list[np.ndarray]] = {name: [] for name in LEVELS}
    for image in images:
        mask = brain_mask(image)
        inside = np.flatnonzero(mask.any(axis=(1, 2)))
        low, count = inside[0], len(inside)
        for name, (start, stop) in LEVELS.items():
            part = slice(low + round(start * count), low + round(stop * count))
            values = image[part][mask[part]] / 255.0 * window.width + window.low
            share, _ = np.histogram(values, BINS)
            if share.sum() > 500:  # some scans show no brain that bone encloses here
                shares[name].append(share / share.sum())
    return {name: np.mean(rows, axis=0) for name, rows in shares.items()}


def sheet(images: Sequence[np.ndarray], titles: Sequence[str], path: Path) -> None:
    """A row of slices per prepared scan, two scans a line."""
    rows = [np.hstack([image[round(f * (SHAPE[0] - 1))] for f in SLICES]) for image in images]
    lines = -(-len(rows) // 2)
    figure = Figure(figsize=(2 * len(SLICES), lines))
    FigureCanvasAgg(figure)
    grid = figure.subplots(lines, 2, squeeze=False, gridspec_kw={"wspace": 0.01, "hspace": 0})
    figure.subplots_adjust(0, 0, 1, 1)
    for axes in grid.ravel():
        axes.axis("off")
    for axes, row, title in zip(grid.ravel(), rows, titles, strict=False):
        axes.imshow(row, cmap="gray", vmin=0, vmax=255)
        axes.text(2, 12, title, color="#ffcc00", fontsize=5)
    save_figure(figure, path)


def curves(real: Sequence[np.ndarray], drawn: Sequence[np.ndarray], path: Path) -> None:
    """Densities inside the brain, real and phantom overlaid, at three levels."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(LEVELS), sharey=True)
    middles = (BINS[:-1] + BINS[1:]) / 2
    kinds = (
        ("real (CT-ICH v1.0.0, Hssayeni 2019, CC BY 4.0; dcm_qa_ct, BSD-2)", real),
        ("phantom", drawn),
    )
    for label, images in kinds:
        for axes, (name, share) in zip(panels, densities(images).items(), strict=True):
            axes.plot(middles, share, label=label)
            axes.set_title(name, fontsize=10)
            axes.set_xlabel("HU")
            mean = (share * middles).sum()
            spread = np.sqrt((share * (middles - mean) ** 2).sum())
            print(f"{label[:8]:8s} {name:12s} mean {mean:5.1f} sd {spread:5.2f}")
    panels[0].set_ylabel("share of the brain's voxels")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save_figure(figure, path)


def main(out: Path) -> None:
    """Writes the pictures."""
    docs = Path(__file__).parent
    anatomy = load_anatomy("head_ct")
    drawn = [preprocess(v, anatomy, SHAPE).image for v in phantoms(COUNT)]
    names = [f"phantom {n}" for n in range(1, COUNT + 1)]
    sheet(drawn[:SHOWN], names[:SHOWN], docs / "contact_sheet.png")
    data = Path(os.environ.get("CROSSDL_DATA", docs.parent.parent / "shared" / "data"))
    real = [preprocess(v, anatomy, SHAPE).image for v in real_scans(data)]
    if not real:
        sys.exit(f"{data}: no real scans there; only docs/contact_sheet.png was drawn")
    curves([*real], drawn, docs / "hu_histograms.png")
    out.mkdir(parents=True, exist_ok=True)
    both = [
        (f"{k} {n}", image)
        for k, images in (("real", real), ("phantom", drawn))
        for n, image in enumerate(images, 1)
    ]
    both.sort(key=lambda item: (int(item[0].split()[1]), item[0] < "r"))
    sheet([image for _, image in both], [title for title, _ in both], out / "mixed_sheet.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
