"""Vault of the skull and the scalp on it, as a function of the distance to the inner plate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crossdl.types import FloatArray

LEAST_SKULL_MM = 2.0


def soft(margin: Any, width_mm: float) -> Any:
    """0 outside to 1 inside, over ``width_mm`` around a margin of 0."""
    return (margin * np.float32(1.0 / width_mm) + np.float32(0.5)).clip(0.0, 1.0)


def layer_map(layer: Mapping[str, Any], x: Any, y: Any, z: Any) -> FloatArray:
    """Thickness of a layer, mm: a usual value and what single places add.

    Args:
        layer: ``usual``, and ``places``: rows of x, y, z, radius, mm added; x on both sides.
        x: MNI mm, as are ``y`` and ``z``; shapes broadcast.
        y: Forward.
        z: Up.
    """
    total: Any = np.float32(layer["usual"])
    places: Sequence[Sequence[float]] = layer.get("places", [])
    for cx, cy, cz, radius, added in places:
        squared = (np.abs(x) - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2
        total = total + np.float32(added) * np.exp(-squared / np.float32(2 * radius**2))
    return np.asarray(total, dtype=np.float32)


def vault_hu(
    outer: FloatArray,
    skull: FloatArray,
    scalp: FloatArray,
    muscle: FloatArray,
    relief: FloatArray,
    hu: Mapping[str, float],
    spacing_mm: float,
) -> FloatArray:
    """Densities from the inner plate outwards: two tables, diploe, muscle, fat, skin, air.

    Args:
        outer: Distance to the inner plate, mm, positive outside; any shape.
        skull: Thickness of the bone there, mm.
        scalp: Thickness of the soft tissue on it, mm.
        muscle: Thickness of muscle on the bone, mm.
        relief: Noise of unit variance that makes diploe and fat uneven.
        hu: Densities of tissue.
        spacing_mm: Borders are this wide.
    """
    skull = np.maximum(skull, np.float32(LEAST_SKULL_MM))
    table = np.minimum(np.float32(1.2) + np.float32(0.12) * skull, np.float32(0.4) * skull)
    deep = soft(np.minimum(outer, skull - outer) - table, 1.0)
    bone = np.float32(hu["compact"]) + deep * (
        np.float32(hu["diploe"] - hu["compact"]) + np.float32(140.0) * relief
    )
    above = outer - skull
    flesh = np.float32(hu["fat"]) + np.float32(8.0) * relief
    flesh = flesh + soft(muscle - above, spacing_mm) * (np.float32(hu["muscle"]) - flesh)
    flesh = flesh + soft(above - scalp + np.float32(2.2), spacing_mm) * (
        np.float32(hu["skin"]) - flesh
    )
    flesh = flesh + soft(above - scalp, spacing_mm) * (np.float32(-1000.0) - flesh)
    value = flesh + soft(-above, spacing_mm) * (bone - flesh)
    return np.asarray(value, dtype=np.float32)
