"""How often the phantom's cells are positive: ``python benchmarks/phantom_rates.py``.

Lesions are planned in natural prevalence and painted on the head model without rendering a scan,
then measured there. Table 1 is the paper's retrospective test set; sides are averaged, because the
phantom treats them alike.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.plugins.cohorts._phantom_painter import Painter
from crossdl.plugins.cohorts._phantom_plan import draw_plan
from crossdl.plugins.cohorts._phantom_truth import gold_matrix, visible_parts

TABLE_1 = {
    "frontal_lobe": (5.0, 5.55, 7.1, 4.0),
    "temporal_lobe": (3.35, 4.05, 3.6, 2.8),
    "parietal_lobe": (2.35, 5.75, 3.0, 2.4),
    "occipital_lobe": (1.25, 1.7, 1.65, 1.05),
    "centrum_ovale": (0.1, 0.0, 0.4, 0.0),
    "basal_ganglia": (2.75, 0.0, 7.3, 0.0),
    "lateral_ventricle": (0.0, 3.7, 0.0, 0.2),
    "cerebellum": (1.55, 0.15, 2.15, 0.0),
    "brain_stem": (1.0, 0.0, 1.9, 0.0),
    "any": (19.5, 17.4, 25.6, 7.2),
}
"""Per cent of scans by part and type; "any" is any region."""
ANY = 41.1


def measured(painter: Painter, anatomy: Anatomy, scans: int, seed: int) -> np.ndarray:
    """Gold matrices ``(scans, N + 2, M)`` in natural prevalence."""
    space = painter.space
    ml = float(np.prod(space.model.grid.spacing)) / 1000.0
    gold = np.zeros((scans, anatomy.n_regions + 2, anatomy.n_types), dtype=np.float32)
    for number in range(scans):
        rng = np.random.default_rng([seed, number])
        plan = draw_plan(painter.lesion_data, None, rng)
        if plan.lesions:
            canvas = painter.canvas(space.model.hu.copy())
            painter.paint(canvas, plan, rng)
            labels = canvas.labels
            _, masks = visible_parts(canvas.parts, canvas, labels, space.model.inside, ml)
            gold[number] = gold_matrix(masks, labels, anatomy, ml)
    return gold


def table(gold: np.ndarray, anatomy: Anatomy) -> dict[str, np.ndarray]:
    """Per cent by part and type, sides averaged."""
    rows: dict[str, list[np.ndarray]] = {}
    for row, region in enumerate(anatomy.regions):
        rows.setdefault(region.part, []).append(gold[:, row].mean(axis=0))
    rows["any"] = [gold[:, :-1].max(axis=1).mean(axis=0)]
    return {part: 100.0 * np.mean(values, axis=0) for part, values in rows.items()}


def phantom_painter(anatomy: Anatomy) -> Painter:
    """The painter of the default head model."""
    from crossdl.plugins.cohorts.phantom import Phantom, PhantomConfig

    return Phantom(PhantomConfig(), anatomy)._painter


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    anatomy = load_anatomy("head_ct")
    painter = phantom_painter(anatomy)
    started = time.process_time()
    gold = measured(painter, anatomy, arguments.scans, arguments.seed)
    seconds = (time.process_time() - started) / arguments.scans
    print(f"per cent of {arguments.scans} scans, phantom | Table 1; {seconds:.3f} CPU-s a scan")
    for part, values in table(gold, anatomy).items():
        cells = "   ".join(
            f"{v:5.1f} | {t:5.2f}" for v, t in zip(values, TABLE_1[part], strict=True)
        )
        print(f"{part:18} {cells}")
    other = 100.0 * gold[:, -2].mean(axis=0)
    print("other              " + "   ".join(f"{v:5.1f} |      " for v in other))
    print(f"any cell           {100.0 * gold.max(axis=(1, 2)).mean():5.1f} | {ANY:5.2f}")


if __name__ == "__main__":
    main()
