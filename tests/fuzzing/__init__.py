"""Fuzzing of everything that reads what hospitals write.

Hypothesis makes inputs, a worker process with limits reads them. A reader must return, or raise
a CrossDLError, within the limits; anything else is a finding.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import bases, strategies, targets

TARGETS: dict[str, Callable[[], Any]] = {
    "series": lambda: strategies.series(bases.dicom),
    "headers": lambda: strategies.series(bases.dicom),
    "rows": lambda: strategies.mutated(bases.tables),
    "reports": lambda: strategies.mutated(bases.tables),
    "workbook rows": lambda: strategies.workbooks(bases.workbooks),
    "workbook reports": lambda: strategies.workbooks(bases.workbooks),
    "rules": lambda: strategies.mutated(bases.rules),
}
"""Strategy of the inputs of each target; the name's last word is the reader."""


@dataclass(frozen=True)
class Finding:
    """An input that a reader did not take well.

    Attributes:
        target: Its name.
        seed: With which :meth:`Fuzzer.run` finds it again.
        what: Kind of the error.
        detail: Traceback or limit.
        files: The input.
    """

    target: str
    seed: int
    what: str
    detail: str
    files: strategies.Files


@dataclass
class Fuzzer:
    """Runs targets in a worker process.

    Attributes:
        seconds: Most time for one input; thrice as long the second time.
        findings: One per target and kind of error.
        executions: Inputs read, by target.
        refused: Of those, how many ended in a CrossDLError.
        slowest: Seconds, by target.
        memory_mb: Largest resident size of the worker.
    """

    pool: Any
    folder: Path
    seconds: float = 10.0
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)
    executions: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    memory_mb: float = 0.0

    def run(self, target: str, seed: int, examples: int) -> None:
        """Reads inputs; a seed gives the same ones whatever was run before."""
        import hypothesis
        from hypothesis import HealthCheck, Phase

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(TARGETS[target]())
        def each(files: strategies.Files) -> None:
            self.attempt(target, seed, files)

        each()

    def attempt(self, target: str, seed: int, files: strategies.Files) -> None:
        """Lets the worker read one input."""
        from pebble import ProcessExpired

        folder = self.folder / "input"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        what = detail = ""
        for seconds in (self.seconds, 3 * self.seconds):  # again, lest a busy machine be a finding
            start = time.perf_counter()
            try:
                future = self.pool.schedule(
                    targets.attempt, args=[target.split()[-1], str(folder)], timeout=seconds
                )
                what, detail, memory = future.result()
                self.memory_mb = max(self.memory_mb, memory)
            except TimeoutError:
                what, detail = "hang", f"longer than {seconds:g} s"
            except ProcessExpired as error:
                what, detail = "crash", f"exit code {error.exitcode}"
            taken = time.perf_counter() - start
            if what != "hang":
                break
        self.slowest[target] = max(self.slowest.get(target, 0.0), taken)
        self.executions[target] += 1
        self.refused[target] += what == "refused"
        if what not in ("read", "refused") and (target, what) not in self.findings:
            self.findings[target, what] = Finding(target, seed, what, detail, files)


@contextmanager
def fuzzer() -> Iterator[Fuzzer]:
    """A fuzzer with its worker, which takes a few seconds to start."""
    import multiprocessing

    from pebble import ProcessPool

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        context = multiprocessing.get_context("spawn")
        with ProcessPool(1, context=context, initializer=targets.begin) as pool:
            pool.schedule(targets.begin).result()  # waits until the worker is ready
            try:
                yield Fuzzer(pool, Path(folder))
            finally:
                pool.stop()
