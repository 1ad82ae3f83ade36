"""Which scans an atlas is built from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossdl.anatomy import load_anatomy
from crossdl.atlases.registering import Source
from crossdl.catalog import Catalog
from crossdl.errors import InputError
from crossdl.qc.cohorts import find_cohort
from crossdl.registry import Composition

LEAST_SCANS = 2


def find_scans(
    paths: Sequence[Path],
    composition: Composition,
    catalog: Catalog,
    *,
    count: int | None,
    seed: int,
    allow_missing_slices: bool = False,
) -> list[Source]:
    """The scans at some paths, or ``count`` random ones of them.

    Args:
        paths: Scans, folders of NIfTI files, or folders that ``crossdl cohort build`` wrote.
        composition: Names the anatomy.
        catalog: Where the cohort kinds come from.
        count: How many to draw; None takes all.
        seed: Of the draw.
        allow_missing_slices: Interpolate over missing slices of DICOM series.

    Raises:
        InputError: A path does not exist, there are too few scans, or two have the same name.
    """
    anatomy = load_anatomy(composition.anatomy)
    found = []
    for path in paths:
        target = find_cohort(
            path, composition, anatomy, catalog, allow_missing_slices=allow_missing_slices
        )
        config = target.config.model_dump_json()
        found += [Source(config, record.scan_id) for record in target.records]
    wanted = len(found) if count is None else count
    if wanted < LEAST_SCANS or wanted > len(found):
        raise InputError(
            f"{', '.join(map(str, paths))}: {len(found)} scan(s) found; an average needs at least "
            f"{max(wanted, LEAST_SCANS)}; give more"
        )
    name, times = Counter(scan.name for scan in found).most_common(1)[0]
    if times > 1:
        raise InputError(f"{times} scans are called {name!r}; rename or leave out one")
    chosen = np.random.default_rng(seed).permutation(len(found))[:wanted]
    return [found[i] for i in sorted(chosen)]
