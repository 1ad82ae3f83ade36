"""Parcels of AAL as seeds of the regions of the atlas ``mni_head``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from crossdl.plugins.atlases._mni_sources import Sources, positions
from crossdl.types import LabelArray


def parcel_seeds(
    sources: Sources, data: Mapping[str, Any], labels: Mapping[str, int], side: str
) -> LabelArray:
    """AAL parcels as labels of one side, ``(D, H, W)``; 0 elsewhere.

    Parcels without a side serve as that side's. Gyri that run across the border of two lobes are
    divided by the ``splits`` of ``mni_head.toml``.
    """
    _, y, z = positions(sources.grid)
    table = np.zeros(max(sources.names) + 1, dtype=np.uint8)
    for number, name in sources.names.items():
        prefixes = [p for p in data["parts"] if name.startswith(p)]
        if prefixes and _side_of(name, data, side) == side:
            table[number] = labels[data["parts"][max(prefixes, key=len)]]
    seeds = np.asarray(table[sources.parcels], dtype=np.uint8)
    for split in data["splits"]:
        numbers = [
            number
            for number, name in sources.names.items()
            if name.startswith(tuple(split["parcels"])) and _side_of(name, data, side) == side
        ]
        heights, places = np.array(split["border"]).T
        border = np.interp(z, heights, places)
        beyond = (y < border) if split["side"] == "behind" else (y > border)
        beyond &= z > split.get("above", -np.inf)
        seeds[np.isin(sources.parcels, numbers) & beyond] = labels[split["part"]]
    return seeds


def _side_of(name: str, data: Mapping[str, Any], unsided: str) -> str:
    """The side in the name of a parcel; ``unsided`` where it has none."""
    found = (s for ending, s in data["sides"].items() if name.endswith(ending))
    return next(found, unsided)
