"""A hospital of 500 phantom patients, built whole and killed: ``python benchmarks/hospital.py``.

Writes the dump, builds it once in peace, once with SIGKILL at random moments, and checks every
item of both against the plan. The first third of the kills comes at random times, mostly while
files are read, the others at random numbers of finished volumes. Prints the flow, times, memory
and how many finished volumes a kill made lose. ``--out`` keeps the folders.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import hospital
from hospital import builds
from hospital.checks import check, flow


def main() -> None:
    """Generates, builds, kills, compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, default=500)
    parser.add_argument("--kills", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a new folder; default: a temporary one")
    given = parser.parse_args()
    if given.out is not None:
        given.out.mkdir(parents=True)
        prove(given.out, given.patients, given.kills, given.seed, given.workers)
        return
    with tempfile.TemporaryDirectory(prefix="hospital-") as folder:
        prove(Path(folder), given.patients, given.kills, given.seed, given.workers)


def prove(folder: Path, patients: int, kills: int, seed: int, workers: int) -> None:
    """Runs the whole proof; an AssertionError says what was not as planned."""
    start = time.perf_counter()
    stock = hospital.heads()
    print(f"{len(stock)} phantom heads: {time.perf_counter() - start:.1f} s", flush=True)
    start = time.perf_counter()
    dump = hospital.Hospital.write(folder / "files", hospital.plan(patients, stock, seed), stock)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"dump: {time.perf_counter() - start:.1f} s, {resident:.0f} MB resident, {dump.counts}")
    salt = folder / "salt"
    salt.write_text("as much salt as is needed", encoding="ascii")
    options = ("--salt", str(salt), "--workers", str(workers))

    whole = folder / "whole"
    run = builds.build(dump, whole, *options, measure=True)
    assert run.code == 0, run.output
    plan = check(dump, whole)
    print(f"built: {run.seconds:.1f} s, at most {run.memory_mb:.0f} MB in all processes")
    for row in flow(whole):
        print("{:10} {:28} {:6} {:6} {:6} {:6} {:6}".format(*row))
    print(f"flow, {len(plan.kept)} pairs and every drop exactly as planned", flush=True)

    killed = folder / "killed"
    moments = _moments(killed, len(plan.kept), run.seconds, kills, np.random.default_rng(seed))
    finished: dict[Path, int] = {}
    for moment in moments:
        cut = builds.build(dump, killed, *options, kill=moment)
        assert cut.code == -9, cut.output
        finished, again = _kept(killed, finished, workers)
        print(
            f"SIGKILL after {cut.seconds:.1f} s: {len(finished)} volumes, {again} made again",
            flush=True,
        )
    rest = builds.build(dump, killed, *options)
    assert rest.code == 0, rest.output
    check(dump, killed)
    _, again = _kept(killed, finished, workers)
    assert builds.contents(killed) == builds.contents(whole)
    count = len(builds.contents(whole))
    print(f"went on for {rest.seconds:.1f} s to the same {count} files, {again} volumes made again")
    last = builds.build(dump, killed, *options)
    assert last.code == 0 and builds.contents(killed) == builds.contents(whole)
    print(f"built again: {last.seconds:.1f} s, the same bytes")


def _moments(
    out: Path, volumes: int, seconds: float, kills: int, rng: np.random.Generator
) -> Iterator[Callable[[], bool]]:
    """When to kill: a third of the times early on, later at growing numbers of volumes."""
    early = -(-kills // 3)
    for moment in rng.uniform(0.02, 0.3, early) * seconds:
        yield builds.after(moment)
    for number in sorted(rng.uniform(0, 0.9, kills - early) * volumes):
        yield builds.once(lambda n=number: builds.volumes(out) > n, rng.uniform(0, 0.2))


def _kept(out: Path, before: dict[Path, int], workers: int) -> tuple[dict[Path, int], int]:
    """Volumes and when they were written, and how many of the earlier ones were written again.

    A volume that is finished but not noted down when the kill comes is made again; no more than
    are under way at once can be.
    """
    now = {
        path: path.stat().st_mtime_ns
        for path in out.glob("volumes/*/*.npy")
        if not path.name.startswith(".")
    }
    again = sum(now.get(path) != time for path, time in before.items())
    assert again <= 4 * workers, f"{again} finished volumes were lost or made again"
    return now, again


if __name__ == "__main__":
    main()
