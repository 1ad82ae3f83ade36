"""Fuzzes the readers of DICOM, report tables and rules: ``python benchmarks/fuzz.py --minutes 5``.

Prints a row per reader and every finding with the seed that makes it again:
``python benchmarks/fuzz.py --target series --seed 12``. The inputs of findings are kept with
``--keep FOLDER``. Exits with 1 if there is a finding.
"""

from __future__ import annotations

import argparse
import itertools
import os
import secrets
import sys
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["RUST_BACKTRACE"] = "0"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from fuzzing import TARGETS, Finding, Fuzzer, fuzzer

EXAMPLES = 100
"""Inputs per seed."""


def main() -> None:
    """Fuzzes until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--target", choices=[*TARGETS, "all"], default="all")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--keep", type=Path, help="folder for the inputs of findings")
    given = parser.parse_args()
    names = list(TARGETS) if given.target == "all" else [given.target]
    first = secrets.randbelow(2**31) if given.seed is None else given.seed
    end = time.monotonic() + 60 * given.minutes
    with fuzzer() as run:
        start = time.monotonic()
        seeds = itertools.count(first) if given.seed is None else [first]
        for seed, name in ((seed, name) for seed in seeds for name in names):
            run.run(name, seed, EXAMPLES)
            if time.monotonic() > end:
                break
        seconds = time.monotonic() - start
    _report(run, first, seconds)
    for number, finding in enumerate(run.findings.values()):
        _print(finding)
        if given.keep is not None:
            folder = given.keep / f"{number:02d} {finding.target}"
            folder.mkdir(parents=True, exist_ok=True)
            for name, content in finding.files.items():
                (folder / name).write_bytes(content)
    raise SystemExit(1 if run.findings else 0)


def _report(run: Fuzzer, first: int, seconds: float) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("reader", "executions", "refused", "findings", "slowest, s")
    for name in run.executions:
        table.add_row(
            name,
            str(run.executions[name]),
            f"{run.refused[name] / run.executions[name]:.0%}",
            str(sum(target == name for target, _ in run.findings)),
            f"{run.slowest[name]:.2f}",
        )
    console = Console()
    console.print(table)
    console.print(
        f"{run.executions.total()} executions in {seconds / 60:.1f} min from seed {first}; "
        f"largest resident size {run.memory_mb:.0f} MB; {len(run.findings)} findings"
    )


def _print(finding: Finding) -> None:
    print(f"\n--target '{finding.target}' --seed {finding.seed}: {finding.what}")
    print("\n".join(line[:200] for line in finding.detail.splitlines()[-12:]))


if __name__ == "__main__":
    main()
