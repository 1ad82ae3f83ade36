"""Bootstrap of every cell's and summary's AUROC: crossdl against a scikit-learn loop.

Run as ``python benchmarks/bootstrap.py``. The loop is timed on a few resamples and scaled.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.metrics import roc_auc_score

from crossdl.anatomy import load_anatomy
from crossdl.statistics.auroc import bootstrap_auroc
from crossdl.statistics.bootstrap import resample_weights


def main() -> None:
    """Prints seconds of both ways, their ratio and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=1607, help="the paper's test set has 1607")
    parser.add_argument("--patients", type=int, default=907)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--loop-resamples", type=int, default=3)
    args = parser.parse_args()

    anatomy = load_anatomy("head_ct")
    n_cells = anatomy.n_regions * anatomy.n_types
    rng = np.random.default_rng(0)
    truth = rng.random((args.scans, n_cells)) < 0.05
    scores = (rng.normal(size=truth.shape) + 2 * truth).astype(np.float32)
    patients = rng.integers(0, args.patients, size=args.scans)
    cells = np.arange(n_cells).reshape(anatomy.n_regions, anatomy.n_types)
    sets = {f"cell {c}": [c] for c in range(n_cells)}
    sets |= {f"type {j}": list(cells[:, j]) for j in range(anatomy.n_types)}
    sets["micro"] = list(range(n_cells))

    start = time.perf_counter()
    found = bootstrap_auroc(truth, scores, patients, sets, n_resamples=args.resamples)
    ours = time.perf_counter() - start

    owner, weights = resample_weights(patients, args.loop_resamples, 0)
    worst = 0.0
    start = time.perf_counter()
    for column in range(1 + args.loop_resamples):
        rows = np.repeat(np.arange(args.scans), weights[owner, column].astype(int))
        for name, chosen in sets.items():
            area = roc_auc_score(truth[rows][:, chosen].ravel(), scores[rows][:, chosen].ravel())
            if column == 0:
                worst = max(worst, abs(area - (found[name].value or 0)))
    loop = (time.perf_counter() - start) / (1 + args.loop_resamples) * args.resamples
    print(f"{args.scans} scans, {len(sets)} statistics, {args.resamples} resamples")
    print(f"crossdl            {ours:8.2f} s")
    print(f"scikit-learn loop  {loop:8.2f} s (from {args.loop_resamples + 1} resamples)")
    print(f"ratio              {loop / ours:8.1f}")
    print(f"largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
