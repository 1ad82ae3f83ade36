"""Training samples on disk: prepared once, shared between runs, read as memory maps.

A sample of 80 x 160 x 160 voxels has 2 MB of image and 2 MB of labels; a cohort of tens of
thousands fits on a disk but not in memory, so only what a batch needs is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.cache import stored
from crossdl.interfaces import CohortSource
from crossdl.preprocessing import Preprocessed, labels_on, preprocess, resized
from crossdl.training.samples import Sample
from crossdl.types import FloatArray, RegionMap, ScanRecord

_VERSION = 1
"""Raised whenever preprocessing changes what it makes of a scan."""


def training_sample(
    cohort: CohortSource[Any],
    record: ScanRecord,
    regions: Callable[[], RegionMap] | None,
    matrix: FloatArray,
    anatomy: Anatomy,
    shape: tuple[int, int, int],
) -> Sample:
    """One scan with its coarse regions at the network's input shape.

    Where the cohort keeps prepared scans (:meth:`CohortSource.prepared`), these are used and the
    source volume is not read.

    Args:
        cohort: Where the scan comes from.
        record: The scan.
        regions: Reads its region map, or None if registration failed.
        matrix: Its weak labels, ``(N + 2, M)``.
        anatomy: Window, threshold, label numbers.
        shape: Voxels ``(D, H, W)`` of the sample.

    Raises:
        InputError: The scan cannot be read or shows no head.
    """
    ready = cohort.prepared(record)
    as_is = ready is not None and ready.image.shape == shape
    coarse = None if regions is None else regions()
    key = {
        "version": _VERSION,
        "scan": cohort.fingerprint(record),
        "from": "source" if ready is None else "prepared",
        "shape": list(shape),
        "window": [anatomy.window.low, anatomy.window.high],
        "tissue_threshold": anatomy.tissue_threshold,
        "regions": None if coarse is None else _digest(coarse),
    }

    def make(folder: Path) -> None:
        found = _found(ready, cohort, record, anatomy, shape)
        empty = np.zeros(shape, dtype=np.uint8)
        labels = empty if coarse is None else labels_on(coarse, found.grid)
        if not as_is:
            np.save(folder / "image.npy", found.image, allow_pickle=False)
        np.save(folder / "regions.npy", labels, allow_pickle=False)

    folder = stored("samples", key, make)
    image = ready.image if ready is not None and as_is else _mapped(folder / "image.npy")
    return Sample(record.scan_id, image, _mapped(folder / "regions.npy"), matrix)


def _found(
    ready: Preprocessed | None,
    cohort: CohortSource[Any],
    record: ScanRecord,
    anatomy: Anatomy,
    shape: tuple[int, int, int],
) -> Preprocessed:
    if ready is None:
        return preprocess(cohort.volume(record), anatomy, shape)
    return ready if ready.image.shape == shape else resized(ready, shape)


def _mapped(path: Path) -> Any:
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _digest(regions: RegionMap) -> str:
    digest = hashlib.blake2b(digest_size=16)
    digest.update(np.ascontiguousarray(regions.labels).data)
    digest.update(regions.grid.affine.tobytes())
    return digest.hexdigest()
