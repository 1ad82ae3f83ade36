"""Many scans on one grid → the average head."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossdl.atlases.carry import UNSEEN, HUArray
from crossdl.io.dicom_pixels import AIR


def average(files: Sequence[Path], *, symmetric: bool = False) -> HUArray:
    """Median of scans voxel by voxel, so that a lesion or a tube of one scan leaves no trace.

    Voxels that fewer than half of the scans show are air. Only one slice of each scan is in
    memory at a time.

    Args:
        files: ``.npy`` files ``(D, H, W)`` int16, HU; voxels a scan does not show hold
            :data:`~crossdl.atlases.carry.UNSEEN`.
        symmetric: Let every scan count twice, as it is and mirrored in the middle of W.

    Returns:
        ``(D, H, W)`` int16, HU.
    """
    scans = [np.load(file, mmap_mode="r", allow_pickle=False) for file in files]
    result = np.empty(scans[0].shape, dtype=np.int16)
    for d in range(len(result)):
        values = np.stack([scan[d] for scan in scans])
        if symmetric:
            values = np.concatenate([values, values[..., ::-1]])
        values.sort(axis=0)  # what is unseen comes last
        count = (values < UNSEEN).sum(axis=0)
        pair = [
            np.take_along_axis(values, at[None], axis=0)[0].astype(np.float64)
            for at in (np.maximum(count - 1, 0) // 2, count // 2 % len(values))
        ]
        middle = np.rint((pair[0] + pair[1]) / 2)
        result[d] = np.where(2 * count >= len(values), middle, AIR)
    return result
