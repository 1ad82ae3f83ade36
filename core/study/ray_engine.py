"""Tasks on Ray: this machine's cores, or a cluster's; the extra ``crossdl[ray]``."""

from __future__ import annotations

import logging
import os
from types import TracebackType
from typing import Any, Self

from crossdl.errors import ConfigError, InputError
from crossdl.study.engines import RETRIES, Engine, died
from crossdl.study.tasks import Task, perform

STARTS = 3
"""How often a cluster of this machine is tried to start."""


class RayEngine(Engine):
    """A Ray task per task, each in a new worker process, started again elsewhere if it dies.

    Nodes of a cluster need the same version of crossdl, and must see the study's folder, the
    cache and the cohort under the same paths.
    """

    def __init__(self, *, jobs: int, threads: int, address: str | None) -> None:
        """Notes what is wanted.

        Args:
            jobs: Tasks at a time, where a cluster is started here.
            threads: Cores of each task.
            address: Of a running cluster, or None to start one.

        Raises:
            ConfigError: Ray is not installed.
        """
        try:
            import ray
        except ImportError as error:
            raise ConfigError(
                "the engine ray needs Ray; install it: pip install 'crossdl[ray]'"
            ) from error
        self._ray: Any = ray
        self._jobs, self._threads = jobs, threads
        self._address = address or os.environ.get("RAY_ADDRESS")
        self._running: dict[Any, Task] = {}
        self._started = False

    def __enter__(self) -> Self:
        """Connects to the cluster, or starts one.

        Raises:
            InputError: There is no cluster at the address.
        """
        ray = self._ray
        if not ray.is_initialized():
            options: dict[str, Any] = {"address": self._address}
            if self._address is None:
                options = {"num_cpus": self._jobs * self._threads, "include_dashboard": False}
            self._begin(options)
            self._started = True
        self._perform = ray.remote(
            num_cpus=self._threads, max_retries=RETRIES, max_calls=1, retry_exceptions=False
        )(perform)
        return self

    def _begin(self, options: dict[str, Any]) -> None:
        """Ray gives a node of its own only half a minute, so a busy machine has several tries."""
        for left in reversed(range(STARTS)):
            try:
                self._ray.init(**options, log_to_driver=False, logging_level=logging.ERROR)
                return
            except (ConnectionError, ValueError) as error:
                raise InputError(
                    f"--address {self._address}: no Ray cluster there ({error})"
                ) from error
            except Exception as error:
                self._ray.shutdown()
                if "timed out" not in str(error):
                    raise
                if not left:
                    raise InputError(
                        f"Ray did not start on this machine in {STARTS} tries ({error}); try "
                        "again when it is less busy, or use --engine local"
                    ) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stops tasks, and the cluster if it was started here."""
        for reference in self._running:
            self._ray.cancel(reference, force=True)
        self._running.clear()
        if self._started:
            self._ray.shutdown()

    def submit(self, task: Task) -> None:
        """Ray queues it."""
        self._running[self._perform.remote(task)] = task

    def finished(self, timeout_s: float) -> list[tuple[str, str | None]]:
        """Asks Ray."""
        if not self._running:
            return []
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=timeout_s)
        ended: list[tuple[str, str | None]] = []
        for reference in done:
            task = self._running.pop(reference)
            try:
                ended.append((task.key, self._ray.get(reference)))
            except self._ray.exceptions.WorkerCrashedError:
                ended.append((task.key, died(None)))
            except self._ray.exceptions.RayError as error:
                said = str(error).strip().splitlines() or [""]
                ended.append((task.key, f"Ray: {type(error).__name__}: {said[0]}"))
        return ended
