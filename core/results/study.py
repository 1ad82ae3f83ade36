"""The page of a study: its cells beside each other and against the reference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.evaluation.cases import Estimate
from crossdl.evaluation.lines import read_fit
from crossdl.results.comparison import Key, fitting_keys
from crossdl.results.provenance import read_json
from crossdl.study.files import Cell, CellFailure, StudyFile, read_failures, read_study, read_table
from crossdl.study.tables import cell_folder, finished_cells

Values = tuple[str, ...]
"""Title of each axis's value: a combination."""

_PANELS = 9
"""Most metrics of the overview."""


@dataclass(frozen=True)
class Mean:
    """A metric of one combination over its seeds.

    Attributes:
        seeds: How many have a value.
        mean: None where none has.
        sd: Of seeds; None of fewer than two.
    """

    seeds: int
    mean: float | None
    sd: float | None


@dataclass(frozen=True)
class StudyResults:
    """A study as it lies on disk, finished or not.

    Attributes:
        folder: Of the study.
        study: What was asked.
        failures: Cells that did not end.
    """

    folder: Path
    study: StudyFile
    failures: Sequence[CellFailure]

    @classmethod
    def read(cls, folder: Path) -> StudyResults:
        """Reads a study's folder.

        Raises:
            InputError: It holds no readable study.
        """
        return cls(folder, read_study(folder), read_failures(folder))

    @cached_property
    def finished(self) -> list[Cell]:
        """Cells whose run is complete."""
        return finished_cells(self.folder, self.study)

    @cached_property
    def combinations(self) -> list[Values]:
        """All combinations of values, the reference first."""
        return list(dict.fromkeys(cell.values for cell in self.study.cells))

    @property
    def reference(self) -> Values:
        """The first value of every axis."""
        return tuple(axis.values[0] for axis in self.study.axes)

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """Composition of the first finished cell; empty where there is none."""
        if not self.finished:
            return {}
        return read_json(cell_folder(self.folder, self.finished[0].slug) / "config.json")

    @cached_property
    def anatomy(self) -> Anatomy:
        """The first finished cell's.

        Raises:
            ConfigError: It is a file that is not there any more.
        """
        return load_anatomy(str(self.config["anatomy"]))

    @cached_property
    def estimates(self) -> dict[tuple[Values, int], dict[Key, Estimate]]:
        """Combination and seed → every metric of the cell."""
        found: dict[tuple[Values, int], dict[Key, Estimate]] = {}
        for row in self._rows("results"):
            estimate = Estimate(
                _number(row["value"]),
                _number(row["low"]),
                _number(row["high"]),
                int(row["n"]),
                int(row["positives"]),
            )
            cell = found.setdefault((self._values(row), int(row["seed"])), {})
            cell[row["evaluator"], row["metric"]] = estimate
        return found

    @cached_property
    def means(self) -> dict[Values, dict[Key, Mean]]:
        """Combination → every metric over its seeds."""
        found: dict[Values, dict[Key, Mean]] = {}
        for row in self._rows("means"):
            mean = Mean(int(row["seeds"]), _number(row["mean"]), _number(row["sd"]))
            found.setdefault(self._values(row), {})[row["evaluator"], row["metric"]] = mean
        return found

    @cached_property
    def comparisons(self) -> list[tuple[Values, Key, dict[str, str]]]:
        """Rows of ``comparisons.csv`` with their combination and metric."""
        return [
            (self._values(row), (row["evaluator"], row["metric"]), row)
            for row in self._rows("comparisons")
        ]

    @cached_property
    def keys(self) -> list[Key]:
        """Metrics that are shown: those asked for, else those that speak of all regions."""
        metrics: dict[str, dict[str, Estimate]] = {}
        for found in self.estimates.values():
            for (kind, name), estimate in found.items():
                metrics.setdefault(kind, {})[name] = estimate
        if not metrics:
            return []
        asked = fitting_keys([metrics], self.anatomy, self.study.metrics)
        return asked or fitting_keys([metrics], self.anatomy, ())

    @cached_property
    def overview(self) -> list[Key]:
        """The metrics of the overview: those asked for, else one of each evaluator.

        That is the first which is not of a single type, or the first.
        """
        if self.study.metrics:
            return self.keys[:_PANELS]
        first: dict[str, Key] = {}
        for whole in (True, False):
            for kind, name in self.keys:
                if not whole or set(self.anatomy.type_names).isdisjoint(name.split("/")):
                    first.setdefault(kind, (kind, name))
        kinds = dict.fromkeys(kind for kind, _ in self.keys)
        return [first[kind] for kind in kinds][:_PANELS]

    def state(self, cell: Cell) -> str:
        """What became of a cell, in a word or two."""
        if cell in self.finished:
            return "finished"
        failed = any(failure.cell == cell.slug for failure in self.failures)
        return "failed" if failed else "not finished"

    def histories(self) -> dict[Values, list[Sequence[Mapping[str, float]]]]:
        """Losses by epoch of each combination's trainings, where there are any."""
        found: dict[Values, list[Sequence[Mapping[str, float]]]] = {}
        for cell in self.finished:
            fit = read_fit(cell_folder(self.folder, cell.slug) / "training.json")
            if fit is not None and fit.history:
                found.setdefault(cell.values, []).append(fit.history)
        return found

    def _rows(self, name: str) -> list[dict[str, str]]:
        """Nothing where the study has not come to making its tables."""
        return read_table(self.folder, name) if (self.folder / f"{name}.csv").is_file() else []

    def _values(self, row: Mapping[str, str]) -> Values:
        return tuple(row[axis.field] for axis in self.study.axes)


def combination_title(values: Values) -> str:
    """``"damil, 2 scales"``."""
    return ", ".join(values)


def _number(text: str) -> float | None:
    return float(text) if text else None
