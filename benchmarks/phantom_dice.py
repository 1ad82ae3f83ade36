"""Dice of abnormality maps on phantoms: ``python benchmarks/phantom_dice.py COMPOSITION MODEL``.

Maps are carried to the scan's own voxels and compared with the phantom's masks, on scans that have
the type, as in the paper. Each type's threshold is the one with the best mean Dice on the
validation scans of the composition's cohort; the test scans are then measured once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.interfaces import AbnormalityAnalyzer, CohortSource
from crossdl.models import load_model
from crossdl.preprocessing import maps_on
from crossdl.progress import track
from crossdl.registry import load_registry
from crossdl.types import Float64Array, ScanRecord

THRESHOLDS = np.concatenate([[0.01, 0.02, 0.03], np.linspace(0.05, 0.95, 19)])


def dice(
    analyzer: AbnormalityAnalyzer[Any], cohort: CohortSource[Any], records: Sequence[ScanRecord]
) -> Float64Array:
    """Dice ``(scans, M, thresholds)``, NaN where the scan does not have the type."""
    found = np.full((len(records), analyzer.anatomy.n_types, len(THRESHOLDS)), np.nan)
    for row, record in zip(found, track(records, "measuring"), strict=True):
        masks = cohort.voxel_truth(record)
        assert masks is not None
        if not masks.any():
            continue
        volume = cohort.volume(record)
        prediction = analyzer.predict(volume)
        heat = maps_on(prediction.abnormality_maps, prediction.grid, volume.grid)
        for values, mask, out in zip(heat, masks, row, strict=True):
            if mask.any():
                out[:] = _dice(values.ravel(), mask.ravel())
    return found


def _dice(values: Any, mask: Any) -> Float64Array:
    """Dice at every threshold, from two cumulated histograms."""
    edges = np.append(THRESHOLDS, np.inf)
    over = np.histogram(values, edges)[0][::-1].cumsum()[::-1]
    hits = np.histogram(values[mask], edges)[0][::-1].cumsum()[::-1]
    return np.asarray(2 * hits / (over + mask.sum()), dtype=np.float64)


def main() -> None:
    """Prints a line per type and the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("composition", help="whose cohort is measured")
    parser.add_argument("model", type=Path, help="model folder, such as runs/small/model")
    arguments = parser.parse_args()
    registry = load_registry(None)
    composition = registry.composition(arguments.composition)
    analyzer = load_model(arguments.model)
    cohort = registry.catalog.create("cohort", composition.cohort, analyzer.anatomy)
    records = cohort.records()
    valid, test = (
        dice(analyzer, cohort, [r for r in records if r.split == split])
        for split in ("valid", "test")
    )
    best = np.nanmean(valid, axis=0).argmax(axis=1)
    values = []
    for j, (kind, k) in enumerate(zip(analyzer.anatomy.types, best, strict=True)):
        scans = test[:, j, k]
        values.append(float(np.nanmean(scans)))
        print(
            f"{kind.title:32} Dice {values[-1]:.3f} at {THRESHOLDS[k]:.2f}  "
            f"({int(np.isfinite(scans).sum())} scans)"
        )
    print(f"{'mean of types':32} Dice {np.mean(values):.3f}")


if __name__ == "__main__":
    main()
