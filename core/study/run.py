"""Running a study: shared stages, then cells, whatever fails; called again it goes on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.cache import cache_dir, digest
from crossdl.errors import ConfigError
from crossdl.files import write_json
from crossdl.results.study_page import write_study_summary
from crossdl.study.board import Board
from crossdl.study.engines import Engine, EngineName, make_engine
from crossdl.study.expansion import CellPlan
from crossdl.study.files import Axis, Cell, CellFailure, StudyFile, read_study
from crossdl.study.shared import Work, plan_work
from crossdl.study.tables import cell_folder, write_tables
from crossdl.study.tasks import Stage, Task

if TYPE_CHECKING:
    from rich.console import Console

    from crossdl.registry import Composition, Registry

_POLL_S = 0.5


@dataclass(frozen=True)
class StudyResult:
    """What became of a study.

    Attributes:
        folder: Of the study.
        study: What was asked.
        failures: Cells that did not end.
        summary: Its page.
    """

    folder: Path
    study: StudyFile
    failures: Sequence[CellFailure]
    summary: Path


def run_study(
    book: Registry,
    name: str,
    *,
    folder: Path,
    console: Console,
    scale: str | None = None,
    changes: Mapping[str, Any] | None = None,
    seeds: Sequence[int] = (),
    engine: EngineName | None = None,
    address: str | None = None,
    jobs: int = 1,
    threads: int | None = None,
) -> StudyResult:
    """Runs the cells that are not finished yet and makes the tables of all that are.

    Every cell is validated before anything starts. Stages that cells have in common are done
    first, once. A cell that fails is noted, the others go on; so they do if its process dies.

    Args:
        book: Holds the study.
        name: Of the study.
        folder: Where it is kept.
        console: Where progress is shown.
        scale: Name of a scale, None for the base as it is.
        changes: Of the base: dotted path → value.
        seeds: Instead of the study's; more of them may be added later.
        engine: Instead of the study's.
        address: Of a Ray cluster.
        jobs: Tasks that run at a time.
        threads: Cores of each; None means those of the folder's study, or of an equal share of
            the machine. Fixed for a study, because sums of floats depend on it.

    Raises:
        ConfigError: A cell is not valid, or the folder holds another study.
    """
    plan = book.study(name, scale, seeds)
    cells = book.cells(name, scale, changes, seeds)
    folder = folder.resolve()
    if threads is None:
        known = (folder / "study.json").is_file()
        threads = read_study(folder).threads if known else max(1, _cores() // jobs)
    study = StudyFile(
        name=name,
        description=plan.description,
        scale=scale,
        axes=tuple(Axis(a.name, a.title or a.name, a.value_titles) for a in plan.axes),
        seeds=plan.seeds,
        metrics=plan.metrics,
        threads=threads,
        confidence=_confidence(cells[0].composition),
        cells=tuple(Cell(c.slug, c.values, c.seed, _digest(name, c.composition)) for c in cells),
        versions={},
    )
    _open(folder, study)
    pending = [c for c in cells if not (cell_folder(folder, c.slug) / "metrics.json").is_file()]
    work = plan_work(pending, book.catalog, _task_maker(book, name, folder, threads))
    board = _board(study, cells, work, folder, console)
    chosen = engine or plan.engine
    failures: list[CellFailure] = []
    if pending:
        made = make_engine(chosen, jobs=jobs, threads=threads, address=address)
        with board.live(), made as running:
            failures = _conduct(work, running, board)
    write_json(folder / "failures.json", [asdict(failure) for failure in failures])
    base = book.composition(plan.base, changes)
    write_tables(folder, study, _evaluators(book, base))
    return StudyResult(folder, study, failures, write_study_summary(folder))


def _conduct(work: Work, engine: Engine, board: Board) -> list[CellFailure]:
    """Hands tasks to the engine as soon as what they need is there."""
    sorter: TopologicalSorter[str] = TopologicalSorter(work.after)
    sorter.prepare()
    broken: dict[str, CellFailure] = {}
    queued: dict[str, int | None] = {}
    while sorter.is_active():
        for key in sorter.get_ready():
            cause = next((broken[b] for b in sorted(work.after[key]) if b in broken), None)
            if cause is None:
                queued[key] = _changed(work.tasks[key])
                engine.submit(work.tasks[key])
                continue
            broken[key] = CellFailure(key, cause.stage, cause.reason)
            board.set(key, "failed", f"{cause.stage}: {cause.reason}")
            sorter.done(key)
        for key, reason in engine.finished(_POLL_S):
            queued.pop(key, None)
            if reason is not None:
                broken[key] = CellFailure(key, work.tasks[key].stage, reason)
            board.set(key, "done" if reason is None else "failed", reason or "")
            sorter.done(key)
        for key in [k for k, before in queued.items() if _changed(work.tasks[k]) != before]:
            board.set(key, "running")
            del queued[key]
    return [f for key, f in broken.items() if work.tasks[key].stage == "run"]


def _changed(task: Task) -> int | None:
    """When a task's log was last touched, by its machine's clock; None before the first time."""
    try:
        return Path(task.log).stat().st_mtime_ns
    except OSError:
        return None


def _open(folder: Path, study: StudyFile) -> None:
    """Takes a new folder, or one that holds the same study; cells may have been added.

    Raises:
        ConfigError: It holds something else.
    """
    from crossdl.rundir import versions

    path = folder / "study.json"
    if path.is_file():
        old = read_study(folder)
        digests = {cell.slug: cell.digest for cell in old.cells}
        changed = [c.slug for c in study.cells if digests.get(c.slug, c.digest) != c.digest]
        if old.name != study.name or old.scale != study.scale or changed:
            what = f"cells {', '.join(changed)} differ" if changed else f"{old.name} is there"
            raise ConfigError(
                f"{folder}: holds another study ({what}); give another --out, or remove the folder"
            )
        if old.threads != study.threads:
            raise ConfigError(
                f"{folder}: was begun with --threads {old.threads}, on which results depend; give "
                "the same, or another --out"
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists and is not a study; give another --out")
    written = {**study.to_json(), "versions": versions()}
    write_json(path, written)


def _task_maker(book: Registry, name: str, folder: Path, threads: int) -> Any:
    paths = tuple(str(path.resolve()) for path in book.catalog.plugin_paths)

    def make(
        key: str, stage: Stage, title: str, compositions: Sequence[Composition], test: bool
    ) -> Task:
        return Task(
            key=key,
            stage=stage,
            title=f"{name}: {title}",
            compositions=tuple(c.model_dump_json() for c in compositions),
            plugin_paths=paths,
            folder=str(cell_folder(folder, key)) if stage == "run" else "",
            log=str(folder / "logs" / f"{key}.txt"),
            threads=threads,
            test_regions=test,
            cache=str(cache_dir().resolve()),
        )

    return make


def _board(
    study: StudyFile, cells: Sequence[CellPlan], work: Work, folder: Path, console: Console
) -> Board:
    prefix = f"{study.name}: "
    shared = {
        key: (task.title.removeprefix(prefix), None)
        for key, task in work.tasks.items()
        if task.stage != "run"
    }
    runs = {c.slug: (c.label, cell_folder(folder, c.slug) / "run.log") for c in cells}
    board = Board(study.name, {**shared, **runs}, console)
    for cell in cells:
        if cell.slug not in work.tasks:
            board.set(cell.slug, "done", "before")
    return board


def _evaluators(book: Registry, composition: Composition) -> dict[str, Any]:
    from crossdl.anatomy import load_anatomy

    anatomy = load_anatomy(composition.anatomy)
    return {
        config.kind: book.catalog.create("evaluator", config, anatomy)
        for config in composition.evaluators
    }


def _confidence(composition: Composition) -> float:
    found = [getattr(config, "confidence", None) for config in composition.evaluators]
    return next((value for value in found if value is not None), 0.95)


def _digest(name: str, composition: Composition) -> str:
    return digest({"name": name, **composition.model_dump(mode="json")})


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
