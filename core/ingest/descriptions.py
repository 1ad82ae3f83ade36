"""The SeriesDescriptions of the files behind a cohort, to write rules by; not to be shared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from crossdl.ingest.folder import opened
from crossdl.ingest.rules import load_rules
from crossdl.ingest.series import all_series


@dataclass(frozen=True)
class DescribedSeries:
    """Series with one SeriesDescription.

    Attributes:
        description: As in the headers without spaces around it; it may name a patient.
        series: Their number.
        accepted: How many of them the rules accept.
        refused: Why most of the others are refused, a reason of step ``series``, or None.
        slices: Median number of slices.
        thickness_mm: Median SliceThickness, 0 where it is missing.
    """

    description: str
    series: int
    accepted: int
    refused: str | None
    slices: int
    thickness_mm: float


def descriptions(cohort: Path, rules_file: Path | None = None) -> list[DescribedSeries]:
    """Series of the rules' modality by description, the most frequent first.

    Args:
        cohort: Folder of a build, which may have ended with no scan or not at all.
        rules_file: Rules to try; None for those of the last complete build, else the shipped.

    Raises:
        ConfigError: The rules are wrong.
        InputError: ``cohort`` is no folder of a build.
    """
    used = cohort / "rules.toml"
    with opened(cohort, create=False) as database:
        rules, _ = load_rules(rules_file or (used if used.is_file() else None))
        found: dict[str, list[tuple[str | None, int, float]]] = {}
        for scan in all_series(database, rules):
            if scan.reason != "modality":
                facts = (scan.reason, scan.slices, scan.thickness)
                found.setdefault(scan.description.strip(), []).append(facts)
    rows = []
    for name, series in found.items():
        reasons = Counter(reason for reason, _, _ in series if reason)
        rows.append(
            DescribedSeries(
                description=name,
                series=len(series),
                accepted=len(series) - reasons.total(),
                refused=reasons.most_common(1)[0][0] if reasons else None,
                slices=round(median(count for _, count, _ in series)),
                thickness_mm=float(median(thickness for _, _, thickness in series)),
            )
        )
    return sorted(rows, key=lambda row: (-row.series, row.description))
