"""Two methods that predicted the same scans: differences of their metrics.

Both are measured on the scans they share by the same evaluators with the same resamples of
patients, so that a difference is paired, scan by scan. Any metric of which an evaluator keeps
its resamples (:attr:`crossdl.evaluation.cases.Evaluation.drawn`) can be compared.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossdl.errors import InputError
from crossdl.evaluation.cases import Evaluation, EvaluationSet
from crossdl.evaluation.lines import evaluation_set
from crossdl.evaluation.resampling import ResamplingConfig
from crossdl.interfaces import Evaluator
from crossdl.statistics.comparisons import Comparison, average, compare

Line = dict[str, Any]
_IDENTITY = ("patient", "truth", "fingerprint")
"""What two lines of one scan must have in common: the person, the truth, the voxels."""


@dataclass(frozen=True)
class Shared:
    """What several runs have in common.

    Attributes:
        scans: Names of the scans that all of them predicted, in the first run's order.
        different: Names that all runs have but that mean another scan, or have another truth, in
            one of them; they are not among ``scans``.
    """

    scans: tuple[str, ...]
    different: tuple[str, ...]


def read_lines(run: Path) -> list[Line]:
    """What a run predicted of its test scans.

    Raises:
        InputError: There is nothing, or it is damaged.
    """
    path = run / "predictions.jsonl"
    if not path.is_file():
        raise InputError(f"{path}: is missing; finish the run with its own command")
    return _lines(path)


def read_valid(run: Path) -> list[Line]:
    """What a run predicted of its validation scans; nothing where no evaluator wanted it.

    Raises:
        InputError: The file is damaged.
    """
    path = run / "validation.jsonl"
    return _lines(path) if path.is_file() else []


def _lines(path: Path) -> list[Line]:
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise InputError(f"{path}: damaged ({error}); remove it and run again") from error
    if not lines:
        raise InputError(f"{path}: holds no scan; remove it and run again")
    return lines


def shared_scans(runs: Sequence[Sequence[Line]]) -> Shared:
    """Which scans several runs predicted and judge by the same truth.

    Args:
        runs: Lines of each run, at least one.
    """
    tables = [{line["scan"]: line for line in lines} for lines in runs]
    scans: list[str] = []
    different: list[str] = []
    for name, line in tables[0].items():
        others = [table[name] for table in tables[1:] if name in table]
        if len(others) < len(tables) - 1:
            continue
        same = all(line.get(key) == other.get(key) for other in others for key in _IDENTITY)
        (scans if same else different).append(name)
    return Shared(tuple(scans), tuple(different))


def evaluate_scans(
    lines: Sequence[Line],
    scans: Sequence[str],
    evaluators: Mapping[str, Evaluator[Any]],
    seed: int,
    valid: Sequence[Line] = (),
) -> dict[str, Evaluation]:
    """Measures some scans of a run.

    Args:
        lines: Of the run.
        scans: Names; their order decides that of the cases.
        evaluators: By kind; they do not see the cohort.
        seed: Of the resamples.
        valid: Lines of the run's validation scans.
    """
    table = {line["scan"]: line for line in lines}
    cases: EvaluationSet = evaluation_set(
        [table[name] for name in scans], valid=evaluation_set(valid) if valid else None
    )
    return {kind: evaluator.evaluate(cases, seed) for kind, evaluator in evaluators.items()}


def compare_methods(
    first: Sequence[Mapping[str, Evaluation]],
    second: Sequence[Mapping[str, Evaluation]],
    evaluators: Mapping[str, Evaluator[Any]],
) -> dict[str, dict[str, Comparison]]:
    """First minus second, for every metric of which both keep resamples.

    Args:
        first: Evaluations of :func:`evaluate_scans`, one for each training (seed) of the method;
            the mean of a metric over trainings is what is compared.
        second: Of the other method on the same scans, with the same seed of the resamples.
        evaluators: By kind; their configs say which interval.

    Returns:
        Kind of evaluator → metric → comparison; p are not corrected
        (:func:`crossdl.statistics.comparisons.corrected`).
    """
    found: dict[str, dict[str, Comparison]] = {}
    for kind, evaluator in evaluators.items():
        config = evaluator.config
        if not isinstance(config, ResamplingConfig):
            continue
        trainings = [one[kind].drawn for one in (*first, *second)]
        names = [n for n in trainings[0] if all(n in drawn for drawn in trainings[1:])]
        one, two = trainings[: len(first)], trainings[len(first) :]
        compared = {
            name: compare(
                average([drawn[name] for drawn in one]),
                average([drawn[name] for drawn in two]),
                confidence=config.confidence,
                interval=config.interval,
            )
            for name in names
        }
        if compared:
            found[kind] = compared
    return found
