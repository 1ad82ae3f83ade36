"""The folder of a cohort: one process at a time, private things apart."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crossdl.errors import ConfigError, InputError
from crossdl.ingest.database import Database


@contextmanager
def opened(out: Path, *, create: bool) -> Iterator[Database]:
    """Opens the index of a cohort; no other process can work on it meanwhile.

    Args:
        out: The cohort's folder.
        create: Whether to make it if it is not there.

    Raises:
        ConfigError: The folder holds something else.
        InputError: There is no cohort, or another process works on it.
    """
    from filelock import FileLock, Timeout

    private = out / "private"
    if not private.is_dir():
        if not create:
            raise InputError(f"{out}: is no cohort; build it with crossdl cohort build")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise ConfigError(f"{out}: holds other files; give a new folder as --out")
        private.mkdir(parents=True, mode=0o700)
    private.chmod(0o700)
    index = private / "index.sqlite"
    try:
        with FileLock(private / "lock", timeout=0):
            database = Database(index)
            try:
                yield database
            finally:
                database.close()
    except sqlite3.Error as error:
        raise InputError(
            f"{index}: cannot be used ({error}); if the disk is not full, remove it, and the next "
            "build reads everything again"
        ) from error
    except Timeout as error:
        raise InputError(
            f"{out}: another process is working on this cohort; wait until it has finished"
        ) from error
