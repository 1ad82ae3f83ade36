"""Whether the values of a scan can be Hounsfield units."""

from __future__ import annotations

import numpy as np

from crossdl.errors import InputError
from crossdl.types import FloatArray

MAX_HU = 32767.0
"""The densest metal on an extended CT scale stays below."""
OFFSET = (900.0, 1200.0)
"""Where brain lies when air was written as 0 and the intercept of -1024 was lost."""


def check_hounsfield(place: str, image: FloatArray) -> list[str]:
    """Looks for values that are no HU.

    Args:
        place: What the message begins with.
        image: ``(D, H, W)`` values that are said to be HU.

    Returns:
        Warnings, none for a usual scan.

    Raises:
        InputError: The values cannot be HU.
    """
    low, high = float(image.min()), float(image.max())
    if low == high:
        raise InputError(f"{place}: every voxel is {low:g}; write the scan again")
    if high <= 1:
        raise InputError(
            f"{place}: values from {low:g} to {high:g} are not HU (was it normalised?); give "
            "the scan in HU"
        )
    if high > MAX_HU:
        raise InputError(
            f"{place}: values up to {high:g} are no HU (were signed pixels written as unsigned?); "
            "give the scan in HU"
        )
    if low > -200:
        sample = image[::2, ::4, ::4]
        inside = sample[sample > 100]
        if low >= 0 and inside.size and OFFSET[0] < float(np.median(inside)) < OFFSET[1]:
            raise InputError(
                f"{place}: no value is below 0 and most tissue is near 1024, so the intercept of "
                "-1024 HU was lost; give the scan in HU"
            )
        return [
            f"no voxel is air (lowest {low:g}): the values may not be HU, or the head is cut out"
        ]
    return []
