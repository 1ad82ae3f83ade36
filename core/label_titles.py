"""How labels are shown to people: titles of an anatomy, names of mere labels."""

from __future__ import annotations

from crossdl.anatomy import Anatomy
from crossdl.labels import LabelSet


def region_titles(labels: LabelSet) -> tuple[str, ...]:
    """One per region label, in order."""
    if isinstance(labels, Anatomy):
        bags = tuple(region.title for region in labels.regions)
        return (*bags, labels.other.title, labels.unclear.title)
    return tuple(_spaced(name) for name in labels.label_names)


def type_titles(labels: LabelSet) -> tuple[str, ...]:
    """One per type label, in order."""
    if isinstance(labels, Anatomy):
        return tuple(kind.title for kind in labels.types)
    return tuple(_spaced(name) for name in labels.type_names)


def _spaced(name: str) -> str:
    return name.replace("_", " ")
