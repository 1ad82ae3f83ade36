"""How compositions inherit (``extends``) and how one field of a composition is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdl.errors import ConfigError
from crossdl.hints import did_you_mean, suggest


class BrokenChain(Exception):
    """An ``extends`` that leads nowhere: ``owner`` is the composition it stands in."""

    def __init__(self, owner: str, reason: str) -> None:
        """Keeps both."""
        super().__init__(reason)
        self.owner = owner
        self.reason = reason


def ancestry(tables: Mapping[str, Mapping[str, Any]], name: str) -> list[str]:
    """``name`` and what it extends, nearest first.

    Raises:
        BrokenChain: A name is unknown, not a string, or comes twice.
    """
    chain = [name]
    while "extends" in tables[chain[-1]]:
        owner, base = chain[-1], tables[chain[-1]]["extends"]
        if not isinstance(base, str):
            raise BrokenChain(owner, "must be the name of a composition")
        if base in chain:
            raise BrokenChain(owner, f"circular: {' -> '.join([*chain, base])}")
        if base not in tables:
            raise BrokenChain(
                owner, f"there is no composition {base!r}{did_you_mean(base, tables)}"
            )
        chain.append(base)
    return chain


def resolve(tables: Mapping[str, Mapping[str, Any]], chain: list[str]) -> dict[str, Any]:
    """The table of ``chain[0]`` with everything it inherits; descriptions are not inherited."""
    merged: dict[str, Any] = {}
    for name in reversed(chain):
        own = {key: value for key, value in tables[name].items() if key != "extends"}
        if name != chain[0]:
            own.pop("description", None)
        merged = merge(merged, own)
    return merged


def merge(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merge key by key; a table that names another kind replaces the old one.

    >>> merge({"a": {"kind": "x", "n": 1}}, {"a": {"kind": "x", "m": 2}})
    {'a': {'kind': 'x', 'n': 1, 'm': 2}}
    >>> merge({"a": {"kind": "x", "n": 1}}, {"a": "y"})
    {'a': {'kind': 'y'}}
    """
    merged = dict(base)
    for key, value in change.items():
        merged[key] = _merged(merged.get(key), value)
    return merged


def _merged(old: Any, value: Any) -> Any:
    if isinstance(old, str) and isinstance(value, dict):  # "max" is short for {kind = "max"}
        old = {"kind": old}
    if isinstance(value, str) and isinstance(old, dict) and "kind" in old:
        value = {"kind": value}
    if not (isinstance(old, dict) and isinstance(value, dict)):
        return value
    if value.get("kind", old.get("kind")) != old.get("kind"):
        return value
    return merge(old, value)


def lookup(table: Any, dotted: str) -> Any:
    """The value at a dotted path of nested tables and lists.

    Raises:
        ConfigError: There is none; the message suggests the nearest field.
    """
    node = table
    for depth, key in enumerate(keys := dotted.split(".")):
        here = ".".join(keys[:depth]) or "a composition"
        if isinstance(node, dict):
            if key not in node:
                raise ConfigError(f"{here} has no field {key!r}{suggest(key, map(str, node))}")
            node = node[key]
        elif isinstance(node, list | tuple):
            if not (key.isdecimal() and int(key) < len(node)):
                raise ConfigError(f"{here} is a list: give a position from 0 to {len(node) - 1}")
            node = node[int(key)]
        else:
            raise ConfigError(f"{here} is a single value and has no field {key!r}")
    return node


def assign(table: Any, dotted: str, value: Any) -> Any:
    """A copy of ``table`` in which the field at ``dotted`` has become ``value``, merged.

    Raises:
        ConfigError: The path leads through something that does not exist.
    """
    parents, _, last = dotted.rpartition(".")
    holder = lookup(table, parents) if parents else table
    if isinstance(holder, dict):
        changed: Any = merge(holder, {last: value})
    else:
        lookup(table, dotted)
        changed = [_merged(v, value) if i == int(last) else v for i, v in enumerate(holder)]
    return changed if not parents else _replaced(table, parents.split("."), changed)


def _replaced(node: Any, keys: list[str], value: Any) -> Any:
    if not keys:
        return value
    first, *rest = keys
    if isinstance(node, dict):
        return {**node, first: _replaced(node[first], rest, value)}
    return [_replaced(v, rest, value) if i == int(first) else v for i, v in enumerate(node)]
