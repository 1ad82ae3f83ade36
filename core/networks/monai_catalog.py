"""Which networks MONAI has and what their constructors take, read from its source unimported.

Importing MONAI takes seconds, and checking a registry file must not.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from crossdl.hints import did_you_mean

GIVEN = ("spatial_dims", "in_channels", "out_channels")
"""Arguments that the adapter sets."""
REFUSED = ("pretrained",)
"""Arguments that would download weights, which are pickled."""


@dataclass(frozen=True)
class Constructor:
    """What a class takes.

    Attributes:
        arguments: All names, in order.
        required: Those without a default.
        anything: Whether it takes ``**kwargs``.
    """

    arguments: tuple[str, ...]
    required: tuple[str, ...]
    anything: bool


def check_network(name: str) -> None:
    """Checks that ``monai.networks.nets`` has a network from volumes to volumes of this name.

    Raises:
        ValueError: It has not; the message suggests the nearest name.
    """
    if name not in _modules() or constructor(name) is None:
        fitting = sorted(n for n in _modules() if n[0].isupper() and constructor(n) is not None)
        hint = did_you_mean(name, fitting) or f"; there are {', '.join(fitting)}"
        raise ValueError(f"monai.networks.nets has no {name!r} from images to maps{hint}")


def check_arguments(name: str, arguments: Mapping[str, Any]) -> None:
    """Checks names of arguments against the constructor of a network.

    Raises:
        ValueError: One is unknown, set by the adapter or missing.
    """
    takes = constructor(name)
    assert takes is not None
    free = [a for a in takes.arguments if a not in (*GIVEN, *REFUSED)]
    problems = []
    for argument in arguments:
        if argument in GIVEN:
            problems.append(f"{argument} is set by the adapter; remove it")
        elif argument in REFUSED:
            problems.append(f"{argument} would download pickled weights; remove it")
        elif argument not in free and not takes.anything:
            hint = did_you_mean(argument, free) or f"; it takes {', '.join(free)}"
            problems.append(f"{name} takes no argument {argument!r}{hint}")
    missing = [a for a in takes.required if a not in (*GIVEN, *arguments)]
    if missing:
        problems.append(f"{name} needs {', '.join(missing)}")
    if problems:
        raise ValueError("; ".join(problems))


@cache
def constructor(name: str) -> Constructor | None:
    """The constructor of a class that maps channels to channels, or None of anything else."""
    path = _modules()[name]
    for item in ast.parse(path.read_bytes()).body:
        if isinstance(item, ast.ClassDef) and item.name == name:
            found = next(_constructors(item), None)
            if found is None or not {"in_channels", "out_channels"} <= {*found.arguments}:
                return None
            return found
    return None


def _constructors(cls: ast.ClassDef) -> Iterator[Constructor]:
    for item in cls.body:
        if isinstance(item, ast.FunctionDef) and item.name == "__init__":
            given = item.args
            plain = [a.arg for a in (*given.posonlyargs, *given.args)][1:]
            required = plain[: len(plain) - len(given.defaults)]
            named = [a.arg for a in given.kwonlyargs]
            required += [n for n, d in zip(named, given.kw_defaults, strict=True) if d is None]
            yield Constructor((*plain, *named), tuple(required), given.kwarg is not None)


@cache
def _modules() -> Mapping[str, Path]:
    """Everything that ``monai.networks.nets`` exports → the file it is in."""
    spec = find_spec("monai")
    assert spec is not None and spec.origin is not None, "MONAI is a dependency"
    folder = Path(spec.origin).parent / "networks" / "nets"
    return {
        alias.name: folder / f"{item.module}.py"
        for item in ast.parse((folder / "__init__.py").read_bytes()).body
        if isinstance(item, ast.ImportFrom) and item.level == 1
        for alias in item.names
    }
