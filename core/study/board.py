"""What a study shows while it runs: a line per cell, live in a terminal."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

State = Literal["waiting", "running", "done", "failed"]

_TAIL = 4000  # bytes at the end of a log that are looked at
_SAYS = re.compile(r"INFO (?P<stage>[^:]+): start$|INFO (?P<epoch>epoch \d+ of \d+)")
_STYLE = {"waiting": "dim", "running": "bold", "done": "green", "failed": "red"}


@dataclass
class _Row:
    title: str
    log: Path | None
    state: State = "waiting"
    since: float = 0.0
    said: str = ""


class Board:
    """States of tasks."""

    def __init__(
        self, title: str, tasks: Mapping[str, tuple[str, Path | None]], console: Console
    ) -> None:
        """All tasks wait.

        Args:
            title: Of the table.
            tasks: Key → title, and the run's log that tells how far it is.
            console: Where it is shown.
        """
        self._title = title
        self._console = console
        self._rows = {key: _Row(name, log) for key, (name, log) in tasks.items()}

    def set(self, key: str, state: State, said: str = "") -> None:
        """Notes what became of a task; without a terminal a line is printed."""
        row = self._rows[key]
        if row.state == "running":
            duration = str(timedelta(seconds=round(time.monotonic() - row.since)))
            said = f"{said} (after {duration})" if said else f"in {duration}"
        row.state, row.said, row.since = state, said, time.monotonic()
        if not self._console.is_terminal and state != "waiting":
            text = f"{row.title}: {state} {row.said}".rstrip()
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def live(self) -> Iterator[None]:
        """Keeps the table up to date where there is a terminal."""
        if not self._console.is_terminal:
            yield
            return
        from rich.live import Live

        with Live(get_renderable=self.table, console=self._console, refresh_per_second=1):
            yield

    def table(self) -> Table:
        """The rows that matter now: what waits is counted where there are many."""
        from rich.table import Table
        from rich.text import Text

        states = [row.state for row in self._rows.values()]
        counts = ", ".join(f"{states.count(s)} {s}" for s in _STYLE if s in states)
        table = Table("What", "State", "", title=f"{self._title}: {counts}", title_justify="left")
        room = max(5, self._console.height - 6)
        rows = list(self._rows.values())
        if len(rows) > room:
            rows = [r for r in rows if r.state in ("running", "failed")][:room]
        for row in rows:
            said = self._progress(row) if row.state == "running" else row.said
            table.add_row(Text(row.title), Text(row.state, _STYLE[row.state]), Text(said))
        return table

    @staticmethod
    def _progress(row: _Row) -> str:
        taken = timedelta(seconds=round(time.monotonic() - row.since))
        where = last_step(row.log) if row.log is not None else ""
        return f"{where} ({taken})" if where else str(taken)


def last_step(log: Path) -> str:
    """The stage or epoch that a run's log ends with, "" if there is none yet."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for line in reversed(lines):
        match = _SAYS.search(line)
        if match:
            return match["stage"] or match["epoch"]
    return ""
