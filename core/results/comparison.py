"""Finished runs side by side: what was asked differently, and what came out differently."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from crossdl.anatomy import Anatomy, load_anatomy
from crossdl.catalog import Catalog
from crossdl.errors import CatalogError, ConfigError, InputError
from crossdl.evaluation.cases import Estimate, Evaluation
from crossdl.interfaces import Evaluator
from crossdl.results.metrics import headline, read_metrics
from crossdl.results.paired import (
    Shared,
    compare_methods,
    evaluate_scans,
    read_lines,
    read_valid,
    shared_scans,
)
from crossdl.results.provenance import read_json
from crossdl.statistics.comparisons import Comparison, corrected

_NOT_COMPARED = ("name", "description")
"""Fields of ``config.json`` that decide no result."""

Key = tuple[str, str]
"""Kind of evaluator and name of one of its metrics."""


@dataclass(frozen=True)
class FinishedRun:
    """A run as it lies on disk.

    Attributes:
        label: Short name, unique among the compared runs.
        folder: Where it is.
        config: The resolved composition.
        provenance: See :mod:`crossdl.rundir`.
        metrics: Kind of evaluator → metric → estimate.
    """

    label: str
    folder: Path
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    metrics: Mapping[str, Mapping[str, Estimate]]

    @cached_property
    def anatomy(self) -> Anatomy:
        """The composition's.

        Raises:
            ConfigError: It is a file that is not there any more.
        """
        return load_anatomy(str(self.config["anatomy"]))


@dataclass(frozen=True)
class RunComparison:
    """Runs side by side; the first is the reference.

    Attributes:
        runs: At least two.
        keys: Metrics that are shown, in the order of the evaluators.
        settings: Dotted path of a field → its value in each run, where they differ; None where
            a run has no such field.
        shared: Scans that all runs predicted.
        unpaired: Why there are no paired differences, or empty.
        differences: For each run but the first: metric → run minus reference on the shared scans;
            p are corrected over all of them (Holm).
        evaluations: Of each run on the shared scans, or on its own where there are none; empty
            where the runs are about different things.
    """

    runs: Sequence[FinishedRun]
    keys: Sequence[Key]
    settings: Mapping[str, Sequence[str | None]]
    shared: Shared
    unpaired: str
    differences: Mapping[str, Mapping[Key, Comparison]]
    evaluations: Mapping[str, Mapping[str, Evaluation]]


def read_run(folder: Path, label: str) -> FinishedRun:
    """Reads a finished run.

    Raises:
        InputError: It is no run, or has not finished.
    """
    if (folder / "study.json").is_file():
        raise InputError(
            f"{folder}: is a study; its own page compares the cells, or give some of "
            f"{folder / 'cells'}/*"
        )
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: is not a run (it has no config.json); give folders of `crossdl run` or "
            "`crossdl evaluate`, or cells of a study"
        )
    if not (folder / "metrics.json").is_file():
        raise InputError(
            f"{folder}: has not finished (it has no metrics.json); give the command that started "
            "it again"
        )
    try:
        return FinishedRun(
            label,
            folder,
            read_json(folder / "config.json"),
            read_json(folder / "provenance.json"),
            read_metrics(folder / "metrics.json"),
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{folder}: a file is damaged ({error}); run it again") from error


def read_runs(folders: Sequence[Path]) -> list[FinishedRun]:
    """Reads several finished runs and gives them short, different names.

    Raises:
        InputError: Fewer than two, one is given twice, is no run, or has not finished.
    """
    if len(folders) < 2:
        raise InputError("one run is given; two or more can be compared")
    places = [folder.resolve() for folder in folders]
    for place, folder in zip(places, folders, strict=True):
        if places.count(place) > 1:
            raise InputError(f"{folder}: is given twice")
    return [read_run(f, name) for f, name in zip(folders, short_names(places), strict=True)]


def short_names(places: Sequence[Path]) -> list[str]:
    """As many last parts of each path as make all of them different.

    Example:
        >>> short_names([Path("/a/x/run"), Path("/a/y/run")])
        ['x/run', 'y/run']
    """
    for depth in range(1, max(len(place.parts) for place in places) + 1):
        names = ["/".join(place.parts[-depth:]) for place in places]
        if len(set(names)) == len(names):
            return names
    return [str(place) for place in places]


def compare_runs(
    runs: Sequence[FinishedRun],
    catalog: Catalog,
    *,
    patterns: Sequence[str] = (),
    n_resamples: int | None = None,
    progress: Callable[[str], None] = lambda label: None,
) -> RunComparison:
    """Puts runs side by side and compares those scans that all of them predicted.

    Args:
        runs: At least two, the reference first.
        catalog: Kinds of evaluators.
        patterns: Metrics to show, by ``fnmatch``; none means those that speak of all regions.
        n_resamples: Bootstrap resamples; None means those of the first run's evaluators.
        progress: Called with the label of each run before it is measured.

    Raises:
        InputError: A file of a run is damaged.
        ConfigError: An evaluator or anatomy is not to be found, or no metric fits ``patterns``.
    """
    keys = fitting_keys([run.metrics for run in runs], runs[0].anatomy, patterns)
    if patterns and not keys:
        raise ConfigError(
            f"no metric fits {', '.join(patterns)}; metrics.json of the runs has their names"
        )
    lines = [read_lines(run.folder) for run in runs]
    shared = shared_scans(lines)
    settings = different_settings([run.config for run in runs])
    same = all(
        (run.anatomy.label_names, run.anatomy.type_names)
        == (runs[0].anatomy.label_names, runs[0].anatomy.type_names)
        for run in runs[1:]
    )
    if not same:
        reason = "the runs have different regions or types, so nothing is paired"
        return RunComparison(runs, keys, settings, shared, reason, {}, {})
    evaluators = _evaluators(runs, catalog, n_resamples)
    seed = int(runs[0].config.get("seed", 0))
    evaluations: dict[str, Mapping[str, Evaluation]] = {}
    for run, own in zip(runs, lines, strict=True):
        progress(run.label)
        scans = shared.scans or [line["scan"] for line in own]
        evaluations[run.label] = evaluate_scans(
            own, scans, evaluators, seed, read_valid(run.folder)
        )
    if not shared.scans:
        reason = "the runs have no scan in common, so nothing is paired"
        return RunComparison(runs, keys, settings, shared, reason, {}, evaluations)
    differences = _differences(runs, keys, evaluations, evaluators)
    return RunComparison(runs, keys, settings, shared, "", differences, evaluations)


def fitting_keys(
    metrics: Sequence[Mapping[str, Mapping[str, Estimate]]],
    anatomy: Anatomy,
    patterns: Sequence[str],
) -> list[Key]:
    """Metrics that any run has and that fit, in the order of the first that has them.

    Args:
        metrics: Of each run.
        anatomy: Of the runs.
        patterns: Of ``fnmatch``; none means the metrics that speak of all regions.
    """
    everything = list(
        dict.fromkeys((kind, name) for run in metrics for kind in run for name in run[kind])
    )
    if not patterns:
        short = set(headline([name for _, name in everything], anatomy))
        return [key for key in everything if key[1] in short]
    return [key for key in everything if any(fnmatchcase(key[1], p) for p in patterns)]


def different_settings(
    configs: Sequence[Mapping[str, Any]],
) -> dict[str, list[str | None]]:
    """Dotted paths whose values differ, with the values as JSON; None where there is no such path.

    Example:
        >>> different_settings([{"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": [3]}}])
        {'a.c': ['2', None], 'a.c.0': [None, '3']}
    """
    flat = [dict(_leaves(config, "")) for config in configs]
    paths = dict.fromkeys(path for one in flat for path in one)
    return {
        path: [one.get(path) for one in flat]
        for path in paths
        if path not in _NOT_COMPARED and len({one.get(path) for one in flat}) > 1
    }


def _leaves(value: Any, path: str) -> list[tuple[str, str]]:
    """Every value that is no table or list, or an empty one, with its dotted path."""
    if isinstance(value, Mapping) and value:
        items = [(str(key), inner) for key, inner in value.items()]
    elif isinstance(value, list) and value:
        items = [(str(number), inner) for number, inner in enumerate(value)]
    else:
        return [(path, json.dumps(value, ensure_ascii=False))]
    return [
        leaf for key, inner in items for leaf in _leaves(inner, f"{path}.{key}" if path else key)
    ]


def _evaluators(
    runs: Sequence[FinishedRun], catalog: Catalog, n_resamples: int | None
) -> dict[str, Evaluator[Any]]:
    """Those that all runs have, as the first run configures them."""
    found: dict[str, Evaluator[Any]] = {}
    for raw in runs[0].config["evaluators"]:
        if all(raw["kind"] in run.metrics for run in runs):
            if n_resamples is not None and "n_resamples" in raw:
                raw = {**raw, "n_resamples": n_resamples}
            try:
                config = catalog.parse("evaluator", raw)
            except CatalogError as error:
                raise ConfigError(
                    f"{runs[0].folder}: {error}; give the run's registry file by --registry"
                ) from error
            except ValueError as error:
                raise ConfigError(
                    f"{runs[0].folder / 'config.json'}: evaluator {raw['kind']} has other fields "
                    f"than this version knows; evaluate the model again ({error})"
                ) from error
            found[config.kind] = catalog.create("evaluator", config, runs[0].anatomy)
    return found


def _differences(
    runs: Sequence[FinishedRun],
    keys: Sequence[Key],
    evaluations: Mapping[str, Mapping[str, Evaluation]],
    evaluators: Mapping[str, Evaluator[Any]],
) -> dict[str, dict[Key, Comparison]]:
    """Every run but the first against it; one family of tests."""
    family: dict[tuple[str, Key], Comparison] = {}
    for run in runs[1:]:
        pair = ([evaluations[run.label]], [evaluations[runs[0].label]])
        found = compare_methods(*pair, evaluators)
        for kind, name in keys:
            if name in found.get(kind, {}):
                family[run.label, (kind, name)] = found[kind][name]
    tested = corrected({str(number): c for number, c in enumerate(family.values())})
    together = zip(family, tested.values(), strict=True)
    differences: dict[str, dict[Key, Comparison]] = {run.label: {} for run in runs[1:]}
    for (label, key), comparison in together:
        differences[label][key] = comparison
    return differences
