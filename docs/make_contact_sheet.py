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
from crossdl.geometry import canonical, largest_piece
from crossdl.io.volumes import read_volume
from crossdl.preprocessing import preprocess
from crossdl.types import Volume

SHAPE = (40, 160, 160)
LEVELS = {"skull base": (0.18, 0.36), "ventricles": (0.52, 0.68), "vertex": (0.78, 0.92)}
SLICES = (0.06, 0.2, 0.32, 0.44, 0.58, 0.72, 0.86)
BINS = np.arange(-20.0, 101.0)


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


def brain_mask(hu: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Largest piece of soft tissue within bone, the same way for every scan, ``(D, H, W)``."""
    radius = max(1, round(3.0 / spacing[1]))
    disk = np.hypot(*np.ogrid[-radius : radius + 1, -radius : radius + 1])[None] <= radius
    soft = (hu > -10.0) & (hu < 80.0)
    core = ndimage.binary_erosion(soft, disk)
    piece = largest_piece(core)
    return ndimage.binary_dilation(piece, disk) & soft


def densities(volumes: Sequence[Volume]) -> dict[str, np.ndarray]:
    """Mean share of each HU bin in the brain, by level: every scan counts the same."""
    shares: dict[str, list[np.ndarray]] = {name: [] for name in LEVELS}
    for volume in volumes:
        hu, grid = canonical(volume.array, volume.grid)
        mask = brain_mask(hu, grid.spacing)
        inside = np.flatnonzero(mask.any(axis=(1, 2)))
        low, count = inside[0], len(inside)
        for name, (start, stop) in LEVELS.items():
            part = slice(low + round(start * count), low + round(stop * count))
            values = hu[part][mask[part]]
            values = values + np.random.default_rng(0).uniform(-0.5, 0.5, values.shape)
            share, _ = np.histogram(values, BINS)
            shares[name].append(share / max(share.sum(), 1))
    return {name: np.mean(rows, axis=0) for name, rows in shares.items()}


def sheet(volumes: Sequence[Volume], titles: Sequence[str], path: Path, columns: int = 2) -> None:
    """A row of slices per scan, in the window of the network's input."""
    anatomy = load_anatomy("head_ct")
    rows = []
    for volume in volumes:
        image = preprocess(volume, anatomy, SHAPE).image
        rows.append(np.hstack([image[round(f * (SHAPE[0] - 1))] for f in SLICES]))
    lines = -(-len(rows) // columns)
    figure = Figure(figsize=(columns * len(SLICES), lines), dpi=110)
    FigureCanvasAgg(figure)
    grid = figure.subplots(lines, columns, squeeze=False, gridspec_kw={"wspace": 0.01, "hspace": 0})
    figure.subplots_adjust(0, 0, 1, 1)
    for axes in grid.ravel():
        axes.axis("off")
    for axes, row, title in zip(grid.ravel(), rows, titles, strict=False):
        axes.imshow(row, cmap="gray", vmin=0, vmax=255)
        axes.text(2, 12, title, color="#ffcc00", fontsize=5)
    save_figure(figure, path)


def curves(real: Sequence[Volume], drawn: Sequence[Volume], path: Path) -> None:
    """Densities inside the brain, real and phantom overlaid, at three levels."""
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    kinds = (("real (CT-ICH v1.0.0, Hssayeni 2019, CC BY 4.0)", real), ("phantom", drawn))
    middles = (BINS[:-1] + BINS[1:]) / 2
    for label, volumes in kinds:
        if not hasattr(figure, "panels"):
            figure.panels = figure.subplots(1, len(LEVELS), sharey=True)
        for axes, (name, share) in zip(figure.panels, densities(volumes).items(), strict=True):
            axes.plot(middles, share, label=label)
            axes.set_title(name, fontsize=10)
            axes.set_xlabel("HU")
            peak = middles[share.argmax()]
            spread = np.sqrt((share * (middles - (share * middles).sum()) ** 2).sum())
            print(f"{label:50s} {name:12s} peak {peak:5.1f} sd {spread:5.2f}")
    figure.panels[0].set_ylabel("share of the brain's voxels")
    figure.panels[0].legend(fontsize=7)
    save_figure(figure, path)


def main(out: Path) -> None:
    """Writes the pictures."""
    docs = Path(__file__).parent
    drawn = list(phantoms(42))
    names = [f"phantom {n}" for n in range(1, 43)]
    sheet(drawn, names, docs / "contact_sheet.png", columns=2)
    data = Path(os.environ.get("CROSSDL_DATA", docs.parent.parent / "shared" / "data"))
    real = list(real_scans(data))
    if not real:
        sys.exit(f"{data}: no real scans there; only docs/contact_sheet.png was drawn")
    curves(real, drawn, docs / "hu_histograms.png")
    out.mkdir(parents=True, exist_ok=True)
    pairs = [item for pair in zip(real, drawn, strict=True) for item in pair]
    titles = [t for n in range(1, 43) for t in (f"real {n}", f"phantom {n}")]
    sheet(pairs, titles, out / "mixed_sheet.png", columns=2)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
