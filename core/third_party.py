"""Kinds of third-party packages, found through entry points of group ``crossdl``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points

from crossdl.catalog import SLOT_FOLDERS, Entry
from crossdl.errors import CatalogError
from crossdl.hints import suggest


def find_entries(problems: list[str]) -> Iterator[Entry]:
    """All kinds that installed packages add, in order of distribution and entry point.

    Args:
        problems: Gets one sentence per package that is broken and is skipped.
    """
    allowed = os.environ.get("CROSSDL_PLUGINS")
    if allowed is not None and not allowed.strip():
        return
    points = list(entry_points(group="crossdl"))
    if not points:
        return
    names = None if allowed is None else {_plain(n) for n in allowed.split(",")}
    for point in sorted(points, key=lambda p: (p.dist.name if p.dist else "", p.name)):
        dist, version = (point.dist.name, point.dist.version) if point.dist else ("?", "?")
        if names is not None and _plain(dist) not in names:
            continue
        owner = f"{dist} {version}"
        try:
            found = _components_of(point, owner)
        except (Exception, SystemExit) as error:  # a stranger's code may raise anything
            problems.append(
                f"plugin {point.name!r} of {owner} is broken and was skipped: "
                f"{type(error).__name__}: {error}"
            )
            continue
        yield from found


def _components_of(point: EntryPoint, owner: str) -> list[Entry]:
    """Asks one entry point for its kinds; raises whatever is wrong with it."""
    import pluggy

    from crossdl import hookspecs

    manager = pluggy.PluginManager("crossdl")
    manager.add_hookspecs(hookspecs)
    manager.register(point.load(), name=point.name)
    manager.check_pending()
    if not manager.hook.crossdl_components.get_hookimpls():
        raise CatalogError("it has no function crossdl_components marked with @hookimpl")
    found: list[Entry] = []
    for answer in manager.hook.crossdl_components():
        if not isinstance(answer, Mapping):
            raise CatalogError("crossdl_components() must return {slot: {kind: reference}}")
        for slot, kinds in answer.items():
            if slot not in SLOT_FOLDERS:
                raise CatalogError(f"there is no slot {slot!r}{suggest(str(slot), SLOT_FOLDERS)}")
            if not isinstance(kinds, Mapping):
                raise CatalogError(f"{slot}: must be {{kind: reference}}, not {kinds!r}")
            found += [_checked(slot, kind, owner, reference) for kind, reference in kinds.items()]
    return found


def _checked(slot: str, kind: object, owner: str, reference: object) -> Entry:
    if not isinstance(kind, str) or not kind.isidentifier():
        raise CatalogError(f"{slot}: {kind!r} is not a kind; use a name such as noisy_or")
    if not isinstance(reference, str) or not re.fullmatch(r"[\w.]+:\w+", reference):
        raise CatalogError(f'{slot} {kind!r}: {reference!r} is not of the form "module:Class"')
    return Entry(slot, kind, owner, reference)


def _plain(distribution: str) -> str:
    """A distribution's name in the one form that package indexes compare."""
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()
