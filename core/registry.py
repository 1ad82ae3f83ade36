"""``registry.toml``: compositions (one component per slot) and studies (a base and its axes)."""

from __future__ import annotations

import itertools
import re
import tomllib
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
from crossdl.hints import did_you_mean, suggest
from crossdl.inheritance import BrokenChain, ancestry, assign, lookup, resolve
from crossdl.toml_lines import TomlLines

ModelT = TypeVar("ModelT", bound=BaseModel)
Mistake = tuple[Loc, str]
Seed = Annotated[int, Field(ge=0, lt=2**31)]

SECTIONS = ("plugin_paths", "compositions", "studies")
DEEPEST = 50
"""Levels of tables and lists that a registry file may nest."""


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
                raise ValueError(f"item {index} ({_label(value)}) is there twice")
        return values


@dataclass(frozen=True)
class Registry:
    """A validated registry file.

    Attributes:
        path: The file.
        catalog: All kinds it can name, its ``plugin_paths`` included.
        compositions: By name, inheritance resolved.
        studies: By name; every cell has been validated.
    """

    path: Path
    catalog: Catalog
    compositions: Mapping[str, Composition]
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
            changed, mistakes = _validate(Composition, raw, {"catalog": self.catalog})
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
                f"{study.axis}={_label(value)}, seed {seed}",
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
    if path is None:
        with as_file(files("crossdl") / "registry.toml") as shipped:
            return load_registry(shipped)
    if not path.is_file():
        raise ConfigError(f"{path}: no such registry file; give the path of a registry.toml")
    raw: dict[str, Any] | None
    try:
        text = path.read_bytes().decode("utf-8")
        raw = tomllib.loads(text)
    except ValueError as error:  # not UTF-8, not TOML, or a number of thousands of digits
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    except RecursionError:
        raw = None
    if raw is None or _deeper_than(DEEPEST, raw):
        raise ConfigError(f"{path}: is nested too deeply to be a registry")
    return _Reader(path, text, raw).registry()


class _Reader:
    """Validates one file, collecting mistakes."""

    def __init__(self, path: Path, text: str, raw: dict[str, Any]) -> None:
        self.path = path
        self.raw = raw
        self.lines = TomlLines(text)
        self.mistakes: dict[str, int] = {}

    def registry(self) -> Registry:
        for key in self.raw:
            if key not in SECTIONS:
                self.add((key,), f"unknown{suggest(key, SECTIONS)}")
        catalog = Catalog(self.plugin_folders())
        context = {"catalog": catalog, "folder": self.path.resolve().parent}
        tables = self.tables("compositions")
        compositions = self.compositions(tables, context)
        studies: dict[str, Study] = {}
        for name, table in self.tables("studies").items():
            study, mistakes = _validate(Study, table, context)
            self.add_all(("studies", name), mistakes)
            if study is not None:
                studies[name] = study
        registry = Registry(self.path, catalog, compositions, studies)
        for name, study in studies.items():
            if study.base not in tables:
                self.add(
                    ("studies", name, "base"),
                    f"there is no composition {study.base!r}{did_you_mean(study.base, tables)}",
                )
            elif study.base in compositions:
                self.add_all(("studies", name), _study_mistakes(registry, study))
        if self.mistakes:
            count = len(self.mistakes)
            raise ConfigError(
                f"{self.path}: {count} mistake{'s' if count > 1 else ''}",
                sorted(self.mistakes, key=lambda message: self.mistakes[message]),
            )
        return registry

    def add(self, where: Loc, message: str) -> None:
        line = self.lines.find(where)
        dotted = ".".join(map(str, where))
        self.mistakes[f"{f'line {line}: ' if line else ''}{dotted}: {message}"] = line or 0

    def add_all(self, where: Loc, mistakes: list[Mistake]) -> None:
        for path, message in mistakes:
            self.add((*where, *path), message)

    def plugin_folders(self) -> list[Path]:
        given = self.raw.get("plugin_paths", [])
        if not isinstance(given, list) or not all(isinstance(p, str) for p in given):
            self.add(("plugin_paths",), 'must be a list of folders, such as ["plugins"]')
            return []
        folders: dict[Path, None] = {}
        for name in given:
            folder = self.path.parent / name
            if "\0" in name or not folder.is_dir():
                self.add(("plugin_paths",), f"{folder} is not a folder; correct or remove it")
            else:
                folders[folder.resolve()] = None
        return list(folders)

    def tables(self, section: str) -> dict[str, dict[str, Any]]:
        given = self.raw.get(section, {})
        if not isinstance(given, dict):
            self.add((section,), f"must hold tables, such as [{section}.NAME]")
            return {}
        tables = {}
        for name, table in given.items():
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", name):
                self.add((section, name), "is not a name; use letters, digits, _ . + -")
            elif not isinstance(table, dict):
                self.add((section, name), f"must be a table, such as [{section}.{name}]")
            else:
                tables[name] = table
        return tables

    def compositions(
        self, tables: dict[str, dict[str, Any]], context: dict[str, Any]
    ) -> dict[str, Composition]:
        chains: dict[str, list[str]] = {}
        for name in tables:
            try:
                chains[name] = ancestry(tables, name)
            except BrokenChain as error:
                self.add(("compositions", error.owner, "extends"), error.reason)
        made: dict[str, Composition] = {}
        mistakes: dict[str, list[Mistake]] = {}
        for name in sorted(chains, key=lambda n: len(chains[n])):
            composition, found = _validate(Composition, resolve(tables, chains[name]), context)
            inherited = [m for ancestor in chains[name][1:] for m in mistakes[ancestor]]
            mistakes[name] = [m for m in found if m not in inherited]
            self.add_all(("compositions", name), mistakes[name])
            if composition is not None:
                made[name] = composition
        return {name: made[name] for name in tables if name in made}


def _study_mistakes(registry: Registry, study: Study) -> list[Mistake]:
    try:
        lookup(registry.compositions[study.base].model_dump(), study.axis)
    except ConfigError as error:
        return [(("axis",), str(error))]
    mistakes: list[Mistake] = []
    for index, value in enumerate(study.values):
        try:
            registry.composition(study.base, {study.axis: value})
        except ConfigError as error:
            mistakes += [(("values", index), problem) for problem in error.problems]
    return mistakes


def _deeper_than(limit: int, raw: dict[str, Any]) -> bool:
    level: list[Any] = [raw]
    for _ in range(limit):
        level = [
            inner
            for node in level
            if isinstance(node, dict | list)
            for inner in (node.values() if isinstance(node, dict) else node)
        ]
    return bool(level)


def _label(value: Any) -> str:
    """Short text for a value of a study: ``top_k(k=5)`` for a table."""
    if not isinstance(value, dict):
        return str(value)
    fields = ", ".join(f"{key}={_label(v)}" for key, v in value.items() if key != "kind")
    kind = str(value.get("kind", ""))
    return f"{kind}({fields})" if fields else kind


def _validate(
    model: type[ModelT], raw: Any, context: Mapping[str, Any]
) -> tuple[ModelT | None, list[Mistake]]:
    try:
        return model.model_validate(raw, context=dict(context)), []
    except ValidationError as error:
        return None, [(path, message) for path, message, _ in flatten_errors(error, model)]
