"""``registry.toml``: compositions (one component per slot) and studies (a base and its axes)."""

from __future__ import annotations

import copy
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
    field_validator,
)

from crossdl.anatomy import load_anatomy
from crossdl.catalog import Catalog, _did_you_mean
from crossdl.config import ComponentConfig, Slot, flatten_errors
from crossdl.errors import ConfigError

TomlPath = tuple[int | str, ...]
ModelT = TypeVar("ModelT", bound=BaseModel)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Composition(_Model):
    """One component per slot: everything that decides the result of a run."""

    description: str = Field("", description="one sentence for `crossdl list`")
    anatomy: str = Field("head_ct", description="built-in anatomy, or path of a .toml file")
    seed: int = Field(0, ge=0, lt=2**31, description="everything random derives from it")
    cohort: Annotated[SerializeAsAny[ComponentConfig], Slot("cohort")]
    discretizer: Annotated[SerializeAsAny[ComponentConfig], Slot("discretizer")]
    segmenter: Annotated[SerializeAsAny[ComponentConfig], Slot("segmenter")]
    analyzer: Annotated[SerializeAsAny[ComponentConfig], Slot("analyzer")]
    evaluators: tuple[Annotated[SerializeAsAny[ComponentConfig], Slot("evaluator")], ...] = Field(
        min_length=1
    )

    @field_validator("anatomy")
    @classmethod
    def _anatomy_loads(cls, name: str) -> str:
        try:
            load_anatomy(name)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return name


class Study(_Model):
    """A comparison: a base composition and the values one of its fields takes."""

    description: str = Field("", description="one sentence for `crossdl list`")
    base: str = Field(description="name of a composition")
    axis: str = Field(
        description="dotted path of the field that varies, e.g. analyzer.pooling",
        pattern=r"^[a-z_]+(\.[a-z_0-9]+)*$",
    )
    values: tuple[Any, ...] = Field(
        min_length=1, description="what the field becomes, cell by cell"
    )
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="every value runs once per seed")
    metrics: tuple[str, ...] = Field((), description="metrics to compare; empty means all")


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
    _raw: Mapping[str, Any]

    def composition(self, name: str, changes: Mapping[str, Any] | None = None) -> Composition:
        """A composition, optionally with fields changed.

        Args:
            name: Name in the file.
            changes: Dotted path → new value, e.g. ``{"analyzer.epochs": 2}``.

        Raises:
            ConfigError: No such composition, or a change does not fit.
        """
        if name not in self.compositions:
            hint = _did_you_mean(name, self.compositions) or (
                f"; there are {', '.join(sorted(self.compositions))}"
            )
            raise ConfigError(f"{self.path}: there is no composition {name!r}{hint}")
        if not changes:
            return self.compositions[name]
        problems: list[str] = []
        raw = copy.deepcopy(_resolve(self._raw["compositions"], name, problems))
        for dotted, value in changes.items():
            _assign(raw, dotted, value)
        made = _validate(Composition, raw, (), self.catalog, problems, "")
        if made is None:
            raise ConfigError(f"composition {name!r} with changes is not valid", problems)
        return made

    def cells(self, name: str) -> Iterator[tuple[str, Composition]]:
        """All cells of a study as ``(label, composition)``."""
        study = self.studies[name]
        for (index, value), seed in itertools.product(enumerate(study.values), study.seeds):
            label = value.get("kind", str(index)) if isinstance(value, dict) else str(value)
            yield (
                f"{study.axis}={label}, seed {seed}",
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
    try:
        text = path.read_bytes().decode("utf-8")
        raw = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    problems: list[str] = []
    allowed = ("plugin_paths", "compositions", "studies")
    for key in raw:
        if key not in allowed:
            problems.append(_line(text, (key,)) + f"{key}: unknown{_did_you_mean(key, allowed)}")
    paths = raw.get("plugin_paths", [])
    if not isinstance(paths, list) or not all(isinstance(p, str) for p in paths):
        problems.append(_line(text, ("plugin_paths",)) + "plugin_paths: must be a list of folders")
        paths = []
    catalog = Catalog([path.parent / p for p in paths])
    tables = {key: _table(raw, key, text, problems) for key in ("compositions", "studies")}
    compositions: dict[str, Composition] = {}
    for name in tables["compositions"]:
        resolved = _resolve(tables["compositions"], name, problems, text)
        if resolved is None:
            continue
        where = ("compositions", name)
        made = _validate(Composition, resolved, where, catalog, problems, text)
        if made is not None:
            compositions[name] = made
    studies: dict[str, Study] = {}
    for name, table in tables["studies"].items():
        study = _validate(Study, table, ("studies", name), catalog, problems, text)
        if study is not None:
            studies[name] = study
    registry = Registry(path, catalog, compositions, studies, raw)
    for name, study in studies.items():
        known = tables["compositions"]
        if study.base not in known:
            problems.append(
                _line(text, ("studies", name, "base"))
                + f"studies.{name}.base: there is no composition {study.base!r}"
                + _did_you_mean(study.base, known)
            )
        elif study.base in compositions:
            problems += _study_problems(registry, name, text)
    if problems:
        raise ConfigError(f"{path}: {len(problems)} mistake(s)", list(dict.fromkeys(problems)))
    return registry


def _study_problems(registry: Registry, name: str, text: str) -> list[str]:
    study = registry.studies[name]
    problems = []
    for index, value in enumerate(study.values):
        try:
            registry.composition(study.base, {study.axis: value})
        except ConfigError as error:
            where = _line(text, ("studies", name, "values"))
            problems += [f"{where}studies.{name}.values.{index}: {p}" for p in error.problems]
    return problems


def _table(raw: Mapping[str, Any], key: str, text: str, problems: list[str]) -> dict[str, Any]:
    table = raw.get(key, {})
    if isinstance(table, dict) and all(isinstance(v, dict) for v in table.values()):
        return table
    problems.append(_line(text, (key,)) + f"{key}: must hold tables, such as [{key}.NAME]")
    return {}


def _resolve(
    tables: Mapping[str, Any], name: str, problems: list[str], text: str = ""
) -> dict[str, Any] | None:
    """The table of a composition with its ``extends`` chain merged in; None if that is broken."""
    chain: list[str] = []
    current: str | None = name
    while current is not None:
        where = _line(text, ("compositions", chain[-1] if chain else name, "extends"))
        if current in chain:
            problems.append(
                f"{where}compositions.{name}.extends: circular: {' -> '.join([*chain, current])}"
            )
            return None
        if current not in tables:
            problems.append(
                f"{where}compositions.{chain[-1]}.extends: there is no composition {current!r}"
                + _did_you_mean(current, tables)
            )
            return None
        chain.append(current)
        current = tables[current].get("extends")
        if current is not None and not isinstance(current, str):
            problems.append(f"{where}compositions.{chain[-1]}.extends: must be a name")
            return None
    merged: dict[str, Any] = {}
    for ancestor in reversed(chain):
        own = {k: v for k, v in tables[ancestor].items() if k != "extends"}
        if ancestor != name:
            own.pop("description", None)
        merged = _merge(merged, own)
    return merged


def _merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merge key by key, unless the change names another kind; then it replaces."""
    merged = dict(base)
    for key, value in change.items():
        old = merged.get(key)
        same = isinstance(old, dict) and isinstance(value, dict)
        if same and value.get("kind", old.get("kind")) == old.get("kind"):
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged


def _assign(raw: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    table = raw
    for key in parents:
        inner = table.get(key)
        if isinstance(inner, str):  # "elastix" is short for {kind = "elastix"}
            inner = {"kind": inner}
        if not isinstance(inner, dict):
            inner = {}
        table[key] = dict(inner)
        table = table[key]
    if isinstance(value, dict):
        table.update(_merge({last: table.get(last)}, {last: value}))
    else:
        table[last] = value


def _validate(
    model: type[ModelT],
    raw: Any,
    where: TomlPath,
    catalog: Catalog,
    problems: list[str],
    text: str,
) -> ModelT | None:
    try:
        return model.model_validate(raw, context={"catalog": catalog})
    except ValidationError as error:
        for path, message, kind in flatten_errors(error):
            full = (*where, *path)
            hint = ""
            if kind == "extra_forbidden":
                known = _fields_at(model, raw, path[:-1], catalog)
                message = "unknown field"
                hint = _did_you_mean(str(path[-1]), known) or (
                    f"; there are {', '.join(known)}" if known else ""
                )
            elif kind == "missing":
                message = "is missing"
            dotted = ".".join(map(str, full))
            problems.append(f"{_line(text, full)}{dotted}: {message}{hint}")
        return None


def _fields_at(model: type[BaseModel], raw: Any, path: TomlPath, catalog: Catalog) -> list[str]:
    """Names of the fields allowed at a path, following the kinds that the raw table names."""
    fields = model.model_fields
    for key in path:
        info = fields.get(str(key)) if not isinstance(key, int) else None
        raw = raw[key] if isinstance(raw, dict | list | tuple) else None
        marker = next((m for m in (info.metadata if info else ()) if isinstance(m, Slot)), None)
        slot = marker.name if marker else "evaluator"
        if isinstance(raw, dict) and isinstance(raw.get("kind"), str):
            fields = catalog.component(slot, raw["kind"]).Config.model_fields
    return list(fields)


def _line(text: str, path: TomlPath) -> str:
    """``"line 12: "`` of the deepest part of a path that stands in the text, or ``""``."""
    lines = text.splitlines()
    keys = [str(k) for k in path if not isinstance(k, int)]
    if keys and keys[0] in ("compositions", "studies"):
        scope = _scope(lines, keys)
    else:
        scope = list(range(len(lines)))
    for key in reversed(keys):
        for number in scope:
            if re.match(
                rf"""\s*(?:[\w."']+\.)?["']?{re.escape(key)}["']?\s*[=.]""", lines[number]
            ) or (re.search(rf"""[{{,]\s*{re.escape(key)}\s*=""", lines[number])):
                return f"line {number + 1}: "
    return f"line {scope[0] + 1}: " if scope and keys else ""


def _scope(lines: list[str], keys: list[str]) -> list[int]:
    """Line numbers of the tables ``[a.b]`` and below that hold a path; innermost table first."""
    headers: list[tuple[int, list[str]]] = []
    for number, line in enumerate(lines):
        match = re.match(r"\s*\[\[?([^\]]+)\]\]?", line)
        if match and "=" not in line.split("#")[0]:
            headers.append((number, [p.strip(" \"'") for p in match[1].split(".")]))
    best: list[int] = []
    depth = 0
    for position, (number, header) in enumerate(headers):
        if header == keys[: len(header)] and len(header) > depth and len(header) >= 2:
            end = headers[position + 1][0] if position + 1 < len(headers) else len(lines)
            best, depth = list(range(number, end)), len(header)
    return best
