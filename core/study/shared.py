"""Which stages cells share, and which must be done before which.

Results of stages are kept in the cache by their content. Here they are planned as tasks that
come before the cells, so that two cells that run side by side do not both compute one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdl.anatomy import load_anatomy
from crossdl.cache import digest
from crossdl.study.expansion import CellPlan
from crossdl.study.tasks import Stage, Task

if TYPE_CHECKING:
    from crossdl.catalog import Catalog
    from crossdl.registry import Composition

MakeTask = Callable[[str, Stage, str, Sequence["Composition"], bool, str], Task]
"""Key, stage, title, compositions, whether test scans are registered and key of the first cell
that needs it (of a cell its own) → task."""


@dataclass(frozen=True)
class Work:
    """Tasks and their order.

    Attributes:
        tasks: By key.
        after: Key → keys of the tasks that must be done before.
    """

    tasks: Mapping[str, Task]
    after: Mapping[str, frozenset[str]]


@dataclass
class _Needs:
    """What a cell shares with others; equal keys are equal work."""

    cohort: str
    discretize: str | None
    register: str
    prepare: str
    selection: str
    static: bool


def plan_work(cells: Mapping[str, CellPlan], catalog: Catalog, task: MakeTask) -> Work:
    """Tasks of cells that are yet to be run and of the stages that several of them share.

    Args:
        cells: To be run, by key; of one study or of several.
        catalog: Where their kinds come from.
        task: Makes a task.
    """
    needs = {key: _needs_of(cell.composition, catalog) for key, cell in cells.items()}
    tasks: dict[str, Task] = {}
    after: dict[str, set[str]] = {key: set() for key in cells}

    def groups(kind: str, among: Iterable[str]) -> list[tuple[str, list[str]]]:
        """Cells by one of their needs, in order; those without it are left out."""
        found: dict[str, list[str]] = {}
        for cell in among:
            need = getattr(needs[cell], kind)
            if need is not None:
                found.setdefault(need, []).append(cell)
        return list(found.items())

    def add(stage: Stage, need: str, members: Sequence[str], before: Sequence[str]) -> str:
        different = {needs[m].selection: cells[m].composition for m in members}
        first = cells[members[0]].composition
        chosen = list(different.values()) if stage == "prepare" else [first]
        static = stage == "prepare" and any(needs[m].static for m in members)
        name = f"shared_{stage}_{need[:8]}"
        title = f"{_TITLE[stage]} ({getattr(first, _SLOT[stage]).kind})"
        tasks[name] = task(name, stage, title, chosen, static, members[0])
        after[name] = set(before)
        for member in members:
            after[member].add(name)
        return name

    for cohort, sharing in groups("cohort", cells):
        if len(sharing) == 1:
            continue
        read = add("cohort", cohort, sharing, [])
        for key, members in groups("discretize", sharing):
            if len(members) > 1:
                add("discretize", key, members, [read])
        for _, registering in groups("register", sharing):
            if len(registering) > 1:
                last = read  # the same registrations for several shapes: one at a time
                for key, members in groups("prepare", registering):
                    last = add("prepare", key, members, [last])
    for key, cell in cells.items():
        tasks[key] = task(key, "run", cell.label, [cell.composition], False, key)
    return Work(tasks, {key: frozenset(before) for key, before in after.items()})


_SLOT = {"cohort": "cohort", "discretize": "discretizer", "prepare": "segmenter"}
_TITLE = {
    "cohort": "Read the cohort",
    "discretize": "Train the discretizer and read the reports",
    "prepare": "Register and preprocess the scans",
}


def _needs_of(composition: Composition, catalog: Catalog) -> _Needs:
    anatomy = load_anatomy(composition.anatomy)
    raw = composition.model_dump(mode="json")
    cohort = [raw["anatomy"], raw["cohort"]]
    discretizer = catalog.create("discretizer", composition.discretizer, anatomy)
    analyzer = catalog.create("analyzer", composition.analyzer, anatomy)
    register = [*cohort, raw["segmenter"]]
    learns = not discretizer.trained

    def key(*parts: Any) -> str:
        return digest({"parts": list(parts)})

    return _Needs(
        cohort=key(*cohort),
        discretize=key(*cohort, raw["discretizer"], raw["seed"]) if learns else None,
        register=key(*register),
        prepare=key(*register, list(analyzer.input_shape)),
        selection=key(raw["seed"] if raw["train_share"] < 1 else 0, raw["train_share"],
                      raw["train_labels"]),
        static=analyzer.needs_regions,
    )  # fmt: skip
