"""Where tasks run: one interface, processes of this machine or Ray."""

from __future__ import annotations

from abc import ABC, abstractmethod
from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from crossdl.errors import ConfigError
from crossdl.study.tasks import Task, perform

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pebble import ProcessPool

EngineName = Literal["local", "ray"]

RETRIES = 2
"""How often a task is started again whose process died; it goes on where that stopped."""


class Engine(ABC):
    """Runs :func:`crossdl.study.tasks.perform` elsewhere.

    A context manager: at the end of the block nothing runs any more, whatever happened.
    """

    @abstractmethod
    def __enter__(self) -> Self:
        """Takes hold of what tasks run on."""

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops what still runs."""

    @abstractmethod
    def submit(self, task: Task) -> None:
        """Starts a task as soon as there is room."""

    @abstractmethod
    def finished(self, timeout_s: float) -> list[tuple[str, str | None]]:
        """Tasks that have ended since the last call: key, and why it failed or None.

        Args:
            timeout_s: Seconds after which the answer is that none has.
        """


class LocalEngine(Engine):
    """A new process of this machine per task."""

    def __init__(self, jobs: int) -> None:
        """Takes the number of tasks that run at a time."""
        self._jobs = jobs
        self._running: dict[Future[str | None], tuple[Task, int]] = {}

    def __enter__(self) -> Self:
        """Makes the pool; processes start with the tasks."""
        from crossdl.workers import worker_pool

        self._context: AbstractContextManager[ProcessPool] = worker_pool(self._jobs, fresh=True)
        self._pool = self._context.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Waits for nothing if something was raised."""
        self._context.__exit__(kind, error, trace)

    def submit(self, task: Task) -> None:
        """Puts it at the end of the queue."""
        self._start(task, RETRIES)

    def finished(self, timeout_s: float) -> list[tuple[str, str | None]]:
        """Starts tasks again whose process died."""
        from pebble import ProcessExpired

        ended: list[tuple[str, str | None]] = []
        for future in wait(self._running, timeout_s, FIRST_COMPLETED).done:
            task, left = self._running.pop(future)
            try:
                ended.append((task.key, future.result()))
            except ProcessExpired as error:
                if left:
                    self._start(task, left - 1)
                    continue
                ended.append((task.key, died(error.exitcode)))
        return ended

    def _start(self, task: Task, left: int) -> None:
        self._running[self._pool.schedule(perform, args=[task])] = (task, left)


def died(code: int | None) -> str:
    """Says that a process died and what to think of first."""
    return (
        f"its process died {RETRIES + 1} times (exit code {code}); the system may have run out of "
        "memory: try fewer --jobs"
    )


def make_engine(name: EngineName, *, jobs: int, threads: int, address: str | None) -> Engine:
    """An engine by name.

    Args:
        name: Of the engine.
        jobs: Tasks at a time.
        threads: Cores of each.
        address: Of a Ray cluster; None starts one on this machine.

    Raises:
        ConfigError: Ray is not installed, or an address is given without it.
    """
    if name == "local":
        if address is not None:
            raise ConfigError("--address is of Ray; add --engine ray")
        return LocalEngine(jobs)
    from crossdl.study.ray_engine import RayEngine

    return RayEngine(jobs=jobs, threads=threads, address=address)
