"""Which stages the cells of a study share, and which must be done before which.

Results of stages are kept in the cache by their content. Here they are planned as tasks that
come before the cells, so that two cells that run side by side do not both compute one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdl.anatomy import load_anatomy
from crossdl.cache import digest
from crossdl.study.expansion import CellPlan
from crossdl.study.tasks import Stage, Task

if TYPE_CHECKING:
    from crossdl.catalog import Catalog
    from crossdl.registry import Composition

MakeTask = Callable[[str, Stage, str, Sequence["Composition"], bool], Task]
"""Key, stage, title, compositions and whether test scans are registered → task."""


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


def plan_work(cells: Sequence[CellPlan], catalog: Catalog, task: MakeTask) -> Work:
    """Tasks of cells that are yet to be run and of the stages that several of them share.

    Args:
        cells: To be run.
        catalog: Where their kinds come from.
        task: Makes a task.
    """
    needs = {cell.slug: _needs_of(cell.composition, catalog) for cell in cells}
    tasks: dict[str, Task] = {}
    after: dict[str, set[str]] = {cell.slug: set() for cell in cells}

    def groups(kind: str) -> list[tuple[str, list[CellPlan]]]:
        """Cells with the same need, where there are several."""
        found: dict[str, list[CellPlan]] = {}
        for cell in cells:
            key = getattr(needs[cell.slug], kind)
            if key is not None:
                found.setdefault(key, []).append(cell)
        return [(key, members) for key, members in found.items() if len(members) > 1]

    def add(stage: Stage, key: str, members: Sequence[CellPlan], test: bool = False) -> str:
        different = {needs[m.slug].selection: m.composition for m in members}
        chosen = list(different.values()) if stage == "prepare" else [members[0].composition]
        name = f"shared_{stage}_{key[:8]}"
        kind = getattr(members[0].composition, _SLOT[stage]).kind
        tasks[name] = task(name, stage, f"{_TITLE[stage]} ({kind})", chosen, test)
        after[name] = set()
        for member in members:
            after[member.slug].add(name)
        return name

    cohorts = {key: add("cohort", key, members) for key, members in groups("cohort")}
    last: dict[str, str] = {}
    for stage in ("discretize", "prepare"):
        for key, members in groups(stage):
            first = needs[members[0].slug]
            static = any(needs[m.slug].static for m in members)
            name = add(stage, key, members, test=static and stage == "prepare")
            after[name] |= {cohorts[first.cohort]} if first.cohort in cohorts else set()
            if stage == "prepare":  # the same registrations at another shape: one at a time
                after[name] |= {last[first.register]} if first.register in last else set()
                last[first.register] = name
    for cell in cells:
        tasks[cell.slug] = task(cell.slug, "run", cell.label, [cell.composition], False)
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
