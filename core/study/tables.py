"""The tables of a study, made from the runs of its finished cells."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossdl.study.files import Cell, StudyFile, write_table

if TYPE_CHECKING:
    from crossdl.evaluation.cases import Estimate, Evaluation
    from crossdl.interfaces import Evaluator
    from crossdl.results.paired import Line
    from crossdl.statistics.comparisons import Comparison

Metrics = Mapping[str, Mapping[str, "Estimate"]]
Values = tuple[str, ...]
Key = tuple[Values, str, str]


def cell_folder(study: Path, slug: str) -> Path:
    """Folder of a cell's run."""
    return study / "cells" / slug


def write_tables(folder: Path, study: StudyFile, evaluators: Mapping[str, Evaluator[Any]]) -> None:
    """Writes ``results.csv``, ``means.csv`` and ``comparisons.csv``.

    Args:
        folder: Of the study.
        study: What was asked.
        evaluators: Of the study's base, by kind; those that a cell does not have are not compared.
    """
    finished = finished_cells(folder, study)
    metrics = {cell.slug: _metrics(folder, cell) for cell in finished}
    fields = [axis.field for axis in study.axes]
    write_table(
        folder,
        "results",
        [*fields, "seed", "slug", "evaluator", "metric", "value", "low", "high", "n", "positives"],
        _results(fields, finished, metrics),
    )
    write_table(
        folder,
        "means",
        [*fields, "evaluator", "metric", "seeds", "mean", "sd", "least", "most"],
        _means(fields, finished, metrics),
    )
    write_table(
        folder,
        "comparisons",
        [*fields, "evaluator", "metric", "seeds", "scans", "patients", "reference", "value",
         "difference", "low", "high", "p", "p_holm", "method"],
        _comparisons(folder, study, fields, finished, evaluators),
    )  # fmt: skip


def finished_cells(folder: Path, study: StudyFile) -> list[Cell]:
    """The cells whose run is complete, in the study's order."""
    return [c for c in study.cells if (cell_folder(folder, c.slug) / "metrics.json").is_file()]


def _metrics(folder: Path, cell: Cell) -> Metrics:
    from crossdl.results.metrics import read_metrics

    return read_metrics(cell_folder(folder, cell.slug) / "metrics.json")


def _results(
    fields: Sequence[str], cells: Sequence[Cell], metrics: Mapping[str, Metrics]
) -> Iterator[dict[str, Any]]:
    for cell in cells:
        for kind, found in metrics[cell.slug].items():
            for name, one in found.items():
                yield {
                    **dict(zip(fields, cell.values, strict=True)),
                    "seed": cell.seed,
                    "slug": cell.slug,
                    "evaluator": kind,
                    "metric": name,
                    "value": one.value,
                    "low": one.low,
                    "high": one.high,
                    "n": one.n,
                    "positives": one.positives,
                }


def _means(
    fields: Sequence[str], cells: Sequence[Cell], metrics: Mapping[str, Metrics]
) -> Iterator[dict[str, Any]]:
    values: dict[Key, list[float]] = {}
    for cell in cells:
        for kind, found in metrics[cell.slug].items():
            for name, one in found.items():
                known = values.setdefault((cell.values, kind, name), [])
                if one.value is not None:
                    known.append(one.value)
    for (titles, kind, name), known in values.items():
        yield {
            **dict(zip(fields, titles, strict=True)),
            "evaluator": kind,
            "metric": name,
            "seeds": len(known),
            "mean": statistics.fmean(known) if known else None,
            "sd": statistics.stdev(known) if len(known) > 1 else None,
            "least": min(known, default=None),
            "most": max(known, default=None),
        }


@dataclass(frozen=True)
class _Pair:
    """A combination compared with the reference.

    Attributes:
        trainings: How many seeds of both were averaged.
        scans: How many scans all of them share.
        found: Kind of evaluator → metric → comparison.
    """

    trainings: int
    scans: int
    found: Mapping[str, Mapping[str, Comparison]]


def _comparisons(
    folder: Path,
    study: StudyFile,
    fields: Sequence[str],
    cells: Sequence[Cell],
    evaluators: Mapping[str, Evaluator[Any]],
) -> Iterator[dict[str, Any]]:
    """Every metric is a family of Holm's correction: all combinations with the reference.

    Over the whole table nothing could be found: with R resamples p is at least 2 / (R + 1).
    """
    from crossdl.statistics.comparisons import corrected

    wanted = study.metrics or ("*",)
    families: dict[tuple[str, str], dict[str, Comparison]] = {}
    names: list[Key] = []
    pairs: dict[Values, _Pair] = {}
    for titles, pair in _pairs(folder, study, cells, evaluators):
        pairs[titles] = pair
        for kind, found in pair.found.items():
            for name, one in found.items():
                if any(fnmatchcase(name, pattern) for pattern in wanted):
                    names.append((titles, kind, name))
                    families.setdefault((kind, name), {})["\0".join(titles)] = one
    tested = {key: corrected(family) for key, family in families.items()}
    for titles, kind, name in names:
        one, pair = tested[kind, name]["\0".join(titles)], pairs[titles]
        yield {
            **dict(zip(fields, titles, strict=True)),
            "evaluator": kind,
            "metric": name,
            "seeds": pair.trainings,
            "scans": pair.scans,
            "patients": one.patients,
            "reference": one.second,
            "value": one.first,
            "difference": one.difference,
            "low": one.low,
            "high": one.high,
            "p": one.p,
            "p_holm": one.p_corrected,
            "method": one.method,
        }


def _pairs(
    folder: Path,
    study: StudyFile,
    cells: Sequence[Cell],
    evaluators: Mapping[str, Evaluator[Any]],
) -> Iterator[tuple[Values, _Pair]]:
    """Every other combination with the reference, on the seeds and scans that both have."""
    from crossdl.results.paired import compare_methods, read_lines, read_valid, shared_scans

    first = tuple(axis.values[0] for axis in study.axes)
    of: dict[Values, dict[int, Cell]] = {}
    for cell in cells:
        of.setdefault(cell.values, {})[cell.seed] = cell
    reference = of.pop(first, {})
    lines: dict[str, tuple[list[Line], list[Line]]] = {}
    known: dict[tuple[str, tuple[str, ...]], dict[str, Evaluation]] = {}

    def lines_of(cell: Cell) -> tuple[list[Line], list[Line]]:
        if cell.slug not in lines:
            run = cell_folder(folder, cell.slug)
            lines[cell.slug] = read_lines(run), read_valid(run)
        return lines[cell.slug]

    def measured(cell: Cell, scans: tuple[str, ...]) -> dict[str, Evaluation]:
        key = cell.slug, scans
        if key not in known:
            known[key] = _evaluated(lines_of(cell), scans, evaluators)
        return known[key]

    for titles, other in of.items():
        seeds = [seed for seed in reference if seed in other]
        both = [*(reference[s] for s in seeds), *(other[s] for s in seeds)]
        if not seeds:
            continue
        scans = shared_scans([lines_of(cell)[0] for cell in both]).scans
        if not scans:
            continue
        yield (
            titles,
            _Pair(
                len(seeds),
                len(scans),
                compare_methods(
                    [measured(other[s], scans) for s in seeds],
                    [measured(reference[s], scans) for s in seeds],
                    evaluators,
                ),
            ),
        )


def _evaluated(
    lines: tuple[list[Line], list[Line]],
    scans: Sequence[str],
    evaluators: Mapping[str, Evaluator[Any]],
) -> dict[str, Evaluation]:
    """One seed of resamples for all cells, so that differences are paired."""
    from crossdl.results.paired import evaluate_scans

    test, valid = lines
    return evaluate_scans(test, scans, evaluators, 0, valid)
