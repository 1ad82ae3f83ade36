"""The catalog: which kinds exist for each slot, and where their code is.

Built-in kinds and kinds in a user's own folder are found by file name; nothing is imported
before a kind is named in a composition. Third-party packages declare an entry point of group
``crossdl`` whose module implements :func:`crossdl.hookspecs.crossdl_components`.

``CROSSDL_PLUGINS=""`` switches third-party packages off; ``CROSSDL_PLUGINS="a,b"`` admits only
these distributions.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from crossdl.errors import CatalogError
from crossdl.hints import suggest

if TYPE_CHECKING:
    from crossdl.config import ComponentConfig
    from crossdl.interfaces import Component
    from crossdl.labels import LabelSet

SLOT_FOLDERS: dict[str, str] = {
    "cohort": "cohorts",
    "discretizer": "discretizers",
    "atlas": "atlases",
    "segmenter": "segmenters",
    "analyzer": "analyzers",
    "pooling": "analyzers/pooling",
    "evaluator": "evaluators",
}
"""Slot name → folder of its kinds, the same in the package and in a user's ``plugin_paths``."""


@dataclass(frozen=True)
class Entry:
    """One kind.

    Attributes:
        slot: Slot name.
        kind: What a registry file calls it.
        owner: "crossdl", a distribution with its version, or a folder.
        reference: ``module`` or ``module:Class``.
        path: File to load for kinds in a user's folder, else None.
    """

    slot: str
    kind: str
    owner: str
    reference: str
    path: Path | None = None


class Catalog:
    """All kinds visible to one registry file."""

    def __init__(self, plugin_paths: Sequence[Path] = ()) -> None:
        """Looks at file names and entry points.

        Args:
            plugin_paths: Users' folders, laid out like the package's ``plugins/``.

        Raises:
            CatalogError: Two owners claim one kind, or a folder does not exist.
        """
        self.plugin_paths = tuple(plugin_paths)
        self.problems: list[str] = []
        """One sentence per third-party package that is broken and was skipped."""
        self._entries: dict[tuple[str, str], Entry] = {}
        for entry in self._builtin():
            self._add(entry)
        for folder in plugin_paths:
            for entry in self._folder(folder):
                self._add(entry)
        from crossdl.third_party import find_entries

        for entry in find_entries(self.problems):
            self._add(entry)

    def kinds(self, slot: str) -> list[Entry]:
        """Entries of a slot, sorted by kind."""
        if slot not in SLOT_FOLDERS:
            raise CatalogError(f"there is no slot {slot!r}{suggest(slot, SLOT_FOLDERS)}")
        return sorted((e for e in self._entries.values() if e.slot == slot), key=lambda e: e.kind)

    def entry(self, slot: str, kind: str) -> Entry:
        """The entry of one kind.

        Raises:
            CatalogError: It does not exist; the message suggests the nearest name.
        """
        known = [e.kind for e in self.kinds(slot)]
        if kind not in known:
            broken = f" ({'; '.join(self.problems)})" if self.problems else ""
            raise CatalogError(f"there is no {slot} of kind {kind!r}{suggest(kind, known)}{broken}")
        return self._entries[slot, kind]

    def component(self, slot: str, kind: str) -> type[Component[Any]]:
        """Imports the class of a kind.

        Raises:
            CatalogError: The import fails, or the file does not hold exactly one fitting class.
        """
        entry = self.entry(slot, kind)
        try:
            module = self._import(entry)
        except (Exception, SystemExit) as error:
            raise CatalogError(
                f"{slot} {kind!r} of {entry.owner} cannot be imported: "
                f"{type(error).__name__}: {error}"
            ) from error
        cls = _class_in(module, entry)
        default = cls.Config.model_fields["kind"].default
        if default != kind:
            raise CatalogError(
                f"{slot} {kind!r} of {entry.owner}: its config says kind = {default!r}; "
                "file name and kind must be equal"
            )
        return cls

    def parse(
        self, slot: str, raw: object, context: Mapping[str, Any] | None = None
    ) -> ComponentConfig:
        """Validates a table ``{kind = "...", ...}`` by the config class of its kind.

        Args:
            slot: Slot name.
            raw: The table, a bare kind, or a config that is already made.
            context: What the config's validators see, the catalog added.

        Raises:
            CatalogError: No or unknown kind.
            pydantic.ValidationError: Wrong fields.
        """
        from crossdl.config import ComponentConfig

        if isinstance(raw, ComponentConfig):
            expected = self.component(slot, raw.kind).Config
            if not isinstance(raw, expected):
                raise CatalogError(f"{type(raw).__name__} is not the config of a {slot}")
            return raw
        if isinstance(raw, str):
            raw = {"kind": raw}
        if not isinstance(raw, dict) or not isinstance(raw.get("kind"), str):
            raise CatalogError(f'{slot} must be a table with a kind, such as {{kind = "..."}}')
        config = self.component(slot, raw["kind"]).Config
        return config.model_validate(raw, context={**(context or {}), "catalog": self})

    def summary(self, entry: Entry) -> str:
        """First line of the docstring of a kind's class or module, read without importing it."""
        path = entry.path or _source_file(entry.reference.partition(":")[0])
        try:
            tree = ast.parse(path.read_bytes() if path else b"")
        except (OSError, SyntaxError, ValueError):
            return ""
        name = entry.reference.partition(":")[2]
        nodes: list[ast.ClassDef | ast.Module] = [
            *(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name),
            tree,
        ]
        texts = [ast.get_docstring(node) for node in nodes]
        return next((text.splitlines()[0] for text in texts if text), "")

    def create(self, slot: str, config: ComponentConfig, anatomy: LabelSet) -> Any:
        """Builds the component of a config; all but discretizers need an anatomy.

        Raises:
            CatalogError: The config is not one of this slot.
        """
        from crossdl.interfaces import build

        return build(self.parse(slot, config), anatomy)

    def _add(self, entry: Entry) -> None:
        other = self._entries.get((entry.slot, entry.kind))
        if other is not None:
            raise CatalogError(
                f"{entry.slot} {entry.kind!r} is claimed by both {other.owner} and {entry.owner}; "
                'rename or remove one (CROSSDL_PLUGINS="" switches third-party packages off)'
            )
        self._entries[entry.slot, entry.kind] = entry

    @staticmethod
    def _builtin() -> Iterable[Entry]:
        root = Path(__file__).parent / "plugins"
        for slot, folder in SLOT_FOLDERS.items():
            for path in _plugin_files(root / folder):
                module = ".".join(["crossdl.plugins", *folder.split("/"), path.stem])
                yield Entry(slot, path.stem, "crossdl", module)

    @staticmethod
    def _folder(root: Path) -> Iterable[Entry]:
        if not root.is_dir():
            raise CatalogError(f"plugin_paths: {root} is not a folder; correct or remove it")
        digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
        for slot, folder in SLOT_FOLDERS.items():
            for path in _plugin_files(root / folder):
                name = f"crossdl_user_{digest}_{slot}_{path.stem}"
                yield Entry(slot, path.stem, f"folder {root}", name, path)

    @staticmethod
    def _import(entry: Entry) -> ModuleType:
        if entry.path is None:
            return importlib.import_module(entry.reference.partition(":")[0])
        if entry.reference in sys.modules:
            return sys.modules[entry.reference]
        spec = importlib.util.spec_from_file_location(entry.reference, entry.path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{entry.path} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[entry.reference] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[entry.reference]
            raise
        return module


@cache
def default_catalog() -> Catalog:
    """The catalog without any user's folder."""
    return Catalog()


def _plugin_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*.py") if not p.stem.startswith("_"))


def _source_file(module: str) -> Path | None:
    """Source of a dotted module, found without importing it or its parents."""
    where: Sequence[str] | None = None
    name = ""
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        spec = PathFinder.find_spec(name, where)
        if spec is None:
            return None
        where = spec.submodule_search_locations
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _class_in(module: ModuleType, entry: Entry) -> type[Component[Any]]:
    from crossdl.interfaces import Component

    name = entry.reference.partition(":")[2]
    if name:
        candidates = [getattr(module, name, None)]
    else:
        candidates = [
            v for v in vars(module).values() if getattr(v, "__module__", "") == module.__name__
        ]
    classes = [
        c
        for c in candidates
        if isinstance(c, type)
        and issubclass(c, Component)
        and getattr(c, "slot", None) == entry.slot
        and hasattr(c, "Config")
        and not getattr(c, "__abstractmethods__", None)
    ]
    if len(classes) != 1:
        found = ", ".join(c.__name__ for c in classes) or "none"
        raise CatalogError(
            f"{entry.slot} {entry.kind!r} of {entry.owner}: expected one complete {entry.slot} "
            f"class with its config in square brackets, found {found}"
        )
    return classes[0]
