"""Workers end with the program that started them, however it ends and whatever they do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crossdl.workers import worker_pool

SCRIPT = """
import itertools, os, sys, time
from multiprocessing import get_context, parent_process
from crossdl import workers

def ready():
    print("busy", os.getpid(), flush=True)

def calculate():
    ready()
    sum(itertools.repeat(1))  # in C without end, and without giving Python's lock back

def rest():
    ready()
    time.sleep(600)

def watched():
    workers._watch(parent_process().sentinel)
    rest()

if __name__ == "__main__":
    if sys.argv[1] == "watched":
        process = get_context("spawn").Process(target=watched)
        process.start()
        process.join()
    else:
        with workers.worker_pool(1) as pool:
            pool.schedule(globals()[sys.argv[1]]).result()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize(
    "task",
    [
        pytest.param(
            "calculate",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends busy code"),
        ),
        "rest",
        "watched",
    ],
)
def test_no_worker_outlives_a_killed_parent(tmp_path: Path, task: str) -> None:
    script = tmp_path / "parent.py"
    script.write_text(SCRIPT, encoding="utf-8")
    parent = subprocess.Popen(
        [sys.executable, script, task], stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert parent.stdout is not None
    said, pid = parent.stdout.readline().split()
    assert said == "busy"
    parent.kill()
    try:
        parent.communicate(timeout=10)  # to the end of the pipe that the worker holds open too
    except subprocess.TimeoutExpired:
        os.kill(int(pid), signal.SIGKILL)
        raise AssertionError("the worker is still there") from None
    assert parent.returncode == -signal.SIGKILL


def test_a_pool_replaces_a_dead_worker() -> None:
    from pebble import ProcessExpired

    with worker_pool(1) as pool:
        with pytest.raises(ProcessExpired):
            pool.schedule(os._exit, args=[3]).result()
        assert pool.schedule(len, args=["four"]).result() == 4
