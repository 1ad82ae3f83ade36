"""What is shown of a running study."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console

from crossdl.study.board import Board, last_step


def test_a_log_tells_stage_and_epoch(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    assert last_step(log) == ""
    log.write_text("2026-01-01 10:00:00,000 INFO Register: start\n", encoding="utf-8")
    assert last_step(log) == "Register"
    with log.open("a", encoding="utf-8") as file:
        file.write("2026-01-01 10:00:01,000 INFO Register: done in 1.0 s\n")
        file.write("2026-01-01 10:00:01,000 INFO Train: start\n" + "x" * 9000 + "\n")
        file.write("2026-01-01 10:00:02,000 INFO epoch 3 of 15: valid/region 0.4\n")
        file.write("2026-01-01 10:00:02,000 WARNING p1 failed in predict: start\n")
    assert last_step(log) == "epoch 3 of 15"


def test_without_a_terminal_every_change_is_a_line() -> None:
    out = io.StringIO()
    board = Board("s", {"a": ("first", None), "b": ("second", None)}, Console(file=out, width=99))
    with board.live():
        board.set("a", "running")
        board.set("a", "done")
        board.set("b", "running")
        board.set("b", "failed", "no [room] left")
    assert out.getvalue().splitlines() == [
        "first: running", "first: done in 0:00:00",
        "second: running", "second: failed no [room] left (after 0:00:00)",
    ]  # fmt: skip


def test_the_table_counts_states_and_follows_the_log(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    log.write_text("INFO Train: start\n", encoding="utf-8")
    console = Console(file=io.StringIO(), width=99, force_terminal=True)
    board = Board("s", {"a": ("first", log), "b": ("[second]", None)}, console)
    board.set("a", "running")
    with console.capture() as shown:
        console.print(board.table())
    assert "s: 1 waiting, 1 running" in shown.get() and "Train (0:00:0" in shown.get()
    assert "[second]" in shown.get()
