"""What is known of every scan of a cohort, as columns that can be compared between its splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossdl.anatomy import Anatomy
from crossdl.evaluation.cases import CohortScan, EvaluationSet
from crossdl.statistics.auroc import union
from crossdl.types import Float64Array, FloatArray, ScanRecord

THRESHOLD = 0.5
"""A cell is positive from this probability on, as where E1 merges sentences."""
_OF_PATIENTS = ("age_years", "sex")
_MOST, _OTHERS = 8, "all others"
_UNITS = {"years": "years", "mm": "mm"}


@dataclass(frozen=True, eq=False)
class Feature:
    """One number of every scan, or of every patient.

    Attributes:
        title: What tables print.
        values: ``(n,)`` by scan, NaN where unknown.
        share: Whether values are 0 and 1, so that their mean is a share.
        of_patients: Whether it is of patients, and known at one of their scans only.
        compared: Whether splits should be alike in it.
    """

    title: str
    values: Float64Array
    share: bool
    of_patients: bool = False
    compared: bool = True


def scans_of(cases: EvaluationSet) -> tuple[CohortScan, ...]:
    """The whole cohort; where it is not given, the evaluated scans with their truth."""
    if cases.cohort:
        return cases.cohort
    parts = zip(cases.scan_ids, cases.patient_ids, cases.truth, strict=True)
    return tuple(CohortScan(ScanRecord(s, p, "test", truth=t), None) for s, p, t in parts)


def label_matrices(scans: Sequence[CohortScan], anatomy: Anatomy, *, gold: bool) -> FloatArray:
    """Which cells of which scan are positive.

    Args:
        scans: n scans.
        anatomy: Regions and types.
        gold: Whether gold labels count before weak ones, or after them.

    Returns:
        ``(n, N + 2, M)`` 1, 0, or NaN where nothing is known.
    """
    shape = (len(scans), len(anatomy.label_names), anatomy.n_types)
    found = np.full(shape, np.nan, dtype=np.float32)
    for matrix, scan in zip(found, scans, strict=True):
        both = (scan.record.truth, scan.labels)
        for values in both if gold else both[::-1]:
            if values is not None:
                matrix[:] = np.where(np.isnan(values), np.nan, values >= THRESHOLD)
                break
    return found


def with_margins(labels: FloatArray) -> FloatArray:
    """Adds a row and a column *any* to ``(n, N + 2, M)``; NaN where that is not known."""
    rows = np.concatenate([labels, union(labels, axis=1)[:, None]], axis=1)
    return np.concatenate([rows, union(rows, axis=2)[..., None]], axis=2)


def label_features(labels: FloatArray, anatomy: Anatomy) -> list[Feature]:
    """Abnormal scans, and scans with each type, of ``(n, N + 3, M + 1)`` with margins."""
    titles = ["Abnormal", *(t.title for t in anatomy.types)]
    columns = [labels[:, -1, j] for j in (-1, *range(anatomy.n_types))]
    pairs = zip(titles, columns, strict=True)
    return [Feature(title, values.astype(np.float64), True) for title, values in pairs]


def report_features(scans: Sequence[CohortScan], anatomy: Anatomy) -> list[Feature]:
    """Whether a scan has weak labels (a report, in most cohorts), gold labels; its sentences."""
    from crossdl.reports import split_findings

    records = [scan.record for scan in scans]
    reported = [r.findings is not None or r.labels is not None for r in records]
    gold = [r.truth is not None for r in records]

    def sentences(record: ScanRecord) -> float:
        if record.findings is not None:
            return len(split_findings(record.findings, anatomy))
        return float(record.facts.get("sentences", np.nan))

    counts = np.array([sentences(record) for record in records], dtype=np.float64)
    return [
        Feature("With a report or weak labels", np.array(reported, float), True, compared=False),
        Feature("With gold labels", np.array(gold, float), True, compared=False),
        Feature("Sentences of the report", counts, False),
    ]


def fact_features(scans: Sequence[CohortScan]) -> list[Feature]:
    """The facts that the cohort knows: a column per number, and per value of a text."""
    names = dict.fromkeys(name for scan in scans for name in scan.record.facts)
    found: list[Feature] = []
    for name in names:
        if name == "sentences":
            continue
        values = [scan.record.facts.get(name) for scan in scans]
        person = name in _OF_PATIENTS
        if person:
            values = _once_per_patient(values, [scan.record.patient_id for scan in scans])
        if any(isinstance(value, str) for value in values):
            found += _shares(fact_title(name), values, person)
        else:
            numbers = [np.nan if value is None else float(value) for value in values]
            found.append(Feature(fact_title(name), np.array(numbers), False, person))
    return found


def fact_title(name: str) -> str:
    """``"Age (years)"`` of ``"age_years"``."""
    words, unit = name.rpartition("_")[::2]
    if words and unit in _UNITS:
        return f"{words.replace('_', ' ').capitalize()} ({_UNITS[unit]})"
    return name.replace("_", " ").capitalize()


def _shares(title: str, values: Sequence[float | str | None], of_patients: bool) -> list[Feature]:
    """A column per value, the most frequent first; rare values of many share a column."""
    known = [None if value is None else str(value) for value in values]
    counts = Counter(value for value in known if value is not None)
    order = sorted(counts, key=lambda item: (-counts[item], item))
    if len(order) > _MOST:
        kept = set(order[: _MOST - 1])
        known = [v if v is None or v in kept else _OTHERS for v in known]
        order = [*order[: _MOST - 1], _OTHERS]
    return [
        Feature(
            f"{title}: {item}",
            np.array([np.nan if value is None else float(value == item) for value in known]),
            True,
            of_patients,
        )
        for item in order
    ]


def _once_per_patient(
    values: Sequence[float | str | None], patients: Sequence[str]
) -> list[float | str | None]:
    """The lowest known value of each patient at one of the scans, None at the others.

    Of ages it is that at the first scan.
    """
    lowest: dict[str, tuple[float | str, int]] = {}
    for k, (patient, value) in enumerate(zip(patients, values, strict=True)):
        if value is not None and (patient not in lowest or value < lowest[patient][0]):  # type: ignore[operator]
            lowest[patient] = value, k
    chosen = {k: value for value, k in lowest.values()}
    return [chosen.get(k) for k in range(len(values))]
