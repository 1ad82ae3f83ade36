"""What a scan must have before its regions can be looked for."""

from __future__ import annotations

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.errors import InputError
from crossdl.types import Volume

MIN_EXTENT_MM = 40.0
"""Less than this along an axis shows too little of a head to say which part it is."""

SOFT_TISSUE_HU = (-20.0, 100.0)
"""Brain, fluid, muscle and blood, with the noise of thick slices."""

_AIR_HU = -500.0
_LEAST_AIR = 0.03
_LEAST_SOFT = 0.25


def check_scan(volume: Volume, anatomy: Anatomy) -> None:
    """Refuses what cannot be a scan of the anatomy.

    42 real head CTs were 49 to 70 % air, and 51 to 75 % of the body in them was soft tissue.

    Args:
        volume: ``(D, H, W)``.
        anatomy: Gives modality and the threshold between air and body.

    Raises:
        InputError: The volume is not finite, constant, thinner than :data:`MIN_EXTENT_MM`, or
            a CT without air or soft tissue, so that its values cannot be HU.
    """
    name, array = volume.name, volume.array
    if not np.isfinite(array).all():
        raise InputError(f"{name}: has voxels that are not finite; nothing to register")
    low, high = float(array.min()), float(array.max())
    if low == high:
        raise InputError(f"{name}: is constant; nothing to register")
    extent = [n * s for n, s in zip(volume.grid.shape, volume.grid.spacing, strict=True)]
    if min(extent) < MIN_EXTENT_MM:
        axis = int(np.argmin(extent))
        raise InputError(
            f"{name}: only {extent[axis]:.3g} mm along one axis ({volume.grid.shape[axis]} "
            f"slices); at least {MIN_EXTENT_MM:g} mm are needed to place regions"
        )
    if anatomy.modality == "CT":
        _check_hu(volume, anatomy.tissue_threshold, low)


def _check_hu(volume: Volume, threshold: float, low: float) -> None:
    body = volume.array[volume.array > threshold]
    air = float((volume.array < _AIR_HU).mean())
    remedy = "give a whole CT with its rescale slope and intercept applied"
    if air < _LEAST_AIR:
        raise InputError(
            f"{volume.name}: values are not Hounsfield units: only {air:.1%} of them are below "
            f"{_AIR_HU:g} as air is (the lowest is {low:.4g}); {remedy}"
        )
    if body.size == 0:
        raise InputError(f"{volume.name}: nothing but air; no head found")
    bottom, top = SOFT_TISSUE_HU
    soft = float(((body >= bottom) & (body <= top)).mean())
    if soft < _LEAST_SOFT:
        raise InputError(
            f"{volume.name}: values are not Hounsfield units: only {soft:.0%} of what is no air "
            f"has soft tissue's {bottom:g} to {top:g} (at least {_LEAST_SOFT:.0%} expected); "
            f"{remedy}"
        )
