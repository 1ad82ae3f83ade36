"""What a contract check is, and what it gets to see."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, cast

from crossdl.anatomy import Anatomy
from crossdl.catalog import Catalog
from crossdl.config import ComponentConfig

T = TypeVar("T")
Config = Mapping[str, Any] | Callable[[Path], Mapping[str, Any]]
"""Fields of a config, or a function that makes them from an empty folder."""


@dataclass
class Subject:
    """The kind under test.

    Attributes:
        catalog: Where it is found.
        slot: Its slot.
        kind: Its kind.
        anatomy: The anatomy it is built for.
        fields: Config fields that differ from the defaults.
    """

    catalog: Catalog
    slot: str
    kind: str
    anatomy: Anatomy
    fields: Config = field(default_factory=dict)

    @cached_property
    def config(self) -> ComponentConfig:
        """The config under test."""
        fields = self.fields(self.folder("config")) if callable(self.fields) else self.fields
        return self.catalog.parse(self.slot, {"kind": self.kind, **fields})

    def build(self) -> Any:
        """A new component."""
        return self.catalog.create(self.slot, self.config, self.anatomy)

    def folder(self, name: str) -> Path:
        """A folder of this subject that is deleted with it."""
        path = Path(self._temporary.name) / name
        path.mkdir(exist_ok=True)
        return path

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What ``make`` returned the first time; for results that are costly."""
        if name not in self._made:
            self._made[name] = make()
        return cast(T, self._made[name])

    @cached_property
    def _made(self) -> dict[str, Any]:
        return {}

    @cached_property
    def _temporary(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="crossdl-contract-")


@dataclass(frozen=True)
class Check:
    """One promise of an interface.

    Attributes:
        name: Last part of the test's id.
        run: Raises AssertionError if the promise is broken.
    """

    name: str
    run: Callable[[Subject], None]


_CHECKS: dict[str, list[Check]] = {}


def check(slot: str) -> Callable[[Callable[[Subject], None]], Callable[[Subject], None]]:
    """Marks a function as a check of a slot, or of ``"component"``, that is of all slots."""

    def register(function: Callable[[Subject], None]) -> Callable[[Subject], None]:
        _CHECKS.setdefault(slot, []).append(Check(function.__name__, function))
        return function

    return register


def checks_of(slot: str) -> list[Check]:
    """All checks of a slot, those of every component first."""
    for name in ("component", slot):
        import_module(f"crossdl.testing.{name}")
    return [*_CHECKS["component"], *_CHECKS[slot]]


def ensure(promise: bool, message: str) -> None:
    """Fails the running check.

    Raises:
        AssertionError: ``promise`` is false; unlike ``assert`` this works under ``python -O``.
    """
    if not promise:
        raise AssertionError(message)


def as_json(value: object, name: str) -> str:
    """``value`` as JSON text.

    Raises:
        AssertionError: It has none, because of NaN, infinity or a type that JSON lacks.
    """
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssertionError(f"{name} cannot be written as JSON: {error}") from error


def ensure_raises(error: type[Exception], action: Callable[[], object], message: str) -> None:
    """Fails the running check unless ``action`` raises ``error``.

    Raises:
        AssertionError: It returned, or raised something else.
    """
    try:
        action()
    except error as raised:
        ensure(bool(str(raised).strip()), f"{message}, but the error has no text")
    except Exception as other:
        raise AssertionError(f"{message}, but it was {type(other).__name__}: {other}") from other
    else:
        raise AssertionError(f"{message}, but nothing was raised")
