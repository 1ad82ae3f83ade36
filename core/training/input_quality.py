"""Doubts about the scan that an analyzer is given."""

from __future__ import annotations

from collections.abc import Sequence

from crossdl.geometry import canonical
from crossdl.training.config import NetworkConfig
from crossdl.types import Grid, Quality, Volume


def input_quality(volume: Volume, box: Grid, config: NetworkConfig, more: Sequence[str]) -> Quality:
    """Number of slices, size of the head's box, warnings of reading, and other doubts.

    Args:
        volume: The scan.
        box: Grid of the box around the head.
        config: What is plausible.
        more: Doubts that are added.
    """
    acquired = volume.meta.get("slice_positions_mm")  # before any resampling
    slices = len(acquired or range(canonical(volume.array, volume.grid)[1].shape[0]))
    sides = [n * s for n, s in zip(box.shape, box.spacing, strict=True)]
    flags = [str(warning) for warning in volume.meta.get("warnings", ())]
    if slices < config.min_slices:
        flags.append(f"only {slices} slices, {config.min_slices} are expected")
    low, high = config.extent_mm
    if not all(low <= side <= high for side in sides):
        text = " x ".join(f"{side:.0f}" for side in sides)
        flags.append(
            f"the box around the head is {text} mm (superior, posterior, left), each side "
            f"should be {low:g} to {high:g} mm"
        )
    values = {"box_mm": [round(s, 1) for s in sides], "slices": slices}
    return Quality(values, (*flags, *more))
