"""What is true of cells and whole scans, and what nobody knows."""

from __future__ import annotations

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import EvaluationSet
from crossdl.statistics.auroc import union
from crossdl.types import FloatArray


def cell_truth(cases: EvaluationSet, anatomy: Anatomy) -> FloatArray:
    """Truth of regions, ``(n, N, M)``; NaN of cells that cannot be judged.

    These are cells that nobody assessed, cells without a score, and negative cells of a type whose
    *unclear* row is positive: the vague wording may have meant that region.
    """
    bags, unclear = cases.truth[:, : anatomy.n_regions], cases.truth[:, -1:]
    unknown = ((unclear == 1) & (bags == 0)) | np.isnan(cases.region_scores)
    return np.where(unknown, np.float32(np.nan), bags)


def scan_truth(cases: EvaluationSet) -> FloatArray:
    """Truth of whole scans, ``(n, M)``: the union over all N + 2 rows, as in E9.

    NaN where a row was not assessed and none is positive.
    """
    return union(cases.truth, axis=1)
