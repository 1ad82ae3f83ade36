"""The order of tasks, on an engine that only notes it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crossdl.study.conduct import Failure, conduct
from crossdl.study.engines import Engine
from crossdl.study.shared import Work
from crossdl.study.tasks import Stage, Task


class Notes(Engine):
    """Ends one task a call, the last that was started; those named fail."""

    def __init__(self, work: Work, failing: set[str]) -> None:
        self.work, self.failing = work, failing
        self.begun: list[str] = []
        self.under_way: list[str] = []
        self.done: set[str] = set()

    def __enter__(self) -> Notes:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, task: Task) -> None:
        assert self.work.after[task.key] <= self.done
        self.begun.append(task.key)
        self.under_way.append(task.key)
        if task.stage == "run":  # whatever is shared and may start has been started
            free = {k for k, before in self.work.after.items() if before <= self.done}
            shared = {
                k for k in free if not self.work.tasks[k].wide and self.work.tasks[k].stage != "run"
            }
            assert shared <= set(self.begun)
        assert sum(self.work.tasks[key].wide for key in self.under_way) <= 1

    def finished(self, timeout_s: float) -> list[tuple[str, str | None]]:
        if not self.under_way:
            return []
        key = self.under_way.pop()
        if key in self.failing:
            return [(key, "it rained")]
        self.done.add(key)
        return [(key, None)]


def task(key: str, stage: Stage, workers: int) -> Task:
    return Task(key, stage, key, (), (), "", "/nowhere/log", 1, workers, False, "")


def works() -> st.SearchStrategy[Work]:
    """Cells that each need some of a cohort's preparations."""

    def made(stages: int, needs: list[set[int]], workers: int) -> Work:
        tasks = {"cohort": task("cohort", "cohort", 1)}
        after = {"cohort": frozenset[str]()}
        for number in range(stages):
            tasks[f"p{number}"] = task(f"p{number}", "prepare", workers)
            after[f"p{number}"] = frozenset({"cohort"})
        for number, need in enumerate(needs):
            tasks[f"c{number}"] = task(f"c{number}", "run", 1)
            after[f"c{number}"] = frozenset({"cohort", *(f"p{n % stages}" for n in need)})
        return Work(tasks, after)

    sets = st.lists(st.sets(st.integers(0, 3), max_size=2), max_size=6)
    return st.builds(made, st.integers(1, 4), sets, st.integers(1, 3))


@given(works(), st.sets(st.sampled_from(["cohort", "p0", "p1", "p2", "c0", "c3"]), max_size=3))
def test_only_what_needs_a_failed_task_is_left_out(work: Work, failing: set[str]) -> None:
    failing &= set(work.tasks)
    engine, ends = Notes(work, failing), dict[str, Failure | None]()

    def ended(key: str, failure: Failure | None, said: str) -> None:
        assert key not in ends and (said == "") == (failure is None)
        ends[key] = failure

    conduct(work, engine, lambda key: None, ended)
    assert set(ends) == set(work.tasks)
    for key, failure in ends.items():
        before = [b for b in sorted(work.after[key]) if ends[b] is not None]
        if before:
            assert failure == ends[before[0]] and key not in engine.begun
        elif key in failing:
            assert failure == (work.tasks[key].stage, "it rained")
        else:
            assert failure is None
