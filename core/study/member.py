"""One of the studies that run together: its cells, its folder, and what is left to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.cache import digest
from crossdl.errors import ConfigError
from crossdl.files import write_json
from crossdl.results.study_page import write_study_summary
from crossdl.study.expansion import CellPlan
from crossdl.study.files import Axis, Cell, CellFailure, StudyFile, read_study
from crossdl.study.tables import cell_folder, write_tables

if TYPE_CHECKING:
    from crossdl.interfaces import Evaluator
    from crossdl.registry import Composition, Registry


@dataclass
class Member:
    """A study of a run.

    Attributes:
        folder: Where it is kept.
        study: What was asked.
        plans: Its cells.
        evaluators: Of its base, by kind.
        failures: Cells that have ended without a result.
        ended: Slugs of all cells that have ended.
    """

    folder: Path
    study: StudyFile
    plans: Sequence[CellPlan]
    evaluators: Mapping[str, Evaluator[Any]]
    failures: list[CellFailure] = field(default_factory=list)
    ended: set[str] = field(default_factory=set)

    @property
    def summary(self) -> Path:
        """Its page."""
        return self.folder / "summary.html"

    def run(self, slug: str) -> Path:
        """Folder of a cell's run."""
        return cell_folder(self.folder, slug)

    def finished(self, slug: str) -> bool:
        """Whether a cell has its result."""
        return (self.run(slug) / "metrics.json").is_file()

    def end(self, slug: str, failure: CellFailure | None) -> None:
        """Notes that a cell has ended; with the last one, tables and page are made."""
        self.ended.add(slug)
        if failure is not None:
            self.failures.append(failure)
        if len(self.ended) == len(self.plans):
            order = [plan.slug for plan in self.plans]
            self.failures.sort(key=lambda failure: order.index(failure.cell))
            write_json(self.folder / "failures.json", [asdict(f) for f in self.failures])
            write_tables(self.folder, self.study, self.evaluators)
            write_study_summary(self.folder)


def make_member(
    book: Registry,
    name: str,
    folder: Path,
    *,
    scale: str | None,
    changes: Mapping[str, Any] | None,
    seeds: Sequence[int],
    threads: int,
) -> Member:
    """Expands and validates a study; see :func:`crossdl.study.run.run_studies`."""
    plan = book.study(name, scale, seeds)
    cells = book.cells(name, scale, changes, seeds)
    study = StudyFile(
        name=name,
        description=plan.description,
        scale=scale,
        axes=tuple(Axis(a.name, a.title or a.name, a.value_titles) for a in plan.axes),
        seeds=plan.seeds,
        metrics=plan.metrics,
        threads=threads,
        confidence=_confidence(cells[0].composition),
        cells=tuple(Cell(c.slug, c.values, c.seed, _digest(c.composition)) for c in cells),
        versions={},
    )
    return Member(folder, study, cells, _evaluators(book, book.composition(plan.base, changes)))


def open_folder(folder: Path, study: StudyFile) -> None:
    """Takes a new folder, or one that holds the same study; cells may have been added.

    Raises:
        ConfigError: It holds something else.
    """
    from crossdl.rundir import versions

    path = folder / "study.json"
    if path.is_file():
        old = read_study(folder)
        digests = {cell.slug: cell.digest for cell in old.cells}
        changed = [c.slug for c in study.cells if digests.get(c.slug, c.digest) != c.digest]
        if old.name != study.name or old.scale != study.scale or changed:
            what = f"cells {', '.join(changed)} differ" if changed else f"{old.name} is there"
            raise ConfigError(
                f"{folder}: holds another study ({what}); give another --out, or remove the folder"
            )
        if old.threads != study.threads:
            raise ConfigError(
                f"{folder}: was begun with --threads {old.threads}, on which results depend; give "
                "the same, or another --out"
            )
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder}: exists and is not a study; give another --out")
    written = {**study.to_json(), "versions": versions()}
    write_json(path, written)


def _evaluators(book: Registry, composition: Composition) -> dict[str, Evaluator[Any]]:
    from crossdl.anatomy import load_anatomy

    anatomy = load_anatomy(composition.anatomy)
    return {
        config.kind: book.catalog.create("evaluator", config, anatomy)
        for config in composition.evaluators
    }


def _confidence(composition: Composition) -> float:
    found = [getattr(config, "confidence", None) for config in composition.evaluators]
    return next((value for value in found if value is not None), 0.95)


def _digest(composition: Composition) -> str:
    return digest(composition.model_dump(mode="json"))
