"""Bootstrap of everything ``region_auroc`` reports: crossdl against a scikit-learn loop.

Run as ``OMP_NUM_THREADS=1 python benchmarks/bootstrap.py``. The loop is timed on a few resamples
and scaled; its values of these resamples are compared with crossdl's. Where other programs run,
processor time tells more than the clock.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from scipy.special import ndtri
from sklearn.metrics import roc_auc_score

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.evaluation.cases import EvaluationSet
from crossdl.plugins.evaluators.region_auroc import RegionAuroc, RegionAurocConfig
from crossdl.statistics.auroc import draw_auroc
from crossdl.statistics.bootstrap import resample_weights
from crossdl.statistics.comparisons import compare_auroc
from crossdl.statistics.delong import compare_delong, delong

T = TypeVar("T")
Statistic = Callable[[np.ndarray, np.ndarray], float]
"""Of truth and scores of resampled scans, as :func:`flat` arranges them."""


def main() -> None:
    """Prints seconds of each way, the ratios and the largest difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=1607, help="the paper's test set has 1607")
    parser.add_argument("--patients", type=int, default=907)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--loop-resamples", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5, help="the fastest counts")
    parser.add_argument("--coverage", type=int, help="samples; measures that of the intervals only")
    args = parser.parse_args()
    if args.coverage:
        print_coverage(args.coverage)
        return

    anatomy = load_anatomy("head_ct")
    truth, scores, patients = make_scans(anatomy, args.scans, args.patients)
    statistics = statistics_of(anatomy)
    sets, macro = cells_of(anatomy)
    table = [flat(a, anatomy) for a in (truth, scores, scores[::-1])]

    def bootstrap(kind: str) -> dict[str, np.ndarray]:
        drawn = draw_auroc(
            table[0], table[1], patients, sets, weighted_macros={"region/weighted_macro": macro},
            n_resamples=args.resamples, interval=kind,
        )  # fmt: skip
        return {name: one.values for name, one in drawn.items()}

    def evaluate() -> None:
        names = tuple(f"s{i}" for i in range(args.scans))
        rows = np.zeros((args.scans, 2, anatomy.n_types))
        cases = EvaluationSet(
            names, tuple(map(str, patients)),
            np.concatenate([truth, rows], axis=1).astype(np.float32), scores, scores.max(axis=1),
            np.ones(args.scans, dtype=np.bool_),
        )  # fmt: skip
        config = RegionAurocConfig(n_resamples=args.resamples)
        RegionAuroc(config, anatomy).evaluate(cases, 0)

    def compare() -> None:
        compare_auroc(*table, patients, sets, n_resamples=args.resamples)

    def formula() -> None:
        for cells in sets.values():
            compare_delong(*(a[:, cells] for a in table), patients)

    def loop() -> dict[str, list[float]]:
        owner, weights = resample_weights(patients, args.resamples, 0)
        found: dict[str, list[float]] = {name: [] for name in statistics}
        for column in range(1, 1 + args.loop_resamples):
            rows = np.repeat(np.arange(args.scans), weights[owner, column].astype(int))
            drawn = table[0][rows], table[1][rows]
            for name, statistic in statistics.items():
                found[name].append(statistic(*drawn))
        return found

    values, ours = best(lambda: bootstrap("percentile"), args.repeats)
    rows = [("crossdl, percentile", ours)]
    for title, job in (
        ("crossdl, BCa", lambda: bootstrap("bca")),
        ("crossdl, evaluator with curves and figures", evaluate),
        ("crossdl, paired differences of two methods", compare),
        ("crossdl, differences by DeLong's formula", formula),
    ):
        rows.append((title, best(job, args.repeats)[1]))
    expected, spent = best(loop, 1)
    scaled = tuple(s / args.loop_resamples * args.resamples for s in spent)
    rows.append((f"scikit-learn loop, from {args.loop_resamples} resamples", scaled))
    worst = max(
        abs(values[name][1 + i] - value)
        for name, drawn in expected.items()
        for i, value in enumerate(drawn)
    )
    print(
        f"{args.scans} scans of {args.patients} patients, {anatomy.n_regions * anatomy.n_types} "
        f"cells, {len(statistics)} statistics, {args.resamples} resamples"
    )
    print(f"{'':46}{'seconds':>9}{'processor':>11}{'times faster':>14}")
    for title, (clock, processor) in rows:
        print(f"{title:46}{clock:9.2f}{processor:11.2f}{scaled[1] / processor:14.0f}")
    print(f"largest difference of {len(expected) * args.loop_resamples} values: {worst:.1e}")


def make_scans(
    anatomy: Anatomy, n: int, n_patients: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth and scores ``(n, N, M)`` with about 5 % positive cells, and patients ``(n,)``."""
    rng = np.random.default_rng(0)
    truth = (rng.random((n, anatomy.n_regions, anatomy.n_types)) < 0.05) & anatomy.possible
    scores = 1 / (1 + np.exp(3 - rng.normal(size=truth.shape) - 2 * truth))
    patients = np.concatenate([np.arange(n_patients), rng.integers(0, n_patients, n - n_patients)])
    return truth, scores.astype(np.float32), patients


def flat(values: np.ndarray, anatomy: Anatomy) -> np.ndarray:
    """Cells, then the highest of each region's possible types: ``(n, N·M + N)``."""
    highest = np.where(anatomy.possible, values, 0).max(axis=2)
    return np.concatenate([values.reshape(len(values), -1), highest], axis=1).astype(np.float64)


def cells_of(anatomy: Anatomy) -> tuple[dict[str, list[int]], list[int]]:
    """Columns of :func:`flat` that each statistic pools, and those the weighted macro averages."""
    cell = np.arange(anatomy.n_regions * anatomy.n_types).reshape(anatomy.possible.shape)
    highest = cell.size + np.arange(anatomy.n_regions)
    possible = anatomy.possible
    parts = np.array([r.part for r in anatomy.regions])
    sets = {"region/micro": cell[possible].tolist(), "region/any": highest.tolist()}
    for j, kind in enumerate(anatomy.type_names):
        sets[f"region/type/{kind}"] = cell[possible[:, j], j].tolist()
    for part in anatomy.parts:
        sets[f"region/part/{part}"] = cell[(parts == part)[:, None] & possible].tolist()
    for i, region in enumerate(anatomy.region_names):
        sets[f"region/any/{region}"] = [int(highest[i])]
    for i, j in np.argwhere(possible):
        name = f"region/cell/{anatomy.region_names[i]}/{anatomy.type_names[j]}"
        sets[name] = [int(cell[i, j])]
    return sets, cell[possible].tolist()


def statistics_of(anatomy: Anatomy) -> dict[str, Statistic]:
    """Every statistic as scikit-learn computes it."""
    sets, macro = cells_of(anatomy)

    def pooled(cells: list[int]) -> Statistic:
        return lambda t, s: float(roc_auc_score(t[:, cells].ravel(), s[:, cells].ravel()))

    def weighted_macro(truth: np.ndarray, scores: np.ndarray) -> float:
        areas = roc_auc_score(truth[:, macro], scores[:, macro], average=None)
        return float(np.average(areas, weights=truth[:, macro].mean(axis=0)))

    areas = {name: pooled(cells) for name, cells in sets.items()}
    return {**areas, "region/weighted_macro": weighted_macro}


def print_coverage(samples: int) -> None:
    """How often 95 % intervals hold the true AUROC of normal scores."""
    print("  AUROC  positive  negative  scans/patient  percentile   bca  delong")
    for area, positive, negative, each in (
        (0.95, 10, 190, 1),
        (0.95, 40, 160, 1),
        (0.85, 40, 160, 2),
    ):
        truth = np.arange(positive + negative) < positive
        patients = np.arange(truth.size) // each
        held = np.zeros(3)
        for seed in range(samples):
            rng = np.random.default_rng(seed)
            noise = rng.normal(size=truth.size)
            if each > 1:  # half of the variance is the patient's
                noise = (rng.normal(size=truth.size)[patients] + noise) / 2**0.5
            scores = noise + ndtri(area) * 2**0.5 * truth
            drawn = draw_auroc(
                truth[:, None], scores[:, None], patients, {"x": [0]}, seed=seed, interval="bca"
            )["x"]
            found = delong(truth, scores, patients)
            ends = [drawn.interval(0.95, "percentile"), drawn.interval(0.95, "bca")]
            for place, (low, high) in enumerate([*ends, (found.low, found.high)]):
                held[place] += low is not None and high is not None and low <= area <= high
        shares = "{:12.3f}{:6.3f}{:8.3f}".format(*held / samples)
        print(f"{area:7}{positive:10}{negative:10}{each:15}{shares}")


def best(job: Callable[[], T], repeats: int) -> tuple[T, tuple[float, float]]:
    """Result, and seconds by the clock and of the processor of the fastest of some repeats."""
    spent = []
    for _ in range(repeats):
        clock, processor = time.perf_counter(), time.process_time()
        found = job()
        spent.append((time.perf_counter() - clock, time.process_time() - processor))
    return found, (min(s[0] for s in spent), min(s[1] for s in spent))


if __name__ == "__main__":
    main()
