"""Phantom heads and their reports, from which the hospital's scans are made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BUSY = ("缺血",)
"""Words of findings that the rule about ischaemia may see; such phantoms are not taken."""


@dataclass(frozen=True, eq=False)
class Head:
    """One phantom: ``(12, 64, 64)`` int16 HU, millimetres between voxels, Chinese findings."""

    hu: NDArray[np.int16]
    spacing: tuple[float, float, float]
    findings: str


def sketches(count: int = 4, slices: int = 16) -> list[Head]:
    """Heads of a few ellipses and two sentences, made at once where no phantom is needed."""
    z, y, x = np.mgrid[-0.9 : 0.9 : slices * 1j, -1.2:1.2:64j, -1.2:1.2:64j]
    found = []
    for k in range(count):
        radius = np.sqrt(z**2 + y**2 + (1.0 + 0.05 * k) * 1.2 * x**2)
        hu = np.full(radius.shape, -1000.0)
        for edge, value in ((1.05, 40.0), (0.98, 1000.0), (0.9, 32.0), (0.2, 8.0)):
            hu[radius < edge] = value
        side = "左" if k % 2 else "右"
        text = f"{side}侧额叶见团块状高密度影，大小约{10 + k}mm。中线结构居中。"
        found.append(Head(hu.astype(np.int16), (10.0, 3.6, 3.6), text))
    return found


def heads(count: int = 24, slices: int = 16) -> list[Head]:
    """Renders phantoms of 64 x 64 pixels; they come from the cache where it has them."""
    from crossdl.anatomy import load_anatomy
    from crossdl.catalog import default_catalog

    catalog, anatomy = default_catalog(), load_anatomy("head_ct")
    config = {
        "kind": "phantom",
        "patients": {"train": 3 * count, "valid": 1, "test": 1},
        "positive_rate": 0.8,
        "matrix": 64,
        "field_of_view_mm": [218.0, 243.0],
        "model_mm": 2.0,
        "slices": [slices, slices],
        "language": "zh",
        "repeat_rate": 0.0,
    }
    cohort = catalog.create("cohort", catalog.parse("cohort", config), anatomy)
    found: list[Head] = []
    for record in cohort.records():
        text = record.findings or ""
        if len(found) < count and not any(word in text for word in BUSY):
            volume = cohort.volume(record)
            found.append(Head(volume.array.astype(np.int16), volume.grid.spacing, text))
    if len(found) < count:
        raise RuntimeError(f"only {len(found)} of {count} phantoms have no ischaemia in the report")
    return found
