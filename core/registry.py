"""``registry.toml``: compositions (one component per slot) and studies (a base and its axes)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from crossdl.anatomy import load_anatomy
from crossdl.catalog import Catalog
from crossdl.config import ComponentConfig, Loc, Slot, flatten_errors
from crossdl.errors import ConfigError
from crossdl.hints import suggest
from crossdl.inheritance import assign

ModelT = TypeVar("ModelT", bound=BaseModel)
Mistake = tuple[Loc, str]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Composition(_Model):
    """One component per slot: everything that decides the result of a run."""

    description: str = Field("", description="one sentence for `crossdl list`")
    anatomy: str = Field(
        "head_ct", description="built-in anatomy, or a .toml file, relative to the registry file"
    )
    seed: Seed = Field(0, description="everything random derives from it")
    cohort: Annotated[SerializeAsAny[ComponentConfig], Slot("cohort")]
    discretizer: Annotated[SerializeAsAny[ComponentConfig], Slot("discretizer")]
    segmenter: Annotated[SerializeAsAny[ComponentConfig], Slot("segmenter")]
    analyzer: Annotated[SerializeAsAny[ComponentConfig], Slot("analyzer")]
    evaluators: tuple[Annotated[SerializeAsAny[ComponentConfig], Slot("evaluator")], ...] = Field(
        min_length=1
    )

    @field_validator("anatomy")
    @classmethod
    def _anatomy_loads(cls, name: str, info: ValidationInfo) -> str:
        folder = (info.context or {}).get("folder")
        if name.endswith(".toml") and folder is not None:
            name = str(folder / name)
        try:
            load_anatomy(name)
        except ConfigError as error:
            raise ValueError("; ".join([error.headline, *error.problems])) from error
        return name


class Study(_Model):
    """A comparison: a base composition and the values one of its fields takes."""

    description: str = Field("", description="one sentence for `crossdl list`")
    base: str = Field(description="name of a composition")
    axis: str = Field(description="dotted path of the field that varies, e.g. analyzer.pooling")
    values: tuple[Any, ...] = Field(
        min_length=1, description="what the field becomes, cell by cell"
    )
    seeds: tuple[Seed, ...] = Field(
        (0,), min_length=1, description="every value runs once per seed"
    )
    metrics: tuple[str, ...] = Field((), description="metrics to compare; empty means all")

    @field_validator("axis")
    @classmethod
    def _not_the_seed(cls, axis: str) -> str:
        if axis == "seed":
            raise ValueError("the seed varies by seeds = [...]; name another field")
        return axis

    @field_validator("values", "seeds")
    @classmethod
    def _no_repeats(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        for index, value in enumerate(values):
            if any(type(value) is type(v) and value == v for v in values[:index]):
                raise ValueError(f"item {index} ({value_label(value)}) is there twice")
        return values


@dataclass(frozen=True)
class Registry:
    """A validated registry file.

    Attributes:
        path: The file.
        catalog: All kinds it can name, its ``plugin_paths`` included.
        compositions: By name, inheritance resolved; the shipped ones are there as well.
        own: Names of the compositions that stand in the file itself.
        studies: By name; every cell has been validated.
    """

    path: Path
    catalog: Catalog
    compositions: Mapping[str, Composition]
    own: tuple[str, ...]
    studies: Mapping[str, Study]

    def composition(self, name: str, changes: Mapping[str, Any] | None = None) -> Composition:
        """A composition, optionally with fields changed.

        Args:
            name: Name in the file.
            changes: Dotted path → new value, e.g. ``{"analyzer.epochs": 2}``, applied in order.
                A table is merged into the old one unless it names another kind.

        Raises:
            ConfigError: No such composition, or a change does not fit.
        """
        if name not in self.compositions:
            raise ConfigError(
                f"{self.path}: there is no composition {name!r}{suggest(name, self.compositions)}"
            )
        made = self.compositions[name]
        problems: list[str] = []
        for dotted, value in (changes or {}).items():
            try:
                raw = assign(made.model_dump(), dotted, value)
            except ConfigError as error:
                problems.append(f"{dotted}: {error}")
                continue
            changed, mistakes = validated(Composition, raw, {"catalog": self.catalog})
            problems += [f"{'.'.join(map(str, path))}: {message}" for path, message in mistakes]
            made = changed or made
        if problems:
            raise ConfigError(f"composition {name!r} with changes is not valid", problems)
        return made

    def cells(self, name: str) -> Iterator[tuple[str, Composition]]:
        """All cells of a study as ``(label, composition)``; labels are unique.

        Raises:
            ConfigError: No such study.
        """
        if name not in self.studies:
            raise ConfigError(
                f"{self.path}: there is no study {name!r}{suggest(name, self.studies)}"
            )
        study = self.studies[name]
        for value, seed in itertools.product(study.values, study.seeds):
            yield (
                f"{study.axis}={value_label(value)}, seed {seed}",
                self.composition(study.base, {study.axis: value, "seed": seed}),
            )


def default_registry_text() -> str:
    """The registry shipped with the package."""
    return (files("crossdl") / "registry.toml").read_text(encoding="utf-8")


def load_registry(path: Path | None = None) -> Registry:
    """Reads and validates a registry file.

    Args:
        path: The file; None means the one shipped with the package.

    Raises:
        ConfigError: With every mistake of the file at once, each with its dotted path and line.
        CatalogError: Plugins collide.
    """
    from crossdl.registry_reader import read

    if path is not None:
        return read(path)
    with as_file(files("crossdl") / "registry.toml") as shipped:
        return read(shipped)


def value_label(value: Any) -> str:
    """Short text for a value of a study or a component: ``top_k(k=5)`` for a table."""
    if not isinstance(value, dict):
        return str(value)
    fields = ", ".join(f"{key}={value_label(v)}" for key, v in value.items() if key != "kind")
    kind = str(value.get("kind", ""))
    return f"{kind}({fields})" if fields else kind


def validated(
    model: type[ModelT], raw: Any, context: Mapping[str, Any]
) -> tuple[ModelT | None, list[Mistake]]:
    """A model of ``raw``, or None and what is wrong with it."""
    try:
        return model.model_validate(raw, context=dict(context)), []
    except ValidationError as error:
        return None, [(path, message) for path, message, _ in flatten_errors(error, model)]
