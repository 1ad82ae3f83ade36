"""What engines run: a shared stage or a cell, each in a process of its own."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from crossdl.errors import CrossDLError

Stage = Literal["cohort", "discretize", "prepare", "run"]

_THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@dataclass(frozen=True)
class Task:
    """One piece of work, all of it text and numbers, so that it goes to other machines.

    Attributes:
        key: Its name in the study: a cell's slug, or that of a shared stage.
        stage: "run" for a cell.
        title: For people; a cell's run is called so.
        compositions: As JSON; a cell has one, a shared stage one for each different selection of
            scans that it prepares.
        plugin_paths: Of the catalog.
        folder: Of the cell's run; empty for a shared stage.
        log: File that gets everything printed.
        threads: Cores it may use; results are fixed per number.
        workers: Processes that register scans, each on one core.
        test_regions: Whether "prepare" registers the test scans, too.
        cache: Value of ``CROSSDL_CACHE``.
    """

    key: str
    stage: Stage
    title: str
    compositions: tuple[str, ...]
    plugin_paths: tuple[str, ...]
    folder: str
    log: str
    threads: int
    workers: int
    test_regions: bool
    cache: str

    @property
    def wide(self) -> bool:
        """Whether it takes the cores of several tasks, so that one such at a time is enough."""
        return self.workers > self.threads


def perform(task: Task) -> str | None:
    """In a worker: does the task and says in one sentence why it failed, or None.

    What exists already is not done again, so a task that was killed goes on where it stopped.
    """
    os.environ.update({name: str(task.threads) for name in _THREADS})
    os.environ["CROSSDL_CACHE"] = task.cache
    try:
        with _printing_to(Path(task.log)):
            try:
                with _threads(task.threads):
                    _do(task)
            except CrossDLError as error:
                print(f"error: {error}", file=sys.stderr)
                return str(error)
            except OSError as error:
                traceback.print_exc()
                where = f"{error.filename}: " if error.filename else ""
                return f"{where}{error.strerror or error}"
            except Exception as error:
                traceback.print_exc()
                said = str(error).strip().splitlines()
                text = f": {said[0]}" if said else ""
                return f"{type(error).__name__}{text} (see {task.log})"
    except OSError as error:  # the log itself cannot be written
        return f"{task.log}: {error.strerror or error}"
    return None


def _do(task: Task) -> None:
    import json

    from rich.console import Console

    from crossdl.catalog import Catalog
    from crossdl.errors import ConfigError
    from crossdl.registry import Composition, validated

    catalog = Catalog([Path(p) for p in task.plugin_paths])
    compositions = []
    for text in task.compositions:
        composition, mistakes = validated(Composition, json.loads(text), {"catalog": catalog})
        if composition is None:
            problems = [f"{'.'.join(map(str, path))}: {reason}" for path, reason in mistakes]
            raise ConfigError("the composition is not valid in the process that runs it", problems)
        compositions.append(composition)
    console = Console(file=sys.stdout, width=110)
    if task.stage == "run":
        from crossdl.runner import execute

        execute(
            compositions[0],
            catalog=catalog,
            name=task.title,
            folder=Path(task.folder),
            workers=task.workers,
            console=console,
        )
        return
    for composition in compositions:
        _share(task, composition, catalog, console)


def _share(task: Task, composition: Any, catalog: Any, console: Any) -> None:
    """Puts a shared stage into the cache; scans that fail there are each cell's to report."""
    from crossdl.training.preparation import Preparation

    @contextmanager
    def stage(title: str) -> Iterator[None]:
        console.rule(title, align="left")
        yield

    def fail(scan_id: str, where: str, reason: str) -> None:
        console.print(f"{scan_id} failed in {where}: {reason}", markup=False)

    ready = Preparation(composition, catalog, workers=task.workers, stage=stage, fail=fail)
    if task.stage == "cohort":
        _ = ready.records
    elif task.stage == "discretize":
        _ = ready.readings
    else:
        analyzer = catalog.create("analyzer", composition.analyzer, ready.anatomy)
        ready.keep(analyzer.input_shape, test=task.test_regions)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Fixes the threads of libraries that are loaded already; the others read the environment."""
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(count)
    with threadpool_limits(count):
        yield


@contextmanager
def _printing_to(path: Path) -> Iterator[None]:
    """Sends standard output and error of this process to the end of a file.

    By file descriptor, so that it holds for libraries and for processes started meanwhile.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    streams = (sys.stdout, sys.stderr)
    with path.open("a", encoding="utf-8", errors="replace", buffering=1) as file:
        os.utime(path)  # a task has begun when its log changes
        kept = [os.dup(number) for number in (1, 2)]
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            sys.stdout = sys.stderr = file
            yield
        finally:
            sys.stdout, sys.stderr = streams
            for number, old in zip((1, 2), kept, strict=True):
                os.dup2(old, number)
                os.close(old)
