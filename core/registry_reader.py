"""Reading and validating a registry file, with every mistake reported at once."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from crossdl.catalog import Catalog
from crossdl.config import Loc
from crossdl.errors import ConfigError
from crossdl.hints import did_you_mean, suggest
from crossdl.inheritance import BrokenChain, ancestry, resolve
from crossdl.registry import (
    Composition,
    Mistake,
    ModelT,
    Registry,
    default_registry_text,
    validated,
)
from crossdl.study.definition import Scale, Study
from crossdl.study.expansion import BadCell, expand
from crossdl.toml_lines import TomlLines

SECTIONS = ("plugin_paths", "compositions", "studies", "scales")
DEEPEST = 50
"""Levels of tables and lists that a registry file may nest."""


def read(path: Path) -> Registry:
    """Reads a file; see :func:`crossdl.registry.load_registry`."""
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
    return Reader(path, text, raw).registry()


def shipped(section: str) -> dict[str, dict[str, Any]]:
    """Tables of compositions or scales that the package ships, there in every registry."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(default_registry_text())[section]
    return tables


class Reader:
    """Validates one file, collecting its mistakes."""

    def __init__(self, path: Path, text: str, raw: dict[str, Any]) -> None:
        """Takes a file's path, its text (for line numbers) and the tables in it."""
        self.path = path
        self.raw = raw
        self.lines = TomlLines(text)
        self.mistakes: dict[str, int] = {}

    def registry(self) -> Registry:
        """The validated file.

        Raises:
            ConfigError: With every mistake.
            CatalogError: Plugins collide.
        """
        for key in self.raw:
            if key not in SECTIONS:
                self.add((key,), f"unknown{suggest(key, SECTIONS)}")
        catalog = Catalog(self.plugin_folders())
        context = {"catalog": catalog, "folder": self.path.resolve().parent}
        own = self.tables("compositions")
        tables = {**shipped("compositions"), **own}
        compositions = self.compositions(tables, context)
        studies = self.models("studies", Study, self.tables("studies"))
        own_scales = self.models("scales", Scale, self.tables("scales"))
        scales = {**self.models("scales", Scale, shipped("scales")), **own_scales}
        registry = Registry(self.path, catalog, compositions, tuple(own), studies, scales)
        for name, study in studies.items():
            if study.base not in tables:
                self.add(
                    ("studies", name, "base"),
                    f"there is no composition {study.base!r}{did_you_mean(study.base, tables)}",
                )
            elif study.base in compositions:
                self.cells(registry, name, own_scales)
        if self.mistakes:
            count = len(self.mistakes)
            raise ConfigError(
                f"{self.path}: {count} mistake{'s' if count > 1 else ''}",
                sorted(self.mistakes, key=lambda message: self.mistakes[message]),
            )
        return registry

    def models(
        self, section: str, model: type[ModelT], tables: dict[str, dict[str, Any]]
    ) -> dict[str, ModelT]:
        """The valid tables of a section."""
        made: dict[str, ModelT] = {}
        for name, table in tables.items():
            found, mistakes = validated(model, table, {})
            self.add_all((section, name), mistakes)
            if found is not None:
                made[name] = found
        return made

    def cells(self, registry: Registry, name: str, scales: dict[str, Scale]) -> None:
        """Expands a study as it is and at every scale; what is wrong as it is counts once."""
        study = registry.studies[name]
        for known in study.at:
            if known not in registry.scales:
                hint = suggest(known, registry.scales)
                self.add(("studies", name, "at", known), f"there is no such scale{hint}")
        base, context = registry.compositions[study.base], {"catalog": registry.catalog}
        for scale in (None, *scales):
            sized = study.at_scale(scale, scales.get(scale or ""))
            prefix: Loc = ("studies", name)
            own = study.at.get(scale or "")
            if own is not None and own.axes is not None:
                prefix = ("studies", name, "at", str(scale))
            try:
                expand(sized, base, context, scales.get(scale or ""))
            except BadCell as error:
                for where, path, reason in error.mistakes:
                    start = prefix if where == "study" else ("scales", str(scale))
                    self.add((*start, *path), reason)
                if scale is None:
                    return

    def add(self, where: Loc, message: str) -> None:
        """Notes a mistake at a dotted path; the same one counts once."""
        line = self.lines.find(where)
        dotted = ".".join(map(str, where))
        self.mistakes[f"{f'line {line}: ' if line else ''}{dotted}: {message}"] = line or 0

    def add_all(self, where: Loc, mistakes: list[Mistake]) -> None:
        """Notes mistakes whose paths start at ``where``."""
        for path, message in mistakes:
            self.add((*where, *path), message)

    def plugin_folders(self) -> list[Path]:
        """Existing folders of ``plugin_paths``, which are relative to the file."""
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
        """The tables of a section that are tables and have proper names."""
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
        """The valid compositions; what an heir only inherited is not reported again."""
        chains: dict[str, list[str]] = {}
        for name in tables:
            try:
                chains[name] = ancestry(tables, name)
            except BrokenChain as error:
                self.add(("compositions", error.owner, "extends"), error.reason)
        made: dict[str, Composition] = {}
        mistakes: dict[str, list[Mistake]] = {}
        for name in sorted(chains, key=lambda n: len(chains[n])):
            composition, found = validated(Composition, resolve(tables, chains[name]), context)
            inherited = [m for ancestor in chains[name][1:] for m in mistakes[ancestor]]
            mistakes[name] = [m for m in found if m not in inherited]
            self.add_all(("compositions", name), mistakes[name])
            if composition is not None:
                made[name] = composition
        return {name: made[name] for name in tables if name in made}


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
