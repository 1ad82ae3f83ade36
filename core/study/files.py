"""A study's folder: what was asked, the cells' runs, and the tables made of them.

========================  ==========================================================
``study.json``            what was asked, below; written when the study starts
``cells/SLUG/``           a cell's run, see :mod:`crossdl.rundir`; complete where it holds
                          ``metrics.json``
``logs/SLUG.txt``         what the cell printed; so do ``logs/shared_*.txt`` of shared stages
``failures.json``         ``[{"cell", "stage", "reason"}]`` of the last call: cells that did
                          not end and why; ``stage`` is "run", or the shared stage that failed
``results.csv``           a row per finished cell and metric
``means.csv``             a row per combination of values and metric: mean over seeds
``comparisons.csv``       a row per combination other than the reference and metric: the paired
                          difference to the reference on the same scans
``summary.html``          the page (:mod:`crossdl.results.study_page`), with ``summary.md``,
                          ``figures/`` and ``tables/``
========================  ==========================================================

``study.json``::

    {"format": 1, "name": "pooling", "description": "...", "scale": "small" or null,
     "axes": [{"field": "analyzer.pooling", "title": "Pooling", "values": ["damil", "max"]}],
     "seeds": [0, 1], "metrics": ["region/micro"], "threads": 1, "confidence": 0.95,
     "cells": [{"slug": "damil_seed0", "values": ["damil"], "seed": 0, "digest": "..."}],
     "versions": {...}}

``values`` are titles, one per axis and in the order of ``axes``; the first value of every axis
is the reference. ``metrics`` are patterns (``fnmatch``) of what is compared; empty means all.
``digest`` names the cell's composition.

The tables start with a column per axis, named by its field, that holds the value's title:

* ``results.csv``: axes, ``seed``, ``slug``, ``evaluator``, ``metric``, ``value``, ``low``,
  ``high``, ``n``, ``positives``; every metric of the run.
* ``means.csv``: axes, ``evaluator``, ``metric``, ``seeds`` (how many have a value), ``mean``,
  ``sd`` (of seeds, n - 1; empty for one seed), ``least``, ``most``; every metric.
* ``comparisons.csv``: axes, ``evaluator``, ``metric``, ``seeds``, ``scans``, ``patients``,
  ``reference`` and ``value`` (means over seeds on the shared scans), ``difference``, ``low``,
  ``high``, ``p``, ``p_holm``, ``method``; metrics that were asked for and can be compared.
  ``p_holm`` is corrected over the rows of the same evaluator and metric.

An undefined number is an empty field. Rows are there only of cells that have finished.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crossdl.errors import InputError
from crossdl.files import replacing

FORMAT = 1
"""Version of the files."""

TABLES = ("results", "means", "comparisons")


@dataclass(frozen=True)
class Axis:
    """One thing that varies.

    Attributes:
        field: Dotted path in a composition.
        title: What tables and figures call it.
        values: Titles of its values, the reference first.
    """

    field: str
    title: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Cell:
    """One run of a study.

    Attributes:
        slug: Name of its folder in ``cells/``.
        values: Title of each axis's value.
        seed: Its seed.
        digest: Changes whenever its composition does.
    """

    slug: str
    values: tuple[str, ...]
    seed: int
    digest: str


@dataclass(frozen=True)
class StudyFile:
    """``study.json``; attributes as in the module's description."""

    name: str
    description: str
    scale: str | None
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    metrics: tuple[str, ...]
    threads: int
    confidence: float
    cells: tuple[Cell, ...]
    versions: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {"format": FORMAT, **json.loads(json.dumps(asdict(self)))}


@dataclass(frozen=True)
class CellFailure:
    """A cell that did not end.

    Attributes:
        cell: Its slug.
        stage: "run", or the shared stage that failed.
        reason: One sentence.
    """

    cell: str
    stage: str
    reason: str


def read_study(folder: Path) -> StudyFile:
    """Reads ``study.json``.

    Raises:
        InputError: The folder holds no readable study.
    """
    path = folder / "study.json"
    if not path.is_file():
        raise InputError(f"{folder}: holds no study (study.json is missing); give a study's folder")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise InputError(f"{path}: format {found['format']} is not {FORMAT}")
        return StudyFile(
            name=found["name"],
            description=found["description"],
            scale=found["scale"],
            axes=tuple(Axis(a["field"], a["title"], tuple(a["values"])) for a in found["axes"]),
            seeds=tuple(found["seeds"]),
            metrics=tuple(found["metrics"]),
            threads=found["threads"],
            confidence=found["confidence"],
            cells=tuple(
                Cell(c["slug"], tuple(c["values"]), c["seed"], c["digest"]) for c in found["cells"]
            ),
            versions=found["versions"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: damaged ({type(error).__name__}: {error})") from error


def read_failures(folder: Path) -> list[CellFailure]:
    """Reads ``failures.json``; nothing where there is none."""
    path = folder / "failures.json"
    if not path.is_file():
        return []
    return [CellFailure(**item) for item in json.loads(path.read_text(encoding="utf-8"))]


def read_table(folder: Path, name: str) -> list[dict[str, str]]:
    """Rows of ``results.csv``, ``means.csv`` or ``comparisons.csv`` as text.

    Raises:
        InputError: The table is missing.
    """
    path = folder / f"{name}.csv"
    if not path.is_file():
        raise InputError(f"{path}: is missing; run the study to its end")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write_table(
    folder: Path, name: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Writes a table whole or not at all; None becomes an empty field."""
    with (
        replacing(folder / f"{name}.csv") as working,
        working.open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
