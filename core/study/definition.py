"""Studies and scales as they stand in a registry file.

A study is a base composition and axes along which it varies; a cell is one value of every axis
with one seed. A scale is a size at which any study can be run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from crossdl.config import value_label

WHOLE = "composition"
"""What an axis without a field is called: its values are tables of a composition's fields."""

Seed = Annotated[int, Field(ge=0, lt=2**31)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class AxisTable(_Model):
    """One thing that varies."""

    field: str | None = Field(
        None,
        min_length=1,
        description="dotted path of the field that varies, e.g. analyzer.pooling; none: each "
        "value is a table of fields of the composition that change together",
    )
    title: str = Field("", description="what tables call it; empty means the field")
    values: tuple[Any, ...] = Field(
        min_length=1,
        description="what the field becomes, the reference first; a table is merged into the "
        "base's unless it names another kind, so {} is the base as it is",
    )
    titles: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        (), description="what tables call the values; empty means the values themselves"
    )

    @field_validator("field")
    @classmethod
    def _not_the_seed(cls, field: str | None) -> str | None:
        if field == "seed":
            raise ValueError("the seed varies by seeds = [...]; name another field")
        return field

    @field_validator("values")
    @classmethod
    def _no_repeats(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return _different(values)

    @model_validator(mode="after")
    def _complete(self) -> AxisTable:
        if self.titles and len(self.titles) != len(self.values):
            raise ValueError(f"has {len(self.values)} values and {len(self.titles)} titles")
        if len(set(self.value_titles)) < len(self.values):
            raise ValueError("two values have one title; give titles = [...]")
        if self.field is None and not all(isinstance(v, dict) for v in self.values):
            raise ValueError("without a field every value must be a table of fields")
        return self

    @property
    def name(self) -> str:
        """The field, or what stands for none."""
        return self.field or WHOLE

    @property
    def value_titles(self) -> tuple[str, ...]:
        """One per value."""
        return self.titles or tuple(value_label(value) or "base" for value in self.values)


class Resized(_Model):
    """What a study changes about itself at one scale."""

    axes: Annotated[tuple[AxisTable, ...], Field(min_length=1)] | None = Field(
        None, description="instead of the study's"
    )
    seeds: Seeds | None = Field(None, description="instead of the study's and the scale's")


class Study(_Model):
    """A comparison: a base composition and what varies."""

    description: str = Field("", description="one sentence for `crossdl list`")
    base: str = Field(description="name of a composition")
    axes: tuple[AxisTable, ...] = Field(
        min_length=1, description="what varies; with several, every combination is a cell"
    )
    seeds: Seeds = Field((0,), description="every combination runs once per seed")
    metrics: tuple[str, ...] = Field(
        (),
        description="metrics to compare by name or pattern such as scan/*; empty means all that "
        "can be",
    )
    engine: Literal["local", "ray"] = Field(
        "local", description="processes of this machine, or Ray; the results are the same"
    )
    at: Mapping[str, Resized] = Field(
        default_factory=dict, description="name of a scale → what changes there"
    )

    @field_validator("axes")
    @classmethod
    def _different_fields(cls, axes: tuple[AxisTable, ...]) -> tuple[AxisTable, ...]:
        names = [axis.name for axis in axes]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"{name} is the field of two axes")
        return axes

    @field_validator("seeds")
    @classmethod
    def _no_repeats(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        return _different(seeds)

    def at_scale(self, name: str | None, scale: Scale | None) -> Study:
        """The study as it is at a scale."""
        changes: dict[str, Any] = {}
        if scale is not None and scale.seeds is not None:
            changes["seeds"] = scale.seeds
        own = self.at.get(name or "")
        if own is not None:
            changes |= {k: v for k, v in (("axes", own.axes), ("seeds", own.seeds)) if v}
        return self.model_copy(update=changes)


Tables = tuple[Mapping[str, Any], ...]


class Scale(_Model):
    """A size at which studies are run: fields of the base's components.

    What an axis sets stays as it is. A table that names a kind changes components of this kind
    only; one slot may have several tables.
    """

    description: str = Field("", description="one sentence for `crossdl list`")
    seeds: Seeds | None = Field(None, description="instead of the studies'")
    cohort: Tables = Field((), description="fields of the cohort")
    discretizer: Tables = Field((), description="fields of the discretizer")
    segmenter: Tables = Field((), description="fields of the segmenter")
    analyzer: Tables = Field((), description="fields of the analyzer")

    @field_validator("cohort", "discretizer", "segmenter", "analyzer", mode="before")
    @classmethod
    def _one_or_more(cls, tables: Any) -> Any:
        return (tables,) if isinstance(tables, dict) else tables

    @property
    def tables(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Slots with their tables, in order."""
        slots = ("cohort", "discretizer", "segmenter", "analyzer")
        return [(slot, table) for slot in slots for table in getattr(self, slot)]


def _different(values: tuple[Any, ...]) -> tuple[Any, ...]:
    for index, value in enumerate(values):
        if any(type(value) is type(v) and value == v for v in values[:index]):
            raise ValueError(f"item {index} ({value_label(value)}) is there twice")
    return values
