"""What a phantom scan shows, as its report may tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "haematoma",
    "contusion",
    "epidural",
    "subdural",
    "subarachnoid",
    "intraventricular",
    "infarct",
    "encephalomalacia",
    "oedema",
    "hygroma",
    "arachnoid_cyst",
    "tumour",
]
"""Kinds of lesions; which abnormality types a kind has follows from its cells."""

DISEASES: Mapping[Kind, str] = {
    "haematoma": "intraparenchymal haematoma",
    "contusion": "contusion",
    "epidural": "epidural haematoma",
    "subdural": "subdural haematoma",
    "subarachnoid": "subarachnoid haemorrhage",
    "intraventricular": "intraventricular haemorrhage",
    "infarct": "infarct",
    "encephalomalacia": "encephalomalacia",
    "oedema": "oedema",
    "hygroma": "subdural hygroma",
    "arachnoid_cyst": "arachnoid cyst",
    "tumour": "tumour",
}
"""What a reader calls a scan that shows such a lesion."""

Confounder = Literal[
    "choroid_calcification",
    "falx_calcification",
    "pineal_calcification",
    "basal_ganglia_calcification",
    "white_matter_ischaemia",
    "atrophy",
    "post_operative",
    "artefact",
    "fracture",
    "scalp_swelling",
]
"""What is visible and may be reported, but is no abnormality by the labels' definitions."""

Acuity = Literal["acute", "subacute", "chronic", "mixed"]


@dataclass(frozen=True)
class Finding:
    """One lesion as it is visible on the finished scan.

    Attributes:
        kind: What it is.
        cells: ``(row, column)`` of the abnormality matrix it is responsible for; rows 0 to N - 1
            are regions, N is *other*. Never empty: what is too small to see is no finding.
        size_mm: Longest extent.
        acuity: Age of blood, None where it means nothing.
    """

    kind: Kind
    cells: frozenset[tuple[int, int]]
    size_mm: float
    acuity: Acuity | None = None


@dataclass(frozen=True)
class Story:
    """Everything worth writing about one scan.

    Attributes:
        findings: Lesions; empty for a scan without abnormality.
        confounders: Visible, but no abnormality.
        midline_shift_mm: Displacement of the mid-plane by mass effect, positive to the left.
        other_places: ``(column, place, side)`` for each type column that has lesions outside all
            regions: the index in the tables ``elsewhere`` (-1 for the fluid between lobes) where
            most of it lies, and its side key, None for both sides.
    """

    findings: tuple[Finding, ...] = ()
    confounders: tuple[Confounder, ...] = ()
    midline_shift_mm: float = 0.0
    other_places: tuple[tuple[int, int, str | None], ...] = ()


def diseases(story: Story) -> dict[str, float]:
    """Every one of :data:`DISEASES`: 1 if the scan shows it, else 0."""
    shown = {finding.kind for finding in story.findings}
    return {name: float(kind in shown) for kind, name in DISEASES.items()}
