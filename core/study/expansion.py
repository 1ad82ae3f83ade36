"""From a study to its cells: every combination of values and seeds as a validated composition."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossdl.config import Loc
from crossdl.errors import ConfigError
from crossdl.inheritance import assign, lookup, merge
from crossdl.study.definition import AxisTable, Scale, Study

if TYPE_CHECKING:
    from crossdl.registry import Composition

_LONGEST = 60  # characters of the values in a folder's name


@dataclass(frozen=True)
class CellPlan:
    """One cell.

    Attributes:
        slug: Name of its folder, unique in the study.
        values: Title of each axis's value.
        seed: Its seed.
        composition: What is run.
    """

    slug: str
    values: tuple[str, ...]
    seed: int
    composition: Composition

    @property
    def label(self) -> str:
        """For people: values and seed."""
        return f"{', '.join(self.values)}, seed {self.seed}"


class BadCell(Exception):
    """A combination that is not valid: ``mistakes`` are paths inside study or scale and reasons.

    Attributes:
        mistakes: ``(where, path, reason)``, where is "study" or "scale".
    """

    def __init__(self, mistakes: list[tuple[str, Loc, str]]) -> None:
        """Keeps them."""
        super().__init__("; ".join(reason for _, _, reason in mistakes))
        self.mistakes = mistakes


def expand(
    study: Study,
    base: Composition,
    context: Mapping[str, Any],
    scale: Scale | None = None,
    changes: Mapping[str, Any] | None = None,
) -> list[CellPlan]:
    """All cells, in the order of the axes, seeds last.

    Args:
        study: As it is at the scale, see :meth:`Study.at_scale`.
        base: Its base composition.
        context: Of validation: the catalog.
        scale: Changes what axes do not set.
        changes: What has been changed in the base, dotted path → value; the scale does not.

    Raises:
        BadCell: With every mistake of every combination.
    """
    cells: list[CellPlan] = []
    mistakes: list[tuple[str, Loc, str]] = []
    numbers = [range(len(axis.values)) for axis in study.axes]
    asked = list((changes or {}).items())
    taken: set[str] = set()
    for chosen in itertools.product(*numbers):
        try:
            composition = _combined(study.axes, chosen, base, context)
            if scale is not None:
                values = [(a.field, a.values[i]) for a, i in zip(study.axes, chosen, strict=True)]
                kept = _set_by([*asked, *values])
                composition = _scaled(composition, scale, kept, context)
        except BadCell as error:
            mistakes += [m for m in error.mistakes if m not in mistakes]
            continue
        titles = tuple(a.value_titles[i] for a, i in zip(study.axes, chosen, strict=True))
        name = _unique(_slug(titles), taken)
        for seed in study.seeds:
            seeded = composition.model_copy(update={"seed": seed})
            cells.append(CellPlan(f"{name}_seed{seed}", titles, seed, seeded))
    if mistakes:
        raise BadCell(mistakes)
    return cells


def _combined(
    axes: tuple[AxisTable, ...],
    chosen: tuple[int, ...],
    base: Composition,
    context: Mapping[str, Any],
) -> Composition:
    """The base with one value of every axis."""
    from crossdl.registry import Composition, validated

    made: Composition | None = base
    for number, (axis, index) in enumerate(zip(axes, chosen, strict=True)):
        assert made is not None
        value = axis.values[index]
        at: Loc = ("axes", number, "values", index)
        try:
            raw = made.model_dump()
            if axis.field is None:
                raw = merge(raw, value)
            else:
                lookup(raw, axis.field)
                raw = assign(raw, axis.field, value)
        except ConfigError as error:
            raise BadCell([("study", ("axes", number, "field"), str(error))]) from error
        made, found = validated(Composition, raw, context)
        if made is None:
            raise BadCell(
                [("study", at, f"{'.'.join(map(str, path))}: {reason}") for path, reason in found]
            )
    assert made is not None
    return made


def _scaled(
    composition: Composition, scale: Scale, kept: Mapping[str, Any], context: Mapping[str, Any]
) -> Composition:
    """A composition at a scale, except for the fields in ``kept``."""
    from crossdl.registry import Composition, validated

    for slot, table in scale.tables:
        raw = composition.model_dump()
        if table.get("kind", raw[slot]["kind"]) != raw[slot]["kind"]:
            continue
        raw[slot] = merge(raw[slot], _without(table, kept.get(slot, {})))
        made, found = validated(Composition, raw, context)
        if made is None:
            raise BadCell([("scale", path, reason) for path, reason in found])
        composition = made
    return composition


def _set_by(values: Iterable[tuple[str | None, Any]]) -> dict[str, Any]:
    """Everything that values at dotted paths set, as nested tables."""
    found: dict[str, Any] = {}
    for field, value in values:
        if not field:
            found = _joined(found, value)
            continue
        *outer, last = field.split(".")
        nested: dict[str, Any] = {last: value}
        for key in reversed(outer):
            nested = {key: nested}
        found = _joined(found, nested)
    return found


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Both tables; what stands in the second holds."""
    made = dict(first)
    for key, value in second.items():
        old = made.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _joined(old, value)
        made[key] = value
    return made


def _without(table: Mapping[str, Any], kept: Any) -> dict[str, Any]:
    """``table`` without the leaves that ``kept`` has as well."""
    if not isinstance(kept, dict):  # a bare name of a kind sets no field
        return dict(table)
    made: dict[str, Any] = {}
    for key, value in table.items():
        if key not in kept:
            made[key] = value
        elif isinstance(value, dict) and isinstance(kept[key], dict):
            made[key] = _without(value, kept[key])
    return made


def _slug(titles: tuple[str, ...]) -> str:
    """Letters, digits and dots of the titles in lower case."""
    parts = (re.sub(r"[^a-z0-9.]+", "_", title.lower()).strip("_.") for title in titles)
    return "__".join(part or "value" for part in parts)[:_LONGEST].rstrip("_.") or "value"


def _unique(name: str, taken: set[str]) -> str:
    for candidate in _numbered(name):
        if candidate not in taken:
            taken.add(candidate)
            return candidate
    raise AssertionError


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in itertools.count(2):
        yield f"{name}_{number}"
