"""Walks a folder of any size and reads the header of every file once.

A file is known by its path, size and time of change, so a killed or repeated walk reads only what
is new. Nothing is held in memory but the chunks under way.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.errors import InputError
from crossdl.ingest.database import Database
from crossdl.ingest.headers import Header, read_headers
from crossdl.progress import progress_bar
from crossdl.workers import worker_pool

if TYPE_CHECKING:
    from concurrent.futures import Future

Entry = tuple[bytes, int, int]
"""Path relative to the root, size in bytes, time of change in ns."""
_BATCH = 2048  # files per look-up
_CHUNK = 128  # files per task of a worker
_SECONDS = 300.0  # for a chunk; a file on which a reader hangs costs this once


def index_files(root: Path, database: Database, *, skip: Path, workers: int) -> int:
    """Brings the index up to date with a folder.

    Args:
        root: Folder of the DICOM files, in any layout.
        database: Where headers go.
        skip: A folder that is not walked even if it lies below ``root``: the cohort itself.
        workers: Processes that read.

    Returns:
        How many headers were read; the others were known.

    Raises:
        InputError: ``root`` is no folder, or a folder below it cannot be listed.
    """
    check_folder(root)
    sweep, read = database.sweep(), 0
    with progress_bar() as bar, _Readers(root, workers) as readers:
        task = bar.add_task("reading headers", total=None)

        def store(done: Iterable[tuple[Sequence[Entry], Sequence[Header]]]) -> None:
            nonlocal read
            for entries, headers in done:
                database.add_files(zip(entries, headers, strict=True), sweep)
                read += len(entries)
                bar.advance(task, len(entries))

        waiting: list[Entry] = []
        for batch in _in_batches(walk(root, skip)):
            known = database.known(batch, sweep)
            waiting += [entry for entry, old in zip(batch, known, strict=True) if not old]
            bar.advance(task, sum(known))
            while len(waiting) >= _CHUNK:
                store(readers.submit(waiting[:_CHUNK]))
                del waiting[:_CHUNK]
        if waiting:
            store(readers.submit(waiting))
        store(readers.drain())
        bar.update(task, total=bar.tasks[0].completed)
    database.forget_unseen(sweep)
    return read


def check_folder(root: Path) -> None:
    """Refuses what is no folder.

    Raises:
        InputError: It is none.
    """
    if not root.is_dir():
        raise InputError(f"--dicom {root}: is no folder; give the folder of the DICOM files")


def walk(root: Path, skip: Path) -> Iterator[Entry]:
    """All regular files below a folder, without following links to folders.

    Raises:
        InputError: A folder cannot be listed; leaving it out silently would change the cohort.
    """
    start, omit = os.fsencode(root.resolve()), os.fsencode(skip.resolve())
    folders = [b""]
    while folders:
        below = folders.pop()
        try:
            with os.scandir(os.path.join(start, below)) as entries:
                for entry in entries:
                    path = os.path.join(below, entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        if entry.path != omit:
                            folders.append(path)
                        continue
                    try:
                        if entry.is_file():
                            found = entry.stat()
                            yield path, found.st_size, found.st_mtime_ns
                    except OSError:  # a link to nowhere, or a file that has just gone
                        continue
        except OSError as error:
            raise InputError(
                f"--dicom {root}: one of its folders cannot be listed ({error.strerror}); make "
                "it readable"
            ) from error


def _in_batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Lists of entries; short ones first, so that the workers start at once."""
    stream = iter(entries)
    yield list(islice(stream, _CHUNK))
    while batch := list(islice(stream, _BATCH)):
        yield batch


class _Readers:
    """Worker processes with a bounded queue; a chunk whose worker dies is read file by file."""

    def __init__(self, root: Path, workers: int) -> None:
        self._root = os.fsencode(root.resolve())
        self._workers = max(1, workers)
        self._queue: deque[tuple[Sequence[Entry], Future[list[Header]]]] = deque()
        self._block = ExitStack()
        self._pool: Any = None

    def __enter__(self) -> _Readers:
        self._pool = self._block.enter_context(worker_pool(self._workers))
        return self

    def __exit__(self, *raised: Any) -> None:
        self._block.__exit__(*raised)

    def submit(
        self, entries: Sequence[Entry]
    ) -> Iterator[tuple[Sequence[Entry], Sequence[Header]]]:
        """Queues a chunk; yields what is finished when the queue is full."""
        entries = list(entries)
        self._queue.append((entries, self._schedule(entries)))
        while len(self._queue) > 3 * self._workers:
            yield self._next()

    def drain(self) -> Iterator[tuple[Sequence[Entry], Sequence[Header]]]:
        """Yields everything that is still under way."""
        while self._queue:
            yield self._next()

    def _schedule(self, entries: Sequence[Entry]) -> Future[list[Header]]:
        paths = [entry[0] for entry in entries]
        future: Future[list[Header]] = self._pool.schedule(
            read_headers, args=[self._root, paths], timeout=_SECONDS
        )
        return future

    def _next(self) -> tuple[Sequence[Entry], Sequence[Header]]:
        entries, future = self._queue.popleft()
        return entries, self._result(entries, future)

    def _result(self, entries: Sequence[Entry], future: Future[list[Header]]) -> list[Header]:
        from pebble import ProcessExpired

        try:
            return future.result()
        except (TimeoutError, ProcessExpired):
            if len(entries) == 1:
                return [Header("unreadable")]
            middle = len(entries) // 2
            halves = [entries[:middle], entries[middle:]]
            futures = [(half, self._schedule(half)) for half in halves]
            return [header for half, future in futures for header in self._result(half, future)]
