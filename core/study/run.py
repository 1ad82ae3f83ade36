"""Running studies: shared stages, then cells, whatever fails; called again it goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.cache import cache_dir
from crossdl.errors import ConfigError
from crossdl.files import link_tree
from crossdl.study.board import Board
from crossdl.study.conduct import Failure, conduct
from crossdl.study.engines import EngineName, make_engine
from crossdl.study.expansion import CellPlan
from crossdl.study.files import CellFailure, read_study
from crossdl.study.member import Member, make_member, open_folder
from crossdl.study.shared import MakeTask, Work, plan_work
from crossdl.study.tasks import Stage, Task

if TYPE_CHECKING:
    from rich.console import Console

    from crossdl.registry import Composition, Registry


def run_studies(
    book: Registry,
    folders: Mapping[str, Path],
    *,
    console: Console,
    scale: str | None = None,
    changes: Mapping[str, Any] | None = None,
    seeds: Sequence[int] = (),
    engine: EngineName | None = None,
    address: str | None = None,
    jobs: int = 1,
    threads: int | None = None,
) -> list[Member]:
    """Runs the cells that are not finished yet; a study gets its tables when its cells have ended.

    Every cell is validated before anything starts. Stages that cells have in common are done
    first, once. Of cells with the same composition one runs, and the others get its run. A cell
    that fails is noted, the others go on; so they do if its process dies.

    Args:
        book: Holds the studies.
        folders: Name of a study → where it is kept.
        console: Where progress is shown.
        scale: Name of a scale, None for the base as it is.
        changes: Of the base: dotted path → value.
        seeds: Instead of the study's; more of them may be added later.
        engine: Instead of the study's.
        address: Of a Ray cluster.
        jobs: Tasks that run at a time.
        threads: Cores of each; None means those of the folders' studies, or of an equal share of
            the machine. Fixed for a study, because sums of floats depend on it.

    Raises:
        ConfigError: A cell is not valid, a folder holds another study, or the studies name
            different engines.
    """
    folders = {name: folder.resolve() for name, folder in folders.items()}
    plans = [book.study(name, scale, seeds) for name in folders]
    chosen, *others = {plan.engine for plan in plans} if engine is None else {engine}
    if others:
        raise ConfigError(f"{', '.join(folders)} name different engines; choose one by --engine")
    if threads is None:
        known = [read_study(f).threads for f in folders.values() if (f / "study.json").is_file()]
        threads = known[0] if known else max(1, _cores() // jobs)
    members = {
        name: make_member(
            book, name, folder, scale=scale, changes=changes, seeds=seeds, threads=threads
        )
        for name, folder in folders.items()
    }
    for member in members.values():
        open_folder(member.folder, member.study)
    cells = _Cells(list(members.values()))
    work = plan_work(
        {key: cells.plan(key) for key in cells.to_run},
        book.catalog,
        _task_maker(book, members, threads, jobs * threads if chosen == "local" else threads),
    )
    cells.board = _board(cells, work, members, console)
    cells.settle_finished()
    if work.tasks:
        made = make_engine(chosen, jobs=jobs, threads=threads, address=address)

        def ended(key: str, failure: Failure | None, said: str) -> None:
            if work.tasks[key].stage == "run":
                cells.settle(key, failure, said)
            else:
                cells.board.set(key, "done" if failure is None else "failed", said)

        with cells.board.live(), made as started:
            conduct(work, started, lambda key: cells.board.set(key, "running"), ended)
    return list(members.values())


class _Cells:
    """The cells of all members by key ``STUDY/SLUG``, and what the end of one means.

    Attributes:
        to_run: Keys of those that have to be run, in order.
        board: Shows what becomes of them.
    """

    board: Board

    def __init__(self, members: Sequence[Member]) -> None:
        """Finds out which of them are equal."""
        self._all = {
            f"{member.study.name}/{plan.slug}": (member, plan, cell.digest)
            for member in members
            for plan, cell in zip(member.plans, member.study.cells, strict=True)
        }
        self._same: dict[str, list[str]] = {}
        self.to_run: list[str] = []
        equal: dict[str, list[str]] = {}
        for key, (_, _, digest) in self._all.items():
            equal.setdefault(digest, []).append(key)
        for keys in equal.values():
            first = next((key for key in keys if self.finished(key)), None)
            if first is None:
                first = keys[0]
                self.to_run.append(first)
            self._same[first] = [k for k in keys if k != first and not self.finished(k)]

    def __iter__(self) -> Iterator[str]:
        """Keys."""
        return iter(self._all)

    def plan(self, key: str) -> CellPlan:
        """What is run."""
        return self._all[key][1]

    def folder(self, key: str) -> Path:
        """Of the run."""
        member, plan, _ = self._all[key]
        return member.run(plan.slug)

    def finished(self, key: str) -> bool:
        """Whether it has its result."""
        member, plan, _ = self._all[key]
        return member.finished(plan.slug)

    def settle_finished(self) -> None:
        """Settles those that were finished before, and their equals."""
        for key in [key for key in self if self.finished(key)]:
            self.settle(key, None, "before")

    def settle(self, key: str, failure: Failure | None, said: str) -> None:
        """Notes that a cell has ended, and lets its equals have its run.

        Args:
            key: Of the cell.
            failure: Where and why it failed, None if it did not.
            said: On the board.
        """
        member, plan, _ = self._all[key]
        self.board.set(key, "done" if failure is None else "failed", said)
        member.end(plan.slug, CellFailure(plan.slug, *failure) if failure is not None else None)
        for other in self._same.get(key, ()):
            if failure is not None:
                self.settle(other, failure, said)
                continue
            target = self.folder(other)
            try:
                shutil.rmtree(target, ignore_errors=True)  # may have been begun
                link_tree(self.folder(key), target)
            except OSError as error:
                self.settle(other, ("run", _reason(error)), _reason(error))
            else:
                self.settle(other, None, f"as {key}")


def _reason(error: OSError) -> str:
    if isinstance(error, shutil.Error):  # holds (source, target, text) of each file
        _, target, text = error.args[0][0]
        return f"{target}: {text}"
    return f"{error.filename}: {error.strerror}"


def _task_maker(
    book: Registry, members: Mapping[str, Member], threads: int, workers: int
) -> MakeTask:
    paths = tuple(str(path.resolve()) for path in book.catalog.plugin_paths)

    def make(
        key: str,
        stage: Stage,
        title: str,
        compositions: Sequence[Composition],
        test: bool,
        cell: str,
    ) -> Task:
        name, _, slug = cell.rpartition("/")
        member = members[name]
        log = f"{slug if stage == 'run' else key}.txt"
        return Task(
            key=key,
            stage=stage,
            title=f"{name}: {title}",
            compositions=tuple(c.model_dump_json() for c in compositions),
            plugin_paths=paths,
            folder=str(member.run(slug)) if stage == "run" else "",
            log=str(member.folder / "logs" / log),
            threads=threads,
            workers=workers if stage == "prepare" else threads,
            test_regions=test,
            cache=str(cache_dir().resolve()),
        )

    return make


def _board(cells: _Cells, work: Work, members: Mapping[str, Member], console: Console) -> Board:
    rows: dict[str, tuple[str, Path | None]] = {
        key: (task.title.partition(": ")[2], None)
        for key, task in work.tasks.items()
        if task.stage != "run"
    }
    for key in cells:
        name, _, _ = key.rpartition("/")
        label = cells.plan(key).label
        title = label if len(members) == 1 else f"{name}: {label}"
        rows[key] = (title, cells.folder(key) / "run.log")
    return Board(", ".join(members), rows, console)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
