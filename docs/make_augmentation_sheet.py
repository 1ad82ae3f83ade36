"""Draws one phantom slice under twelve augmentations: ``python docs/make_augmentation_sheet.py``.

Each picture shows one change, drawn up to the strength of its title; the last two show several.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from crossdl.anatomy import load_anatomy
from crossdl.figures import save_figure
from crossdl.plugins.cohorts.phantom import Phantom, PhantomConfig
from crossdl.preprocessing import preprocess
from crossdl.training.augment import augment
from crossdl.training.augmentation import Augmentation, Probabilities

ALWAYS = Probabilities(**dict.fromkeys(Probabilities.model_fields, 1.0))
CHANGES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "flip": {"flip_probability": 1},
    "rotation 15°": {"rotation_degrees": 15},
    "tilt 12°": {"tilt_degrees": 12},
    "zoom 0.8, stretch 0.1": {"zoom": (0.8, 0.8), "stretch": 0.1},
    "shift 0.1": {"shift": 0.1},
    "elastic 0.03": {"elastic": 0.03},
    "gamma 1.6": {"gamma": (1.6, 1.6)},
    "contrast 1.4": {"contrast": (1.4, 1.4)},
    "bias 15 HU": {"bias_hu": 15},
    "noise 6 HU": {"noise_hu": (6, 6)},
    "sharpen 1": {"sharpen": (1, 1)},
    "slices 6 voxels thick, bone 600 HU": {"slice_thickness": (6, 6), "bone_hu": 600},
}
TOGETHER: dict[str, Any] = {
    "rotation_degrees": 15,
    "tilt_degrees": 8,
    "zoom": (0.85, 1.15),
    "stretch": 0.08,
    "shift": 0.04,
    "elastic": 0.015,
    "gamma": (0.8, 1.3),
    "contrast": (0.8, 1.2),
    "brightness_hu": 5,
    "slice_thickness": (1, 4),
    "blur": (0, 0.8),
    "bone_hu": 400,
    "bias_hu": 4,
    "noise_hu": (0, 5),
}
COLUMNS = 5


def main(target: Path, seed: int = 2) -> None:
    """Draws a slice of the scan with the most positive cells."""
    anatomy = load_anatomy("head_ct")
    config = PhantomConfig(seed=seed, patients={"train": 8, "valid": 1, "test": 1})
    cohort = Phantom(config, anatomy)
    record = max(cohort.records(), key=lambda r: 0 if r.truth is None else float(r.truth.sum()))
    scan = preprocess(cohort.volume(record), anatomy, anatomy.volume_shape)
    image = torch.from_numpy(scan.image)
    blank = torch.zeros_like(image)
    matrix = torch.zeros((anatomy.n_regions + 2, anatomy.n_types))
    cases = [(title, {"rotation_degrees": 0, **fields}, 5) for title, fields in CHANGES.items()]
    cases += [("several together", TOGETHER, 5), ("several together", TOGETHER, 8)]
    rows = -(-len(cases) // COLUMNS)
    figure = Figure(figsize=(2.4 * COLUMNS, 2.65 * rows), facecolor="black")
    FigureCanvasAgg(figure)
    middle = image.shape[0] * 6 // 10
    for axis, (title, fields, key) in zip(
        figure.subplots(rows, COLUMNS).ravel(), cases, strict=True
    ):
        table = {"flip_probability": 0, "probability": ALWAYS, **fields}
        settings = Augmentation.model_validate(table)
        changed, _, _ = augment(
            image, blank, matrix, anatomy=anatomy, settings=settings, key=(key,)
        )
        axis.imshow(changed[middle].numpy(), cmap="gray", vmin=0, vmax=255)
        axis.set_title(title, color="white", fontsize=9)
        axis.axis("off")
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.96, 0.02, 0.1)
    save_figure(figure, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("augmentation.png"))
