"""Files → series → scans: which series the rules take, and facts of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from statistics import median
from typing import Any

from crossdl.ingest.database import Database
from crossdl.ingest.rules import Rules, SeriesRules


@dataclass(frozen=True)
class Scan:
    """One DICOM series with at least one image.

    Attributes:
        uid: SeriesInstanceUID.
        patient: PatientID, empty if the files have none.
        study: StudyInstanceUID.
        time: Earliest acquisition, or None.
        age: Years, uncapped, or None.
        sex: First letter of PatientSex, or "".
        manufacturer: As in the header, or "".
        model: As in the header, or "".
        kernel: ConvolutionKernel of most slices, or "".
        description: SeriesDescription, or "".
        thickness: Median SliceThickness in mm, or 0.
        slices: Slices without copies and without images of dropped types.
        copies: Paths of files that repeat another one's SOPInstanceUID.
        reason: Why the series is no scan, or None.
        bone: ``bone_kernel`` or ``bone_window`` if most slices are such, or None.
    """

    uid: str
    patient: str
    study: str
    time: datetime | None
    age: float | None
    sex: str
    manufacturer: str
    model: str
    kernel: str
    description: str
    thickness: float
    slices: int
    copies: tuple[bytes, ...]
    reason: str | None
    bone: str | None


SERIES_REASONS = (
    "modality", "image_type", "description", "excluded_description", "no_patient",
    "mixed_patients", "no_time",
)  # fmt: skip
"""Why a series is no scan, in the order of checking."""


def all_series(database: Database, rules: Rules) -> Iterator[Scan]:
    """Every series of the index, by UID, one in memory at a time."""
    for uid, rows in groupby(database.slices(), key=lambda row: row[0]):
        yield _scan(uid, [(sop, path, facts) for _, sop, path, _, _, facts in rows], rules)


def slices_of(
    files: Iterable[tuple[str, bytes, int, int, dict[str, Any]]], rules: Rules
) -> list[tuple[str, bytes, int, int]]:
    """SOP, path, size and mtime of the files of a series that are its slices."""
    taken: dict[str, tuple[str, bytes, int, int]] = {}
    for sop, path, size, mtime, facts in files:
        if sop not in taken and not _dropped(facts, rules.series):
            taken[sop] = (sop, path, size, mtime)
    return [taken[sop] for sop in sorted(taken)]


def _dropped(facts: Mapping[str, Any], rules: SeriesRules) -> bool:
    drop = {kind.strip().upper() for kind in rules.drop_image_types}
    return not drop.isdisjoint(facts.get("image_type", ()))


def _scan(uid: str, rows: list[tuple[str, bytes, dict[str, Any]]], given: Rules) -> Scan:
    rules = given.series
    first: dict[str, dict[str, Any]] = {}
    copies = []
    for sop, path, facts in rows:
        if sop in first:
            copies.append(path)
        else:
            first[sop] = facts
    images = list(first.values())
    slices = [facts for facts in images if not _dropped(facts, rules)]
    shown = slices or images
    times = [facts["time"] for facts in shown if "time" in facts]
    time = datetime.fromisoformat(min(times)) if times else None
    patients = {given.pairing.patient_key(facts.get("patient", "")) for facts in images}
    found = {
        key: _most(facts.get(key, "") for facts in shown)
        for key in (
            "modality", "description", "study", "sex", "manufacturer", "model", "kernel",
        )
    }  # fmt: skip
    checks = {
        "modality": found["modality"] == rules.modality,
        "image_type": bool(slices),
        "description": rules.accepts(found["description"]),
        "excluded_description": not rules.refuses(found["description"]),
        "no_patient": patients != {""},
        "mixed_patients": len(patients) == 1,
        "no_time": time is not None,
    }
    return Scan(
        uid=uid,
        patient=min(patients),
        study=found["study"],
        time=time,
        age=min((facts["age"] for facts in shown if "age" in facts), default=None),
        sex=found["sex"],
        manufacturer=found["manufacturer"],
        model=found["model"],
        kernel=found["kernel"],
        description=found["description"],
        thickness=median([facts.get("thickness", 0.0) for facts in shown]),
        slices=sum(int(facts.get("frames", 1)) for facts in slices),
        copies=tuple(copies),
        reason=next((name for name in SERIES_REASONS if not checks[name]), None),
        bone=_bone(slices, rules),
    )


def _most(values: Iterable[str]) -> str:
    """The most frequent value; of equally frequent ones the first in the alphabet."""
    return min(Counter(values).items(), key=lambda item: (-item[1], item[0]))[0]


def _bone(slices: list[dict[str, Any]], rules: SeriesRules) -> str | None:
    half = len(slices) / 2
    if sum(rules.is_bone_kernel(facts.get("kernel", "")) for facts in slices) > half:
        return "bone_kernel"
    window = [rules.is_bone_window(facts.get("center"), facts.get("width")) for facts in slices]
    return "bone_window" if sum(window) > half else None
