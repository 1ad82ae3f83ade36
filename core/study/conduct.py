"""Which task runs when: what others need comes first, and what fails stops only those."""

from __future__ import annotations

from collections.abc import Callable
from graphlib import TopologicalSorter
from pathlib import Path

from crossdl.study.engines import Engine
from crossdl.study.shared import Work
from crossdl.study.tasks import Stage, Task

Failure = tuple[Stage, str]
"""Where and why."""

_POLL_S = 0.5


def conduct(
    work: Work,
    engine: Engine,
    running: Callable[[str], None],
    ended: Callable[[str, Failure | None, str], None],
) -> None:
    """Hands tasks to an engine as soon as what they need is there, shared stages first.

    A task that takes the cores of several waits for others of its kind. Tasks after one that
    failed are not run; they fail for its reason.

    Args:
        work: Tasks and their order.
        engine: Entered.
        running: Told of a task that has begun.
        ended: Told of a task, why it failed or None, and what to say of it.
    """
    sorter: TopologicalSorter[str] = TopologicalSorter(work.after)
    sorter.prepare()
    broken: dict[str, Failure] = {}
    waiting: list[str] = []
    submitted: dict[str, int | None] = {}
    shown: set[str] = set()

    def end(key: str, failure: Failure | None, said: str) -> None:
        if failure is not None:
            broken[key] = failure
        ended(key, failure, said)
        sorter.done(key)

    while sorter.is_active():
        waiting += sorter.get_ready()
        for key in sorted(waiting, key=lambda key: work.tasks[key].stage == "run"):
            task = work.tasks[key]
            cause = next((broken[b] for b in sorted(work.after[key]) if b in broken), None)
            if cause is None and task.wide and any(work.tasks[k].wide for k in submitted):
                continue
            waiting.remove(key)
            if cause is not None:
                end(key, cause, f"{cause[0]}: {cause[1]}")
                continue
            submitted[key] = _changed(task)
            engine.submit(task)
        for key, reason in engine.finished(_POLL_S):
            del submitted[key]
            stage = work.tasks[key].stage
            end(key, (stage, reason) if reason is not None else None, reason or "")
        for key, before in submitted.items():
            if key not in shown and _changed(work.tasks[key]) != before:
                running(key)
                shown.add(key)


def _changed(task: Task) -> int | None:
    """When a task's log was last touched, by its machine's clock; None before the first time."""
    try:
        return Path(task.log).stat().st_mtime_ns
    except OSError:
        return None
