"""Worker processes that may crash or hang, and that end when the program that started them does."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

    from pebble import ProcessPool

_PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


@contextmanager
def worker_pool(count: int, *, fresh: bool = False) -> Iterator[ProcessPool]:
    """A pool of new Python processes, none of which outlives this one.

    At the end of the block it finishes what is scheduled, or stops at once if the block raised.
    Use it from a thread that lives until then: on Linux the workers end with the thread that
    started them.

    Args:
        count: Number of processes, at least 1; they start with the first task.
        fresh: Whether every task has a new process, which ends with it.
    """
    from pebble import ProcessPool

    pool = ProcessPool(
        max_workers=count,
        max_tasks=1 if fresh else 0,
        context=get_context("spawn"),
        initializer=_end_with_parent,
    )
    try:
        yield pool
        pool.close()  # type: ignore[no-untyped-call]
    except BaseException:
        pool.stop()  # type: ignore[no-untyped-call]
        raise
    finally:
        pool.join()


def failure_of(task: Future[str | None], timeout_s: float) -> str | None:
    """Waits for a worker's task and says why it failed, or what it returned.

    Args:
        task: Returns a reason itself, or None.
        timeout_s: Seconds it had.
    """
    from pebble import ProcessExpired

    try:
        return task.result()
    except TimeoutError:
        return f"took longer than {timeout_s:g} s and was stopped"
    except ProcessExpired as error:
        return f"the worker process died (exit code {error.exitcode})"


def _end_with_parent() -> None:
    """In a worker: has it killed when its parent dies, even by SIGKILL and while it is busy.

    Linux does that itself, so it also ends code that never gives Python's lock back. Elsewhere a
    thread waits for the parent's end, which takes effect once such code returns.
    """
    parent = parent_process()
    if parent is None:
        return
    if not _killed_by_kernel():
        _watch(parent.sentinel)
    elif os.getppid() != parent.pid:  # it died before the kernel was told
        os._exit(1)


def _killed_by_kernel() -> bool:
    """Asks Linux for SIGKILL at the parent's death; False where that cannot be had."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):  # a C library that hides it
        return False
    return bool(prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0) == 0)


def _watch(sentinel: int) -> None:
    """Ends this process when the parent's sentinel says that it is gone."""
    from multiprocessing.connection import wait
    from threading import Thread

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    Thread(target=watch, name="parent watch", daemon=True).start()
