"""Draws every kind of lesion and confounder: ``python docs/make_lesion_sheet.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from crossdl.anatomy import load_anatomy
from crossdl.display import COLOURS
from crossdl.figures import save_figure
from crossdl.plugins.cohorts._phantom_brush import Lesion
from crossdl.plugins.cohorts._phantom_plan import Plan
from crossdl.plugins.cohorts.phantom import Phantom, PhantomConfig

LESIONS = {
    "haematoma, putamen": [Lesion("haematoma", "putamen", 1, 18, "", "acute")],
    "haematoma, subacute": [Lesion("haematoma", "frontal_lobe", 1, 20, "", "subacute")],
    "haematoma with level": [Lesion("haematoma", "parietal_lobe", -1, 20, "level", "acute")],
    "haematoma, pons": [Lesion("haematoma", "pons", 1, 10, "", "acute")],
    "haematoma, cerebellum": [Lesion("haematoma", "cerebellum", 1, 14, "", "acute")],
    "contusions": [
        Lesion("contusion", "orbitofrontal", 1, 18, "", "acute"),
        Lesion("contusion", "orbitofrontal", -1, 12, "", "acute"),
        Lesion("contusion", "temporal_pole", 1, 14, "", "acute"),
    ],
    "epidural": [Lesion("epidural", "temporal_plate", 1, 22)],
    "subdural, acute": [Lesion("subdural", "frontal_plate", -1, 13, "convexity", "acute")],
    "subdural, chronic": [Lesion("subdural", "parietal_plate", -1, 20, "convexity", "chronic")],
    "subdural, mixed": [Lesion("subdural", "frontal_plate", 1, 18, "convexity", "mixed")],
    "subdural, falx": [Lesion("subdural", "frontal_lobe", 1, 6, "falx", "acute")],
    "subdural, tentorium": [Lesion("subdural", "frontal_lobe", 1, 6, "tentorium", "acute")],
    "subarachnoid, basal": [Lesion("subarachnoid", "suprasellar", 1, 45, "basal")],
    "subarachnoid, sulcal": [Lesion("subarachnoid", "frontal_plate", 1, 38, "sulcal")],
    "intraventricular, level": [
        Lesion("intraventricular", "lateral_ventricle", side, 20, "level") for side in (1, -1)
    ],
    "intraventricular, cast": [
        Lesion("intraventricular", "lateral_ventricle", 1, 20, "cast"),
        Lesion("intraventricular", "third_ventricle", 0, 20, "midline"),
    ],
    "infarct, branch": [Lesion("infarct", "frontal_lobe", 1, 22, "wedge", "subacute")],
    "infarct, middle": [Lesion("infarct", "insula", 1, 60, "middle", "subacute")],
    "infarct, middle, acute": [Lesion("infarct", "insula", -1, 60, "middle", "acute")],
    "infarct, posterior, old": [Lesion("infarct", "occipital_lobe", 1, 45, "posterior", "chronic")],
    "infarct, anterior": [Lesion("infarct", "frontal_lobe", 1, 50, "anterior", "subacute")],
    "infarct, cerebellum": [Lesion("infarct", "cerebellum", 1, 30, "cerebellar", "subacute")],
    "lacunes": [
        Lesion("infarct", "putamen", 1, 5, "lacune", "chronic"),
        Lesion("infarct", "putamen", -1, 6, "lacune", "chronic"),
    ],
    "encephalomalacia": [Lesion("encephalomalacia", "frontal_lobe", 1, 18)],
    "hygroma": [Lesion("hygroma", "frontal_plate", side, 9) for side in (1, -1)],
    "arachnoid cyst": [Lesion("arachnoid_cyst", "middle_fossa", 1, 20)],
    "tumour, dense": [Lesion("tumour", "frontal_lobe", -1, 16, "dense")],
    "tumour, necrotic": [Lesion("tumour", "parietal_lobe", 1, 18, "ring")],
    "oedema": [Lesion("oedema", "frontal_lobe", 1, 26)],
}
CONFOUNDERS = (
    "white_matter_ischaemia",
    "choroid_calcification",
    "pineal_calcification",
    "basal_ganglia_calcification",
    "scalp_swelling",
    "post_operative",
)
COLUMNS = 10
CUTS = 2
"""Slices of the head model averaged for a picture: 4 mm."""


def main(target: Path, seed: int = 3) -> None:
    """Paints each on the same head; below each, the same slice with the outlines of its types."""
    anatomy = load_anatomy("head_ct")
    painter = Phantom(PhantomConfig(), anatomy)._painter
    cases = {name: Plan(tuple(lesions)) for name, lesions in LESIONS.items()}
    cases |= {name.replace("_", " "): Plan((), (name,)) for name in CONFOUNDERS}
    rows = -(-len(cases) // COLUMNS)
    figure = Figure(figsize=(1.6 * COLUMNS, 4.2 * rows), facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2 * rows, COLUMNS)
    for axis in axes.ravel():
        axis.axis("off")
    usual = painter.space.model.hu
    for number, (name, plan) in enumerate(cases.items()):
        rng = np.random.default_rng([seed, number])
        canvas = painter.canvas(usual.copy())
        painter.paint(canvas, plan, rng)
        changed = canvas.parts > 0 if plan.lesions else np.abs(canvas.hu - usual) > 5.0
        if not plan.lesions:  # not the face
            changed[: len(changed) // 3] = False
            changed[4 * len(changed) // 5 :] = False
        d = int(np.clip(changed.sum(axis=(1, 2)).argmax(), 0, len(changed) - CUTS))
        image = canvas.hu[d : d + CUTS].mean(axis=0) + rng.normal(0.0, 2.0, usual.shape[1:])
        types = np.array(canvas.type_of)[canvas.parts[d]]
        above, below = axes[2 * (number // COLUMNS) : 2 * (number // COLUMNS) + 2, number % COLUMNS]
        for axis in (above, below):
            axis.imshow(image, cmap="gray", vmin=-10, vmax=80, interpolation="bilinear")
        for j in range(anatomy.n_types):
            if (types == j).any():
                below.contour(types == j, levels=[0.5], colors=[COLOURS[j]], linewidths=0.9)
        above.set_title(name, color="white", fontsize=8)
    figure.subplots_adjust(0.005, 0.005, 0.995, 0.97, 0.02, 0.06)
    save_figure(figure, target)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("lesions.png"))
