"""How fast phantoms are drawn on one core, and what they need on disk.

``python benchmarks/phantom_speed.py`` draws scans of 80 x 80 pixels and 40 slices; ``--matrix 192
--slices 34`` is near the default. Everything else is as configured by default, and the scans are
drawn and written as the cohort does it, into a folder that is removed. The head model, made once
per machine, is not counted. Processor time is what a core of its own would take; wall time has in
it what else the machine does.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from threadpoolctl import threadpool_limits

from crossdl.anatomy import load_anatomy
from crossdl.plugins.cohorts.phantom import Phantom, PhantomConfig


def measured(cohort: Phantom, scans: int, folder: Path) -> np.ndarray:
    """Wall seconds, processor seconds and bytes of each scan: ``(scans, 3)``."""
    rows = []
    for plan in list(cohort._plans.values())[:scans]:
        target = folder / plan.scan_id
        target.mkdir()
        wall, work = time.perf_counter(), time.process_time()
        cohort._make(target, plan)
        taken = time.perf_counter() - wall, time.process_time() - work
        rows.append((*taken, sum(path.stat().st_size for path in target.iterdir())))
    return np.array(rows)


def main() -> None:
    """Prints three lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--matrix", type=int, default=80)
    parser.add_argument("--slices", type=int, default=40)
    parser.add_argument("--scans", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    config = PhantomConfig(
        matrix=given.matrix,
        slices=(given.slices, given.slices),
        seed=given.seed,
        repeat_rate=0.0,
        patients={"train": given.scans, "valid": 1, "test": 1},
    )
    cohort = Phantom(config, load_anatomy("head_ct"))
    _ = cohort._painter
    with threadpool_limits(1), tempfile.TemporaryDirectory() as folder:
        wall, work, size = measured(cohort, given.scans, Path(folder)).T
    print(f"{given.scans} scans of {given.matrix} x {given.matrix} x {given.slices}, one thread")
    for name, seconds in (("processor", work), ("wall", wall)):
        print(
            f"{name:9} {1 / seconds.mean():5.2f} scans/s; mean {seconds.mean():.3f} s, median "
            f"{np.median(seconds):.3f} s; {10_000 * seconds.mean() / 3600:.1f} h for 10,000"
        )
    print(f"disk      mean {size.mean() / 1e6:.2f} MB, largest {size.max() / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
